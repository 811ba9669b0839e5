"""The overview page of one portfolio: `show --html` writes it, and the dashboard opens with it."""

from __future__ import annotations

from collections.abc import Sequence

from reports import charts, words
from reports.history import PERIODS
from reports.notes import surprises
from reports.pages import figures
from reports.pages.environment import Book, Dollars, Shell, render
from reports.pages.performance import sections_of
from reports.view import RiskView

_POSITIONS = 20
_PNL_SESSIONS = 60


def render_overview(
    view: RiskView,
    notes: Sequence[str],
    shell: Shell | None = None,
    period: str = "SI",
) -> str:
    """The page as HTML, with charts over a period; every text of a user is escaped.

    Without a shell it is one self-contained file, which includes the content of the performance page.
    """
    dollars = Dollars(figures.scale_of(view))
    history = view.history.period(period)
    equity, drawdown = figures.equity(history, dollars, view.benchmark)
    return render(
        "overview.html.j2",
        shell or Shell(served=False, book=book_of(view), section=""),
        view=view,
        snapshot=view.snapshot,
        risk=view.risk,
        notes=notes,
        surprises=surprises(view),
        usd=dollars,
        history=history,
        performance=None if shell else sections_of(view.history, view.performance, view.benchmark),
        period=period,
        periods={name: name for name in PERIODS},
        pnl_sessions=min(len(history.days), _PNL_SESSIONS),
        equity=equity if len(history.days) > 1 else None,
        drawdown=drawdown,
        pnl=figures.pnl(history, dollars, _PNL_SESSIONS),
        exposures=figures.exposures(view, dollars),
        contributions=figures.contributions(view),
        stress=figures.stress(view, dollars),
        sectors=figures.sectors(view),
        correlations=figures.correlations(view),
        positions=figures.holdings(view, view.holdings[:_POSITIONS], dollars),
        more_positions=figures.holdings(view, view.holdings[_POSITIONS:], dollars)
        if len(view.holdings) > _POSITIONS
        else None,
        shown=_POSITIONS,
        variance=_variance(view),
    )


def book_of(view: RiskView) -> Book:
    """The portfolio of a self-contained page, which knows no session but its own."""
    return Book(view.portfolio_id, view.name, view.day, view.day, view.day, None, None)


def _variance(view: RiskView):
    risk = view.risk
    if risk is None or not risk.ex_ante_vol or risk.factor_variance is None:
        return None
    share = risk.factor_variance / (risk.ex_ante_vol * risk.ex_ante_vol)
    told = f"{words.percent(share, places=0)} from factors, {words.percent(1 - share, places=0)} specific"
    return charts.split("Variance", told, share), told
