"""Which session each table reaches, and which sessions of the calendar it lacks."""

from __future__ import annotations

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

    If `from_its_first`, only from the portfolio's first row on: no night computes risk for earlier sessions.
    """

    name: str
    date_column: str
    by_portfolio: bool = False
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
    _Table("analytics.correlation_calculations", "calculation_date"),
    _Table("analytics.stress_test_results", "calculation_date", by_portfolio=True, from_its_first=True),
)

# Each reads by an index, one session (or one portfolio and session) at a time, however large the table is.
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
_BY_PORTFOLIO = """
with rolled as (
    select portfolio_id, inception_date, last_session
    from raw.portfolios
    inner join ops.roll_forward_state using (portfolio_id)
    where deleted_at is null
),

latest as (
    select (select max({date}) from {table} as dated where dated.portfolio_id = rolled.portfolio_id) as day
    from rolled
)

select
    (select case when bool_and(day is not null) then min(day) end from latest) as good_to,
    array(
        select distinct session_date
        from rolled
        inner join raw.trading_sessions
            on session_date between greatest(inception_date, %(first)s) and least(last_session, %(last)s)
        where not (
            %(from_its_first)s
            and session_date < (select min({date}) from {table} as dated where dated.portfolio_id = rolled.portfolio_id)
        )
        and not exists (
            select 1 from {table} as dated
            where dated.portfolio_id = rolled.portfolio_id and dated.{date} = session_date
        )
        order by session_date
    ) as missing
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
        query = sql.SQL(_BY_PORTFOLIO if table.by_portfolio else _BY_SESSION).format(
            table=sql.Identifier(*table.name.split(".")), date=sql.Identifier(table.date_column)
        )
        good_to, missing = fetch_one(conn.execute(query, {**window, "from_its_first": table.from_its_first}))
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
