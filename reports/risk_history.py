"""Risk results over time, the backtest of their forecasts, and each factor's part in each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

SESSIONS = 504


@dataclass(frozen=True)
class RiskHistory:
    """Columns of `portfolio_risk_metrics`, a value a session, oldest first, and exposures by factor beside them.

    `value_at_risk` is the one scaled to the volatility of its day, or the plain one where the scaled one is not known.
    `next_pnl` is the P&L of the session after, which decides whether the forecast held. `backtest` is the row of
    `risk_backtest`, None where there is none.
    """

    days: list[date]
    ex_ante_vol: list[float | None]
    realized_vol_21d: list[float | None]
    expected_vol_21d: list[float | None]
    value_at_risk: list[float | None]
    next_pnl: list[float | None]
    exposures: dict[str, list[float | None]]
    backtest: dict[str, Any] | None


@dataclass(frozen=True)
class Impact:
    """A scenario's correlated P&L by factor, in dollars; empty where there is none."""

    scenario_id: str
    factor_impacts: dict[str, float]
    stressed_equity: float | None


_METRICS = """
    select
        metrics.calculation_date,
        metrics.ex_ante_vol,
        metrics.realized_vol_21d,
        metrics.expected_vol_21d,
        coalesce(metrics.scaled_var_95_1d, metrics.var_95_1d) as value_at_risk,
        snapshots.next_pnl
    from analytics.portfolio_risk_metrics as metrics
    left join lateral (
        select following.daily_pnl::double precision as next_pnl
        from analytics.portfolio_snapshots as following
        where
            following.portfolio_id = metrics.portfolio_id
            and following.snapshot_date > metrics.calculation_date
            and following.snapshot_date <= %(day)s
        order by following.snapshot_date
        limit 1
    ) as snapshots on true
    where metrics.portfolio_id = %(portfolio_id)s and metrics.calculation_date <= %(day)s
    order by metrics.calculation_date desc
    limit %(limit)s
"""
_EXPOSURES = """
    select calculation_date, factor, exposure_value
    from analytics.portfolio_factor_exposures
    where
        portfolio_id = %(portfolio_id)s and model = 'ridge'
        and calculation_date between %(first)s and %(day)s
"""
_IMPACTS = """
    select scenario_id, coalesce(factor_impacts, '{}') as factor_impacts, stressed_equity
    from analytics.stress_test_results
    where portfolio_id = %(portfolio_id)s and calculation_date = %(day)s
"""


def read_risk_history(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date) -> RiskHistory:
    """Read the results of about the last two years up to a session, and its backtest."""
    given = {"portfolio_id": portfolio_id, "day": day, "limit": SESSIONS}
    rows = conn.execute(_METRICS, given).fetchall()[::-1]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    days = columns[0]
    place = {each: index for index, each in enumerate(days)}
    exposures: dict[str, list[float | None]] = {}
    if days:
        for on, factor, value in conn.execute(_EXPOSURES, {**given, "first": days[0]}).fetchall():
            if on in place:
                exposures.setdefault(factor, [None] * len(days))[place[on]] = value
    backtest = (
        conn.cursor(row_factory=dict_row)
        .execute(
            "select * from analytics.risk_backtest"
            " where portfolio_id = %(portfolio_id)s and calculation_date = %(day)s",
            given,
        )
        .fetchone()
    )
    return RiskHistory(*columns, exposures=exposures, backtest=backtest)


def read_impacts(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date) -> list[Impact]:
    """Read each factor's part of each scenario's correlated P&L."""
    rows = conn.execute(_IMPACTS, {"portfolio_id": portfolio_id, "day": day}).fetchall()
    return [Impact(scenario, dict(impacts), equity) for scenario, impacts, equity in rows]
