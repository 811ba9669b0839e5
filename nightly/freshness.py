"""Which session each table reaches, and which sessions of the calendar it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from warehouse.queries import fetch_one
from warehouse.sessions import session_before

GAP_SESSIONS = 63


@dataclass(frozen=True)
class _Table:
    """A table that should have rows for every session; if `by_portfolio`, for every session of each portfolio.

    If `of_some`, it has rows of some portfolios. If `from_its_first`, a portfolio needs rows only from its first one
    on: no night computes risk for earlier sessions.
    """

    name: str
    date_column: str
    by_portfolio: bool = False
    of_some: bool = False
    from_its_first: bool = False


_TABLES = (
    _Table("raw.market_data_cache", "price_date"),
    _Table("analytics.daily_returns", "value_date"),
    _Table("analytics.position_values", "value_date", by_portfolio=True),
    _Table("analytics.portfolio_snapshots", "snapshot_date", by_portfolio=True),
    _Table("analytics.portfolio_sector_exposures", "value_date", by_portfolio=True),
    _Table("analytics.symbol_market_betas", "calculation_date"),
    _Table("analytics.symbol_interest_rate_betas", "calculation_date"),
    _Table("analytics.symbol_factor_exposures", "calculation_date"),
    _Table("analytics.symbol_volatility", "calculation_date"),
    _Table("analytics.portfolio_factor_exposures", "calculation_date", by_portfolio=True, from_its_first=True),
    _Table("analytics.portfolio_risk_metrics", "calculation_date", by_portfolio=True, from_its_first=True),
    # A portfolio that holds fewer than two symbols has no correlations.
    _Table("analytics.correlation_calculations", "calculation_date", of_some=True),
    _Table("analytics.stress_test_results", "calculation_date", by_portfolio=True, from_its_first=True),
)

# All but the second read by an index, one session (of one portfolio) at a time, however large the table.
_BY_SESSION = """
select
    (select max({date}) from {table}) as good_to,
    array(
        select session_date from raw.trading_sessions
        where
            session_date between greatest(%(first)s, (select min({date}) from {table})) and %(last)s
            and not exists (select 1 from {table} where {date} = session_date)
        order by session_date
    ) as missing
"""
# Shards can't be asked about each session of the coordinator's calendar.
_OF_SOME = """
with there as materialized (
    select {date} as session_date from {table}
    where {date} between %(first)s and %(last)s
    group by {date}
),

ends as materialized (
    select min({date}) as first_day, max({date}) as last_day from {table}
)

select
    ends.last_day as good_to,
    array(
        select session_date from raw.trading_sessions
        where
            session_date between greatest(%(first)s, ends.first_day) and %(last)s
            and session_date not in (select session_date from there)
        order by session_date
    ) as missing
from ends
"""
# The rows of a portfolio are looked up where its last snapshot lies. One that has lost that snapshot lacks everything.
_BY_PORTFOLIO = """
with rolled as materialized (
    select
        portfolio_id,
        last_session,
        greatest(inception_date, %(first)s) as first_day,
        least(last_session, %(last)s) as last_day
    from raw.portfolios
    inner join ops.roll_forward_state using (portfolio_id)
    where deleted_at is null
),

sessions as materialized (
    select session_date from raw.trading_sessions
    where session_date between %(first)s and %(last)s
),

ends as materialized (
    select snapshots.portfolio_id, dated.earliest, dated.latest
    from rolled
    inner join analytics.portfolio_snapshots as snapshots
        on rolled.portfolio_id = snapshots.portfolio_id and rolled.last_session = snapshots.snapshot_date
    left join lateral (
        select min({date}) as earliest, max({date}) as latest from {table} as of_one
        where of_one.portfolio_id = snapshots.portfolio_id
    ) as dated on true
),

missing as materialized (
    select sessions.session_date
    from rolled
    inner join analytics.portfolio_snapshots as snapshots
        on rolled.portfolio_id = snapshots.portfolio_id and rolled.last_session = snapshots.snapshot_date
    inner join ends on snapshots.portfolio_id = ends.portfolio_id
    inner join sessions on sessions.session_date between rolled.first_day and rolled.last_day
    left join lateral (
        select true as is_there from {table} as of_one
        where of_one.portfolio_id = snapshots.portfolio_id and of_one.{date} = sessions.session_date
        limit 1
    ) as found on true
    where
        found.is_there is null
        and not (%(from_its_first)s and coalesce(sessions.session_date < ends.earliest, false))
    group by sessions.session_date
    union
    select sessions.session_date
    from rolled
    inner join sessions on sessions.session_date between rolled.first_day and rolled.last_day
    where rolled.portfolio_id not in (select portfolio_id from ends)
)

select
    (
        select case when bool_and(ends.latest is not null) then min(ends.latest) end
        from rolled
        left join ends on rolled.portfolio_id = ends.portfolio_id
    ) as good_to,
    array(select session_date from missing order by session_date) as missing
"""


def read_freshness(conn: psycopg.Connection, trade_date: date) -> list[dict[str, Any]]:
    """One record a table, in plain JSON values: the last session it is complete to, and the sessions it lacks.

    A table by portfolio is complete to the session that every portfolio has reached, and lacks a session if any of them
    does. For all tables alike, 63 sessions are looked at: to the last one that any portfolio is rolled to, or to
    `trade_date` if that is earlier. What is not rolled yet is due, and is not counted as missing. A table that does not
    exist is left out.
    """
    (rolled_to,) = fetch_one(conn.execute("select max(last_session) from ops.roll_forward_state"))
    last = min(trade_date, rolled_to) if rolled_to else trade_date
    window = {"first": session_before(conn, last, GAP_SESSIONS - 1), "last": last}
    records = []
    for table in _TABLES:
        if conn.execute("select to_regclass(%s)", [table.name]).fetchone() == (None,):
            continue
        good_to, missing = _look_up(conn, table, window) if rolled_to or not table.by_portfolio else (None, [])
        missing = missing if rolled_to else []
        records.append(
            {
                "table": table.name,
                "good_to": good_to and good_to.isoformat(),
                "sessions_missing": len(missing),
                "from": missing[0].isoformat() if missing else None,
                "to": missing[-1].isoformat() if missing else None,
            }
        )
    return records


def _look_up(conn: psycopg.Connection, table: _Table, window: Mapping[str, Any]) -> tuple[date | None, list[date]]:
    """The session that the table is complete to, and those of the window that it lacks."""
    statement = _BY_PORTFOLIO if table.by_portfolio else _OF_SOME if table.of_some else _BY_SESSION
    query = sql.SQL(statement).format(
        table=sql.Identifier(*table.name.split(".")), date=sql.Identifier(table.date_column)
    )
    return fetch_one(conn.execute(query, {**window, "from_its_first": table.from_its_first}))
