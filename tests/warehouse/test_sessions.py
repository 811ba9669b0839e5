"""The trading calendar: facts of the exchange, the clock around the close, and quiet refreshes."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from warehouse.database import Database, libpq_url
from warehouse.errors import UserError
from warehouse.sessions import (
    SETTLED_AFTER,
    latest_closed_session,
    refresh_sessions,
    require_session,
    session_before,
    sessions_between,
)
from warehouse.settings import PROJECT_ROOT

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def calendar(server: dict[str, str], template: str) -> Iterator[psycopg.Connection[Any]]:
    """The trading sessions, for tests that only read them."""
    url = {**server, "dbname": "calendar"}
    with Database(libpq_url({**server, "dbname": "postgres"}), embedded=True).connect() as maintenance:
        maintenance.execute(f"create database calendar template {template}")
    with Database(libpq_url(url), embedded=True).connect(options="-c default_transaction_read_only=on") as connection:
        yield connection


def test_from_1990_to_a_year_ahead(calendar, calendar_day):
    first, last = calendar.execute("select min(session_date), max(session_date) from raw.trading_sessions").fetchone()
    assert first == date(1990, 1, 2)
    assert calendar_day + timedelta(days=360) < last <= calendar_day + timedelta(days=366)


@pytest.mark.parametrize(
    ("start", "end", "sessions"),
    [
        ("2024-03-27", "2024-04-02", ["2024-03-27", "2024-03-28", "2024-04-01", "2024-04-02"]),  # Good Friday
        ("2001-09-10", "2001-09-18", ["2001-09-10", "2001-09-17", "2001-09-18"]),  # after the attacks
        ("2012-10-26", "2012-10-31", ["2012-10-26", "2012-10-31"]),  # the hurricane
        ("2021-12-31", "2022-01-03", ["2021-12-31", "2022-01-03"]),  # New Year's Day on a Saturday
        ("2025-01-08", "2025-01-10", ["2025-01-08", "2025-01-10"]),  # a president's funeral
        ("2024-03-30", "2024-03-31", []),
    ],
)
def test_closures(calendar, start, end, sessions):
    assert sessions_between(calendar, date.fromisoformat(start), date.fromisoformat(end)) == [
        date.fromisoformat(session) for session in sessions
    ]


@pytest.mark.parametrize(
    ("session", "opens", "closes"),
    [
        ("2024-03-08", "2024-03-08 14:30", "2024-03-08 21:00"),  # winter time
        ("2024-03-11", "2024-03-11 13:30", "2024-03-11 20:00"),  # summer time
        ("2023-11-24", "2023-11-24 14:30", "2023-11-24 18:00"),  # the half day after Thanksgiving
        ("2024-12-24", "2024-12-24 14:30", "2024-12-24 18:00"),
    ],
)
def test_hours_in_utc(calendar, session, opens, closes):
    assert calendar.execute(
        "select opens_at, closes_at from raw.trading_sessions where session_date = %s", [session]
    ).fetchone() == tuple(datetime.fromisoformat(time).replace(tzinfo=UTC) for time in (opens, closes))


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2024-03-08 16:29:59", "2024-03-07"),
        ("2024-03-08 16:30:00", "2024-03-08"),
        ("2024-03-10 03:00:00", "2024-03-08"),  # the night the clocks change
        ("2024-03-11 16:29:59", "2024-03-08"),
        ("2024-03-11 16:30:00", "2024-03-11"),
        ("2023-11-24 13:29:59", "2023-11-22"),
        ("2023-11-24 13:30:00", "2023-11-24"),
        ("2023-11-06 16:29:59", "2023-11-03"),  # winter time again
        ("2023-11-06 16:30:00", "2023-11-06"),
    ],
)
def test_a_session_has_closed_half_an_hour_after_its_close(calendar, now, latest):
    moment = datetime.fromisoformat(now).replace(tzinfo=NEW_YORK)
    assert latest_closed_session(calendar, moment) == date.fromisoformat(latest)
    assert latest_closed_session(calendar, moment.astimezone(ZoneInfo("Asia/Tokyo"))) == date.fromisoformat(latest)


def test_a_time_without_its_zone_is_refused(calendar):
    with pytest.raises(ValueError, match="time zone"):
        latest_closed_session(calendar, datetime(2024, 3, 8, 16, 30))  # noqa: DTZ001


def test_a_day_that_is_no_session_names_the_nearest(calendar):
    assert require_session(calendar, date(2024, 3, 28)) == date(2024, 3, 28)
    with pytest.raises(UserError, match="2024-03-29 is no NYSE session; nearest: 2024-03-28 and 2024-04-01"):
        require_session(calendar, date(2024, 3, 29))
    with pytest.raises(UserError, match="1980-01-01 is no NYSE session; nearest: 1990-01-02"):
        require_session(calendar, date(1980, 1, 1))


def test_sessions_back(calendar):
    assert session_before(calendar, date(2024, 4, 1), 0) == date(2024, 4, 1)
    assert session_before(calendar, date(2024, 4, 1), 1) == date(2024, 3, 28)
    assert session_before(calendar, date(2023, 12, 29), 250) == date(2022, 12, 30)
    assert session_before(calendar, date(1990, 1, 31), 400) == date(1990, 1, 2)
    with pytest.raises(UserError, match="before the calendar's first session"):
        session_before(calendar, date(1980, 1, 1), 1)


def test_a_refresh_is_quiet_until_it_is_due(conn, calendar_day):
    def changes() -> int:
        return conn.execute("select count(*) from ops.input_changes").fetchone()[0]

    before = changes()
    assert refresh_sessions(conn, calendar_day + timedelta(days=30)) == 0
    assert changes() == before
    added = refresh_sessions(conn, calendar_day + timedelta(days=60))
    assert 38 <= added <= 44
    assert changes() == before + 1


def test_another_version_of_the_calendar_corrects_history(conn, calendar_day):
    conn.execute("delete from raw.trading_sessions where session_date = '2024-03-28'")
    conn.execute(
        "update raw.trading_sessions set closes_at = closes_at + interval '1 hour' where session_date = '2024-04-01'"
    )
    conn.execute(
        "insert into raw.trading_sessions (session_date, opens_at, closes_at, source)"
        " values ('2025-01-09', '2025-01-09 14:30Z', '2025-01-09 21:00Z', 'not foreseen')"
    )
    assert refresh_sessions(conn, calendar_day) == 0
    conn.execute("update ops.preparations set fingerprint = 'exchange_calendars 4.0' where name = 'trading_sessions'")
    assert refresh_sessions(conn, calendar_day - timedelta(days=100)) == 3
    assert sessions_between(conn, date(2025, 1, 8), date(2025, 1, 10)) == [date(2025, 1, 8), date(2025, 1, 10)]
    assert require_session(conn, date(2024, 3, 28))
    assert refresh_sessions(conn, calendar_day) == 0


def test_the_status_waits_as_long_after_the_close_as_python():
    file = "warehouse/migrations/0023_batch_status.sql"
    minutes = f"{SETTLED_AFTER.total_seconds() / 60:.0f}"
    assert re.findall(r"interval '(\d+) minutes'", (PROJECT_ROOT / file).read_text(encoding="utf-8")) == [minutes]
