"""The line for each portfolio on the first page, and the sessions before and after a session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

from reports import sources
from reports.portfolios import Portfolio
from warehouse.queries import fetch_one

SPARK_SESSIONS = 63


@dataclass(frozen=True)
class PortfolioLine:
    """A portfolio in one line: columns of `portfolio_snapshots` and `portfolio_risk_metrics` of one session.

    `day` is None where nothing has been published yet, and then everything else is too. Exposures are shares of equity;
    `worst_pnl` is of the scenario `worst_scenario`; `spark` are the equity balances of the last sessions.
    """

    portfolio_id: UUID
    name: str
    day: date | None
    rolled_to: date | None
    equity: float | None
    daily_pnl: float | None
    daily_return: float | None
    mtd_pnl: float | None
    mtd_return: float | None
    ytd_pnl: float | None
    ytd_return: float | None
    gross: float | None
    net: float | None
    beta: float | None
    ex_ante_vol: float | None
    value_at_risk: float | None
    worst_scenario: str | None
    worst_pnl: float | None
    num_stale_positions: int | None
    reason: str | None
    stale_because: str | None
    has_risk: bool
    spark: tuple[float, ...] = ()

    def weight(self, amount: float | None) -> float | None:
        """An amount as a share of equity; None where there is none, or equity is not positive."""
        return amount / self.equity if amount is not None and self.equity is not None and self.equity > 0 else None

    @property
    def flags(self) -> list[str]:
        """A warning for the reader of the line, where one is due."""
        flags: list[str] = []
        if self.day is None:
            return ["not rolled" if self.rolled_to is None else "not published"]
        if self.rolled_to and self.rolled_to > self.day:
            flags.append(f"P&L to {self.rolled_to}, risk behind")
        if self.num_stale_positions:
            flags.append(f"{self.num_stale_positions} at an old price")
        if self.stale_because:
            flags.append("risk of older inputs")
        if not self.has_risk or self.reason:
            flags.append("risk incomplete" if self.has_risk else "no risk")
        if self.equity is not None and self.equity <= 0:
            flags.append("equity not positive")
        return flags


_LINES = f"""
    select
        portfolios.portfolio_id,
        portfolios.name,
        snapshots.snapshot_date as day,
        portfolios.rolled_to,
        snapshots.equity_balance as equity,
        snapshots.daily_pnl,
        snapshots.daily_return,
        snapshots.mtd_pnl,
        snapshots.mtd_return,
        snapshots.ytd_pnl,
        snapshots.ytd_return,
        case when snapshots.equity_balance > 0 then snapshots.gross_exposure / snapshots.equity_balance end as gross,
        case when snapshots.equity_balance > 0 then snapshots.net_exposure / snapshots.equity_balance end as net,
        exposures.exposure_value as beta,
        metrics.ex_ante_vol,
        coalesce(metrics.scaled_var_95_1d, metrics.var_95_1d) as value_at_risk,
        worst.name as worst_scenario,
        worst.pnl as worst_pnl,
        snapshots.num_stale_positions,
        metrics.reason,
        risk_status.stale_because,
        metrics.portfolio_id is not null as has_risk
    {sources.LATEST}
"""
_SPARKS = """
    select portfolio_id, equity_balance
    from (
        select
            snapshots.portfolio_id,
            snapshots.snapshot_date,
            snapshots.equity_balance,
            row_number() over (partition by snapshots.portfolio_id order by snapshots.snapshot_date desc) as place
        from analytics.portfolios as portfolios
        inner join analytics.portfolio_snapshots as snapshots on portfolios.portfolio_id = snapshots.portfolio_id
        where
            snapshots.snapshot_date <= coalesce(portfolios.published_to, portfolios.rolled_to)
            and snapshots.snapshot_date > coalesce(portfolios.published_to, portfolios.rolled_to) - 100
            and (%(allowed)s::uuid [] is null or portfolios.portfolio_id = any(%(allowed)s))
    ) as recent
    where place <= %(sessions)s
    order by portfolio_id, snapshot_date
"""
_NEIGHBOURS = """
    select
        max(snapshot_date) filter (where snapshot_date < %(day)s) as previous,
        min(snapshot_date) filter (where snapshot_date > %(day)s) as next
    from analytics.portfolio_snapshots
    where portfolio_id = %(portfolio_id)s and snapshot_date <= greatest(%(latest)s, %(day)s)
"""


def read_lines(conn: psycopg.Connection[Any], allowed: Collection[UUID] | None = None) -> list[PortfolioLine]:
    """Read a line for each portfolio, or only for the allowed ones, by name."""
    given = {"allowed": None if allowed is None else list(allowed), "sessions": SPARK_SESSIONS}
    cursor = conn.cursor(row_factory=dict_row)
    cursor.adapters.register_loader("numeric", FloatLoader)
    sparks: dict[UUID, list[float]] = defaultdict(list)
    for row in cursor.execute(_SPARKS, given).fetchall():
        sparks[row["portfolio_id"]].append(row["equity_balance"])
    return [
        PortfolioLine(**row, spark=tuple(sparks[row["portfolio_id"]]))
        for row in cursor.execute(_LINES, given).fetchall()
    ]


def read_neighbours(conn: psycopg.Connection[Any], portfolio: Portfolio, day: date) -> tuple[date | None, date | None]:
    """The sessions before and after a session. None follows the latest published one, except for a later session."""
    given = {"portfolio_id": portfolio.portfolio_id, "day": day, "latest": portfolio.latest}
    return fetch_one(conn.execute(_NEIGHBOURS, given))
