"""The trading calendar: NYSE sessions, kept in `raw.trading_sessions` so that SQL and Python share one."""

import importlib.metadata
from datetime import date, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from warehouse.bulk import merge_rows
from warehouse.errors import UserError
from warehouse.preparations import read_preparations, record_preparations
from warehouse.queries import fetch_one

FIRST_DAY = date(1990, 1, 1)
REACH = timedelta(days=366)
SHORTEST_REACH = timedelta(days=330)
SETTLED_AFTER = timedelta(minutes=30)

_PREPARATION = "trading_sessions"


def refresh_sessions(conn: psycopg.Connection[Any], today: date) -> int:
    """Bring the calendar to a year ahead of `today`; returns how many sessions were added, corrected or withdrawn.

    Does nothing while it reaches far enough and the library that knows the calendar is the same: a new version of it
    may know a closure that was not foreseen.
    """
    version = f"exchange_calendars {importlib.metadata.version('exchange_calendars')}"
    (last,) = fetch_one(conn.execute("select max(session_date) from raw.trading_sessions"))
    loaded_from = read_preparations(conn).get(_PREPARATION)
    if last is not None and last - today >= SHORTEST_REACH and loaded_from == version:
        return 0
    end = max(today + REACH, last or today)
    rows = (
        (day.date(), opens.to_pydatetime(), closes.to_pydatetime(), version)
        for day, opens, closes in _schedule(FIRST_DAY, end).itertuples()
    )
    with conn.transaction():
        counts = merge_rows(
            conn,
            "raw.trading_sessions",
            ["session_date"],
            ["session_date", "opens_at", "closes_at", "source"],
            rows,
            within="true",
        )
        record_preparations(conn, {_PREPARATION: version})
    return counts.inserted + counts.updated + counts.deleted


def _schedule(start: date, end: date) -> Any:
    """The calendar library's frame of sessions, with columns `open` and `close`."""
    # Imported here, because it imports pandas.
    import exchange_calendars  # pyright: ignore[reportMissingTypeStubs]

    # Start and end are passed, since their defaults move with the clock.
    calendar: Any = exchange_calendars.get_calendar("XNYS", start=start.isoformat(), end=end.isoformat())
    return calendar.schedule[["open", "close"]]


def latest_closed_session(conn: psycopg.Connection[Any], now: datetime) -> date:
    """Return the latest session whose close lies 30 minutes or more before `now` (a time with its zone)."""
    if now.tzinfo is None:
        raise ValueError("now needs its time zone")
    return _one(
        conn,
        "select max(session_date) from raw.trading_sessions where closes_at <= %s",
        [now - SETTLED_AFTER],
        f"no session of the calendar had closed by {now}",
    )


def require_session(conn: psycopg.Connection[Any], day: date) -> date:
    """Return `day` if it is a session.

    Raises:
        UserError: it is none; names the nearest sessions before and after.
    """
    before, after = fetch_one(
        conn.execute(
            "select (select max(session_date) from raw.trading_sessions where session_date <= %(day)s),"
            " (select min(session_date) from raw.trading_sessions where session_date >= %(day)s)",
            {"day": day},
        )
    )
    if before == day:
        return day
    nearest = " and ".join(str(session) for session in (before, after) if session)
    raise UserError(f"{day} is no NYSE session; nearest: {nearest or 'none, the calendar is empty'}")


def sessions_between(conn: psycopg.Connection[Any], start: date, end: date) -> list[date]:
    """Return the sessions from `start` to `end`, both included."""
    query = "select session_date from raw.trading_sessions where session_date between %s and %s order by session_date"
    return [session for (session,) in conn.execute(query, [start, end])]


def session_before(conn: psycopg.Connection[Any], session: date, count: int) -> date:
    """Return the session `count` sessions before `session`; the calendar's first where there are not so many."""
    return _one(
        conn,
        "select min(session_date) from (select session_date from raw.trading_sessions where session_date <= %s"
        " order by session_date desc limit %s) as back",
        [session, count + 1],
        f"{session} lies before the calendar's first session",
    )


def _one(conn: psycopg.Connection[Any], query: LiteralString, parameters: list[Any], missing: str) -> date:
    if (found := fetch_one(conn.execute(query, parameters))[0]) is None:
        raise UserError(missing)
    return found
