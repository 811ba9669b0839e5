"""Which session is the trade date, which are computed again, which portfolios are meant, which prices are needed."""

from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest

from nightly.context import (
    Portfolio,
    Request,
    first_session_to_collect,
    make_context,
    new_york_date,
    resolve_portfolios,
    resolve_window,
)
from nightly.output.progress import Progress
from warehouse.database import Database
from warehouse.errors import UserError
from warehouse.settings import load_settings

FRIDAY_EVENING = datetime(2024, 2, 16, 23, 30, tzinfo=UTC)  # 18:30 in New York


@pytest.mark.parametrize(
    ("now", "trade_date"),
    [
        (FRIDAY_EVENING, date(2024, 2, 16)),
        # the close at 16:00 New York, 21:00 UTC, and half an hour
        (datetime(2024, 2, 16, 21, 29, 59, tzinfo=UTC), date(2024, 2, 15)),
        (datetime(2024, 2, 16, 21, 30, tzinfo=UTC), date(2024, 2, 16)),
        # in summer time the close is at 20:00 UTC
        (datetime(2024, 3, 11, 20, 30, tzinfo=UTC), date(2024, 3, 11)),
        # a half day closes at 13:00 New York
        (datetime(2023, 11, 24, 18, 30, tzinfo=UTC), date(2023, 11, 24)),
        # the weekend and Presidents' Day after it
        (datetime(2024, 2, 20, 1, 0, tzinfo=UTC), date(2024, 2, 16)),
    ],
)
def test_trade_date_is_the_latest_session_closed_for_half_an_hour(conn, now, trade_date):
    assert resolve_window(conn, Request("run"), now) == (trade_date, None)
    assert resolve_window(conn, Request("backfill"), now) == (trade_date, None)


def test_a_date_overrides_it_if_it_is_a_closed_session(conn):
    assert resolve_window(conn, Request("run", trade_date=date(2024, 2, 1)), FRIDAY_EVENING) == (date(2024, 2, 1), None)
    with pytest.raises(UserError, match="2024-02-10 is no NYSE session; nearest: 2024-02-09 and 2024-02-12"):
        resolve_window(conn, Request("run", trade_date=date(2024, 2, 10)), FRIDAY_EVENING)
    with pytest.raises(
        UserError,
        match="2024-02-20: that session has not closed yet, or less than half an hour ago; the latest is 2024-02",
    ):
        resolve_window(conn, Request("run", trade_date=date(2024, 2, 20)), FRIDAY_EVENING)


def test_the_ends_of_a_backfill_are_moved_inwards_to_sessions(conn):
    holidays = Request("backfill", start=date(2023, 12, 30), end=date(2024, 1, 1))
    with pytest.raises(UserError, match="no session from 2023-12-30 to 2024-01-01"):
        resolve_window(conn, holidays, FRIDAY_EVENING)
    year = Request("backfill", start=date(2023, 1, 1), end=date(2023, 12, 31))
    assert resolve_window(conn, year, FRIDAY_EVENING) == (date(2023, 12, 29), date(2023, 1, 3))


def test_portfolios_are_named_by_name_or_id_and_deleted_ones_are_not_there(conn: psycopg.Connection):
    growth, income = (UUID(int=number) for number in (1, 2))
    _add(conn, growth, "Growth", date(2024, 1, 1), rolled_to=date(2024, 2, 9))
    _add(conn, income, "Income", date(2024, 1, 1))
    _add(conn, UUID(int=3), "Gone", date(2024, 1, 1), deleted=True)
    both = (
        Portfolio(growth, "Growth", date(2024, 2, 12), date(2024, 1, 2)),
        Portfolio(income, "Income", date(2024, 1, 2), date(2024, 1, 2)),
    )
    assert resolve_portfolios(conn, []) == both
    assert resolve_portfolios(conn, ["Income", str(growth), "Growth"]) == both
    with pytest.raises(UserError, match="Gone: no such portfolio; there are: Growth, Income"):
        resolve_portfolios(conn, ["Growth", "Gone"])


def test_prices_are_needed_from_the_earliest_session_that_is_due(conn: psycopg.Connection):
    trade_date = date(2024, 2, 16)
    rolled = Portfolio(UUID(int=1), "Rolled", date(2024, 2, 20), date(2024, 1, 2))
    behind = Portfolio(UUID(int=2), "Behind", date(2024, 2, 12), date(2024, 1, 2))
    beyond = Portfolio(UUID(int=3), "Beyond the calendar", None, None)
    assert first_session_to_collect([rolled, beyond], trade_date, None) == trade_date
    assert first_session_to_collect([rolled, behind], trade_date, None) == date(2024, 2, 12)
    assert first_session_to_collect([rolled, behind], trade_date, date(2024, 1, 2)) == date(2024, 1, 2)
    # sessions that are due before the start of a backfill are rolled too, and need their prices
    assert first_session_to_collect([rolled, behind], trade_date, date(2024, 2, 14)) == date(2024, 2, 12)


def test_nothing_is_computed_before_the_first_portfolio_begins(conn: psycopg.Connection, database: Database):
    _add(conn, UUID(int=1), "Growth", date(2024, 1, 1))
    _add(conn, UUID(int=2), "Income", date(2024, 2, 3))
    for start, first in ((date(1990, 1, 2), date(2024, 1, 2)), (date(2024, 1, 5), date(2024, 1, 5))):
        request = Request("backfill", start=start)
        context = make_context(conn, database, load_settings(), request, FRIDAY_EVENING, Progress())
        assert (context.recompute_from, context.collect_from, context.risk_from) == (first, date(2024, 1, 2), first)


def test_variables_for_dbt_are_text():
    assert new_york_date(datetime(2024, 2, 17, 3, 0, tzinfo=UTC)) == date(2024, 2, 16)
    assert Request("backfill", start=date(2024, 1, 2), portfolios=("A",)).arguments == {
        "start": "2024-01-02",
        "portfolio": ["A"],
    }


def _add(
    conn: psycopg.Connection,
    portfolio_id: UUID,
    name: str,
    inception: date,
    *,
    rolled_to: date | None = None,
    deleted: bool = False,
) -> None:
    conn.execute(
        "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, deleted_at, source)"
        " values (%s, %s, %s, 1000, %s, 'test')",
        (portfolio_id, name, inception, FRIDAY_EVENING if deleted else None),
    )
    if rolled_to:
        conn.execute(
            "insert into ops.roll_forward_state (portfolio_id, last_session) values (%s, %s)", (portfolio_id, rolled_to)
        )
