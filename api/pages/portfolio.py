"""The pages of one portfolio, each on any of its sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from api.asking import find_portfolio
from api.pages.answer import Look, NoPage, page
from api.problems import NotThere
from reports.attribution import ATTRIBUTED
from reports.books import read_neighbours
from reports.history import PERIODS, first_session, read_history
from reports.notes import notes
from reports.pages.correlations import render_correlations
from reports.pages.environment import SECTIONS, Book, Shell
from reports.pages.overview import render_overview
from reports.pages.performance import render_performance
from reports.pages.positions import GROUPS, HELD, Choice, render_positions
from reports.pages.risk import render_risk
from reports.pages.stress import render_stress
from reports.performance import read_performance
from reports.portfolios import Portfolio, nearest_sessions
from reports.positions import read_lots
from reports.reading import read_page
from reports.risk_history import read_impacts, read_risk_history
from reports.view import RiskView

router = APIRouter()


@dataclass(frozen=True)
class Visit:
    """A look at one portfolio on one session."""

    look: Look
    portfolio: Portfolio
    book: Book
    shell: Shell

    @property
    def day(self) -> date:
        """The session."""
        return self.book.day

    def view(self) -> RiskView:
        """The data for the page of this session."""
        return read_page(self.look.conn, self.portfolio, self.day, demo=self.look.demo)


def _overview(visit: Visit) -> str:
    view, look = visit.view(), visit.look
    period = look.choice("period", PERIODS, "1Y")
    return render_overview(view, notes(view), visit.shell, period)


def _performance(visit: Visit) -> str:
    look, portfolio_id = visit.look, visit.portfolio.portfolio_id
    history = read_history(look.conn, portfolio_id, visit.day)
    performance = read_performance(look.conn, portfolio_id, visit.day, look.choice("attribution", ATTRIBUTED, "YTD"))
    return render_performance(history, performance, visit.shell, look.choice("period", PERIODS, "SI"))


def _positions(visit: Visit) -> str:
    look, usual = visit.look, Choice()
    choice = Choice(
        by=look.choice("by", GROUPS, usual.by),
        held=look.choice("held", HELD, usual.held),
        search=look.query.get("q", ""),
        sector=look.query.get("sector", ""),
        sort=look.query.get("sort", usual.sort),
        period=look.choice("period", PERIODS, usual.period),
    )
    history = read_history(look.conn, visit.portfolio.portfolio_id, visit.day)
    lots = read_lots(look.conn, visit.portfolio.portfolio_id, visit.day, first_session(choice.period, history.days))
    return render_positions(lots, history.equity[-1], visit.shell, choice, list(PERIODS))


def _risk(visit: Visit) -> str:
    view = visit.view()
    history = read_risk_history(visit.look.conn, visit.portfolio.portfolio_id, visit.day)
    return render_risk(view, history, notes(view), visit.shell)


def _stress(visit: Visit) -> str:
    view, query = visit.view(), visit.look.query
    impacts = read_impacts(visit.look.conn, visit.portfolio.portfolio_id, visit.day)
    return render_stress(
        view, impacts, notes(view), visit.shell, query.get("sort", "correlated"), query.get("kind", "")
    )


def _correlations(visit: Visit) -> str:
    view = visit.view()
    return render_correlations(view, notes(view), visit.shell)


_DRAWN: dict[str, Callable[[Visit], str]] = {
    "": _overview,
    "performance": _performance,
    "positions": _positions,
    "risk": _risk,
    "stress": _stress,
    "correlations": _correlations,
}


@router.get("/portfolios/{handle}")
async def overview(request: Request, handle: str) -> Response:
    """The page of a portfolio."""
    return await _show(request, handle, "")


@router.get("/portfolios/{handle}/{section}")
async def section(request: Request, handle: str, section: str) -> Response:
    """One of its further pages."""
    return await _show(request, handle, section)


async def _show(request: Request, handle: str, section: str) -> Response:
    def draw(look: Look) -> tuple[str, str]:
        if section not in _DRAWN:
            raise NoPage("No such page", "A portfolio has other pages.", _pages_of(handle))
        visit = _visit(look, handle, section)
        return _DRAWN[section](visit), visit.portfolio.version

    return await page(request, draw)


def _visit(look: Look, handle: str, section: str) -> Visit:
    try:
        portfolio = find_portfolio(look.conn, handle, look.caller)
    except NotThere:
        raise NoPage("No such portfolio", "It is not there, or not for this token.") from None
    if portfolio.latest is None or portfolio.first_session is None:
        command = "python run_nightly.py demo" if look.demo else "python run_nightly.py backfill"
        raise NoPage(portfolio.name, f"It has not been rolled yet. This does it: {command}")
    given = look.query.get("as_of", "")
    try:
        day = date.fromisoformat(given) if given not in ("", "latest") else portfolio.latest
    except ValueError:
        raise NoPage("No such date", f"{given} is no date: write it like 2023-12-29.", _pages_of(handle)) from None
    before, after = nearest_sessions(look.conn, portfolio.portfolio_id, day)
    if before != day:
        path = f"/portfolios/{portfolio.portfolio_id}" + (f"/{section}" if section else "")
        links = [(f"{path}?as_of={each}", str(each)) for each in (before, after) if each]
        raise NoPage("No such session", f"{portfolio.name} has no snapshot of {day}. The nearest are:", links)
    previous, following = read_neighbours(look.conn, portfolio, day)
    book = Book(
        portfolio_id=portfolio.portfolio_id,
        name=portfolio.name,
        day=day,
        first=portfolio.first_session,
        latest=portfolio.latest,
        previous=previous,
        next=following,
        benchmark=portfolio.benchmark,
    )
    return Visit(look, portfolio, book, look.shell(section, book))


def _pages_of(handle: str) -> list[tuple[str, str]]:
    path = f"/portfolios/{quote(handle, safe='')}"
    return [(path + (f"/{key}" if key else ""), name) for key, name in SECTIONS.items()]
