"""The state of the batch as readers may see it: runs, tables, symbols that were missed, rows that were refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from warehouse.queries import fetch_one

# Table and the column of its session.
_BY_SESSION = (
    ("daily_returns", "value_date"),
    ("symbol_market_betas", "calculation_date"),
    ("symbol_interest_rate_betas", "calculation_date"),
    ("symbol_factor_exposures", "calculation_date"),
    ("symbol_volatility", "calculation_date"),
    ("factor_correlations", "calculation_date"),
    ("pairwise_correlations", "calculation_date"),
)
# Every portfolio has rows in these tables: the portfolio furthest behind decides how far a table is.
_BY_PORTFOLIO = (
    ("portfolio_snapshots", "snapshot_date"),
    ("portfolio_sector_exposures", "value_date"),
    ("portfolio_risk_metrics", "calculation_date"),
    ("risk_backtest", "calculation_date"),
    ("portfolio_performance", "calculation_date"),
    ("portfolio_pnl_attribution", "calculation_date"),
)
# A portfolio may lack rows in these, because it holds nothing or too little: the portfolio furthest ahead decides.
_BY_SOME = (
    ("position_values", "value_date"),
    ("position_risk_contributions", "calculation_date"),
    ("portfolio_factor_exposures", "calculation_date"),
    ("portfolio_sector_attribution", "calculation_date"),
    ("correlation_calculations", "calculation_date"),
    ("stress_test_results", "calculation_date"),
)


@dataclass(frozen=True)
class TableFreshness:
    """How far a table is: the session `good_to`; `behind` of the `portfolios` have not reached `latest`."""

    table: str
    good_to: date | None
    portfolios: int | None = None
    behind: int | None = None
    latest: date | None = None


@dataclass(frozen=True)
class Batch:
    """`status` is the answer of `analytics.batch_status()`; `stale` counts risk results that rest on old inputs."""

    status: dict[str, Any]
    tables: list[TableFreshness]
    stale: list[dict[str, Any]]

    @property
    def trade_date(self) -> date | None:
        """The latest session that has closed."""
        return date.fromisoformat(day) if (day := self.status["trade_date"]) else None


def read_batch(conn: psycopg.Connection[Any]) -> Batch:
    """Read the state of the batch; tables that have not been built yet are left out."""
    (status,) = fetch_one(conn.execute("select analytics.batch_status()"))
    prices = status["prices_to"]
    tables = [TableFreshness("prices", date.fromisoformat(prices) if prices else None)]
    built = {name for (name,) in conn.execute("select tablename from pg_tables where schemaname = 'analytics'")}
    for table, column in _BY_SESSION:
        if table in built:
            names = {"table": sql.Identifier(table), "day": sql.Identifier(column)}
            query = sql.SQL("select max({day}) from analytics.{table}").format(**names)
            tables.append(TableFreshness(table, *fetch_one(conn.execute(query))))
    stale: list[dict[str, Any]] = []
    if "portfolio_snapshots" in built:
        tables += [_by_portfolio(conn, table, column) for table, column in _BY_PORTFOLIO if table in built]
        tables += [
            TableFreshness(table, _by_portfolio(conn, table, column).latest)
            for table, column in _BY_SOME
            if table in built
        ]
        stale = [
            {"name": name, "day": day, "because": because} for name, day, because in conn.execute(_STALE).fetchall()
        ]
    return Batch(status, tables, stale)


# For each portfolio, the latest session whose inputs have changed since its risk was computed.
_STALE = """
    select portfolios.name, max(risk_status.calculation_date), max(risk_status.stale_because)
    from analytics.risk_status
    inner join analytics.portfolios on risk_status.portfolio_id = portfolios.portfolio_id
    where risk_status.stale_because is not null
    group by portfolios.name
    order by portfolios.name
    limit 200
"""


def _by_portfolio(conn: psycopg.Connection[Any], table: str, column: str) -> TableFreshness:
    query = sql.SQL(
        """
        with latest as (
            select reached.day
            from analytics.portfolios
            -- the rows of a portfolio are looked up where its snapshots lie
            inner join analytics.portfolio_snapshots as snapshots
                on portfolios.portfolio_id = snapshots.portfolio_id and portfolios.rolled_to = snapshots.snapshot_date
            left join lateral (
                select max({day}) as day from analytics.{table} as dated
                where dated.portfolio_id = snapshots.portfolio_id
            ) as reached on true
        )

        select
            case when bool_and(day is not null) then min(day) end,
            count(*)::integer,
            (count(*) filter (where day is null or day < (select max(day) from latest)))::integer,
            max(day)
        from latest
        """
    ).format(table=sql.Identifier(table), day=sql.Identifier(column))
    return TableFreshness(table, *fetch_one(conn.execute(query)))
