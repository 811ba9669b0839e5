"""The context of a run, made once and handed down: nobody below asks what day it is, or which portfolios are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from nightly.record import RunProblem
from warehouse.errors import UserError
from warehouse.phrases import count
from warehouse.portfolio_names import find_portfolios
from warehouse.queries import fetch_one
from warehouse.sessions import latest_closed_session, require_session, session_before, sessions_between
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from ingest.providers.limits import Deadline
    from ingest.sources.clients import Clients
    from nightly.dbt.runner import Dbt
    from nightly.output.progress import Progress
    from warehouse.database import Database
    from warehouse.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")
# A night continues if prices are late by at most this many sessions, because the next night may have them.
LATE_SESSIONS = 5


@dataclass(frozen=True)
class Request:
    """What was asked for, as typed.

    `run` rolls to `trade_date` whatever is due; `backfill` computes the sessions from `start` on again, to `end`;
    `analytics` computes the risk of `trade_date`, or of `start` to `end`, what is current only with `force`. What is
    left out has a default: the latest closed session (for `analytics`, the last one that was rolled), what is due, all
    portfolios, all phases. `demo` says that it is about the demo's database.
    """

    command: str
    trade_date: date | None = None
    start: date | None = None
    end: date | None = None
    portfolios: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    from_phase: str | None = None
    force: bool = False
    demo: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """What was given, as plain JSON values, for the ledger."""
        given = {
            "date": self.trade_date and self.trade_date.isoformat(),
            "start": self.start and self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "portfolio": list(self.portfolios),
            "phase": list(self.phases),
            "from_phase": self.from_phase,
            "force": self.force,
            "demo": self.demo,
        }
        return {name: value for name, value in given.items() if value}

    @classmethod
    def from_arguments(cls, command: str, arguments: Mapping[str, Any]) -> Request:
        """The request that the ledger holds as `arguments`."""
        days = {name: date.fromisoformat(arguments[name]) for name in ("date", "start", "end") if name in arguments}
        return cls(
            command,
            trade_date=days.get("date"),
            start=days.get("start"),
            end=days.get("end"),
            portfolios=tuple(arguments.get("portfolio", ())),
            phases=tuple(arguments.get("phase", ())),
            from_phase=arguments.get("from_phase"),
            force=arguments.get("force", False),
            demo=arguments.get("demo", False),
        )

    def covers(self, other: Request) -> bool:
        """Whether this request includes the other one, as far as what was typed can tell."""
        if self.arguments == other.arguments and self.command == other.command:
            return True
        return (
            self.command == other.command == "backfill"
            and not (self.phases or self.from_phase)
            and (self.force or not other.force)
            and (not self.portfolios or (bool(other.portfolios) and set(other.portfolios) <= set(self.portfolios)))
            and (other.start is None or (self.start is not None and self.start <= other.start))
            and (self.end is None or (other.end is not None and other.end <= self.end))
        )

    @property
    def title(self) -> str:
        """The command with its dates: what others are told about the holder of the lock."""
        days = {"--date": self.trade_date, "--start": self.start, "--end": self.end}
        return " ".join([self.command, *(f"{option} {day}" for option, day in days.items() if day)])


@dataclass(frozen=True)
class Portfolio:
    """A portfolio that a run is about.

    `due_from` is its first session not rolled yet (None: beyond the calendar), `first_session` its first of all.
    """

    portfolio_id: UUID
    name: str
    due_from: date | None
    first_session: date | None


@dataclass(frozen=True)
class Context:
    """Everything a phase may know about the run.

    Attributes:
        now: the moment when the run began; nobody below asks for another.
        today: its date in New York; a source is asked for nothing later.
        fetch_until: the moment from which on no source is asked for anything new.
        clients: one for each source, for the whole run.
        trade_date: the session that the run rolls to, and the last one it loads prices for.
        collect_from: the first session that it loads prices for.
        recompute_from: the session from which a backfill computes everything again; None: only what is due.
        risk_from: the first session whose risk is asked for: a night's is its trade date.
        heal_risk: how many other sessions it may compute as well, whose risk results are stale or missing.
        force_risk: risk results are computed again though nothing that they rest on has changed.
        portfolios: those the run is about; `narrowed` says that they were named, and others left out.
        problems: errors and warnings about the request itself.
    """

    database: Database
    settings: Settings
    dbt: Dbt
    progress: Progress
    now: datetime
    today: date
    fetch_until: Deadline
    clients: Clients
    trade_date: date
    collect_from: date
    recompute_from: date | None
    risk_from: date
    heal_risk: int
    force_risk: bool
    portfolios: tuple[Portfolio, ...]
    narrowed: bool
    problems: tuple[RunProblem, ...] = ()

    @property
    def portfolio_ids(self) -> list[UUID]:
        """The ids of the portfolios the run is about."""
        return [portfolio.portfolio_id for portfolio in self.portfolios]

    @property
    def scope(self) -> list[str]:
        """The names of the portfolios the run was narrowed to; empty: all."""
        return [portfolio.name for portfolio in self.portfolios] if self.narrowed else []

    @property
    def dbt_variables(self) -> dict[str, Any]:
        """The window and the scope as dbt's variables: dates as text, portfolios as a list of ids."""
        variables: dict[str, Any] = {"end_date": self.trade_date.isoformat()}
        if self.recompute_from:
            variables["start_date"] = self.recompute_from.isoformat()
        if self.narrowed:
            variables["portfolio_ids"] = [str(portfolio_id) for portfolio_id in self.portfolio_ids]
        return variables


def make_context(
    conn: psycopg.Connection,
    database: Database,
    settings: Settings,
    request: Request,
    now: datetime,
    progress: Progress,
) -> Context:
    """The context of a request; raises UserError for a wrong one."""
    from ingest.providers.limits import Deadline
    from ingest.sources.clients import Clients
    from nightly.dbt.runner import Dbt

    fetch_until = Deadline.after(settings.fetch_minutes * 60)
    latest, problems = find_latest(conn, settings, request, now)
    trade_date, recompute_from = resolve_window(conn, request, now, latest)
    portfolios = resolve_portfolios(conn, request.portfolios)
    if recompute_from and (begun := [each.first_session for each in portfolios if each.first_session]):
        # Before the first portfolio there is nothing to compute, and no price is needed for it.
        recompute_from = min(max(recompute_from, min(begun)), trade_date)
    collect_from = first_session_to_collect(portfolios, trade_date, recompute_from)
    return Context(
        database=database,
        settings=settings,
        dbt=Dbt(database, settings.home / "dbt"),
        progress=progress,
        now=now,
        today=new_york_date(now),
        fetch_until=fetch_until,
        clients=Clients(settings, fetch_until),
        trade_date=trade_date,
        collect_from=collect_from,
        recompute_from=recompute_from,
        risk_from=recompute_from or (trade_date if request.command == "run" else collect_from),
        heal_risk=0 if request.command == "analytics" else settings.heal_risk_sessions,
        force_risk=request.force,
        portfolios=portfolios,
        narrowed=bool(request.portfolios),
        problems=tuple(problems),
    )


def find_latest(
    conn: psycopg.Connection, settings: Settings, request: Request, now: datetime
) -> tuple[date, list[RunProblem]]:
    """The session that a request goes to if it names none, and a warning about it, if any.

    It is the latest closed session; where all sources are files that end before it, the last session that they reach.
    A backfill ends there, with a warning. A night does not, since it is to roll to the latest session: it goes on to
    that one where the files are a few sessions behind, as when one was not delivered in time, and coverage tells.
    """
    latest = latest_closed_session(conn, now)
    if request.command == "analytics" or request.trade_date or request.end:
        return latest, []
    from ingest.sources.reach import reach_of_files

    reach = reach_of_files(conn, settings, today=new_york_date(now), relative_to=PROJECT_ROOT)
    if reach is None or reach.last_day >= latest:
        return latest, []
    behind = len(sessions_between(conn, reach.last_day + timedelta(days=1), latest))
    if not behind or (request.command == "run" and behind <= LATE_SESSIONS):
        return latest, []
    end = session_before(conn, reach.last_day, 0)
    ends = f"the prices of {reach.sources} end on {reach.last_day}, {count(behind, 'session')} before {latest}"
    if request.command == "run":
        message = f"{ends}: rolled as far as they reach, and not to tonight: bring newer ones, or name another source"
        return end, [RunProblem("coverage", message)]
    message = f"{ends}: rolled as far as they reach; --end rolls further, at old prices"
    return end, [RunProblem("coverage", message, "warning")]


def resolve_window(
    conn: psycopg.Connection, request: Request, now: datetime, default: date | None = None
) -> tuple[date, date | None]:
    """The trade date of a request, and the first session to compute again where one is given.

    Analytics has one always: its only session, where no start is given. `--date` must be a session; the ends of a
    window may be any days, and are moved inwards to sessions. `default` is where it ends if it names no end, instead of
    the latest closed session. Raises UserError for a day without a session, a session
    that has not closed yet, or an empty window; and for analytics, where no portfolio has been rolled, or not so far.
    """
    latest = latest_closed_session(conn, now)
    if request.command == "analytics":
        latest = _last_rolled_session(conn)
    end_of_all = default if default and request.command != "analytics" else latest
    if request.command != "backfill" and not request.start:
        trade_date = require_session(conn, request.trade_date) if request.trade_date else end_of_all
        _refuse_later("--date", trade_date, latest, request)
        return trade_date, trade_date if request.command == "analytics" else None
    end = request.end or end_of_all
    _refuse_later("--end", end, latest, request)
    sessions = sessions_between(conn, request.start or date.min, end)
    if request.start and request.start > end:
        raise UserError(f"--start {request.start} is after the end, {end}: give an earlier start")
    if not sessions:
        raise UserError(f"there is no session from {request.start or 'the beginning'} to {end}: give a wider window")
    return sessions[-1], sessions[0] if request.start else None


def _last_rolled_session(conn: psycopg.Connection) -> date:
    (rolled_to,) = fetch_one(conn.execute("select max(last_session) from ops.roll_forward_state"))
    if rolled_to is None:
        raise UserError("no portfolio has been rolled yet: run a night first with `python run_nightly.py`")
    return rolled_to


def _refuse_later(option: str, day: date, latest: date, request: Request) -> None:
    if day <= latest:
        return
    if request.command == "analytics":
        roll = f"`python run_nightly.py backfill --end {day}` would roll on"
        raise UserError(f"{option} {day}: the last session that any portfolio is rolled to is {latest}; {roll}")
    if option == "--date":
        raise UserError(
            f"--date {day}: that session has not closed yet, or less than half an hour ago; the latest is {latest}"
        )
    raise UserError(
        f"--end {day}: the latest session that closed half an hour ago or earlier is {latest}; leave --end out for it"
    )


def resolve_portfolios(conn: psycopg.Connection, wanted: Sequence[str]) -> tuple[Portfolio, ...]:
    """The portfolios that names or ids mean, or all of them; raises UserError with the names there are."""
    everything = [
        Portfolio(*row)
        for row in conn.execute(
            """
            select
                portfolios.portfolio_id,
                portfolios.name,
                (
                    select min(session_date) from raw.trading_sessions
                    where session_date >= coalesce(state.last_session + 1, portfolios.inception_date)
                ),
                (select min(session_date) from raw.trading_sessions where session_date >= portfolios.inception_date)
            from raw.portfolios
            left join ops.roll_forward_state as state on portfolios.portfolio_id = state.portfolio_id
            where portfolios.deleted_at is null
            order by portfolios.name
            """
        )
    ]
    # The last portfolio may have been deleted: its results still have to go.
    (was_rolled,) = fetch_one(conn.execute("select exists (select 1 from ops.roll_forward_state)"))
    if not everything and not was_rolled:
        raise UserError("no portfolio is loaded: load some first with `python run_nightly.py load DIR`")
    if not wanted:
        return tuple(everything)
    meant = find_portfolios(wanted, {(each.portfolio_id, each.name): each for each in everything}, "--portfolio ")
    return tuple(sorted(set(meant), key=lambda each: each.name))


def first_session_to_collect(portfolios: Sequence[Portfolio], trade_date: date, recompute_from: date | None) -> date:
    """The earliest session whose prices the run needs: what is due, what is computed again, or the trade date alone."""
    due = [portfolio.due_from for portfolio in portfolios if portfolio.due_from]
    return min([*due, trade_date, *([recompute_from] if recompute_from else [])])


def new_york_date(now: datetime) -> date:
    """The date in New York at a moment."""
    return now.astimezone(NEW_YORK).date()
