"""All sessions of a portfolio since its inception, and what a page draws of them."""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.numeric import FloatLoader

PERIODS = {"1M": "month", "3M": "3 months", "YTD": "year to date", "1Y": "year", "3Y": "3 years", "SI": "inception"}


@dataclass(frozen=True)
class History:
    """Columns of `portfolio_snapshots`, a value a session, oldest first; `drawdown` is from the peak since inception.

    Returns are decimals; those of the benchmark are None where it has no price.
    """

    days: list[date]
    equity: list[float]
    pnl: list[float]
    flow: list[float]
    returns: list[float | None]
    benchmark_returns: list[float | None]
    growth: list[float | None]
    drawdown: list[float | None]

    def period(self, name: str) -> History:
        """The sessions of a period; at least two of them where there are two, as a line takes."""
        place = max(min(bisect_left(self.days, first_session(name, self.days)), len(self.days) - 2), 0)
        return History(*(getattr(self, field)[place:] for field in self.__dataclass_fields__)) if place else self

    def benchmark_equity(self) -> list[float | None]:
        """What equity would be, had the money at the close before and every flow since been in the benchmark instead.

        Contributions earn from their day on and withdrawals leave at its end, as in returns; of a day with both their
        net counts. None on a session without a close of the benchmark, and once nothing is left.
        """
        is_known = bool(self.days) and self.benchmark_returns[0] is not None
        level = self.equity[0] - self.pnl[0] - self.flow[0] if is_known else 0.0
        worth: list[float | None] = []
        for flow, earned in zip(self.flow, self.benchmark_returns, strict=True):
            base = level + max(flow, 0.0)
            level = base * (1 + (earned or 0.0)) + min(flow, 0.0) if base > 0 else 0.0
            worth.append(level if level > 0 and earned is not None else None)
        return worth

    def benchmark_growth(self) -> list[float | None]:
        """The benchmark's return since the close before the first session; None on a session without a close.

        A return after a gap covers the gap. Without the first session's there is nothing to count from.
        """
        level, is_known = 1.0, bool(self.benchmark_returns) and self.benchmark_returns[0] is not None
        grown: list[float | None] = []
        for value in self.benchmark_returns:
            level *= 1 + (value or 0.0)
            grown.append(level - 1 if is_known and value is not None else None)
        return grown

    def own_growth(self) -> list[float]:
        """The portfolio's return since the close before the first session; a session without one counts as none."""
        grown: list[float] = []
        level = 1.0
        for value in self.returns:
            level *= 1 + (value or 0.0)
            grown.append(level - 1)
        return grown


def first_session(period: str, days: Sequence[date]) -> date:
    """The first session of a period that ends with the last of these sessions, as in `portfolio_performance`.

    The year to date begins with its first session. Months and years back begin with the close of the same date then,
    moved to the next session, so the first one is that after it; where there is none so early, with the first of all.
    """
    last = days[-1]
    if period == "YTD":
        return days[bisect_left(days, date(last.year, 1, 1))]
    months = {"1M": 1, "3M": 3, "1Y": 12, "3Y": 36}.get(period)
    if months is None:
        return days[0]
    year, month = divmod(last.year * 12 + last.month - 1 - months, 12)
    start = date(year, month + 1, min(last.day, monthrange(year, month + 1)[1]))
    return days[0] if start < days[0] else days[min(bisect_left(days, start) + 1, len(days) - 1)]


def read_history(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date) -> History:
    """Read a portfolio's sessions up to and with `day`."""
    cursor = conn.cursor()
    cursor.adapters.register_loader("numeric", FloatLoader)
    rows = cursor.execute(
        """
        select
            snapshot_date, equity_balance, daily_pnl, daily_capital_flow, daily_return, benchmark_return,
            cumulative_return,
            (1 + cumulative_return) / nullif(1 + greatest(0, max(cumulative_return) over (order by snapshot_date)), 0)
                - 1
        from analytics.portfolio_snapshots
        where portfolio_id = %s and snapshot_date <= %s
        order by snapshot_date
        """,
        (portfolio_id, day),
    ).fetchall()
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(8)]
    return History(*columns)
