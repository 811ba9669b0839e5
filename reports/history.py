"""All sessions of a portfolio since its inception, and the series that a page draws of them."""

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
        """The sessions of a period, extended to two where there are two: a line needs two points."""
        place = max(min(bisect_left(self.days, first_session(name, self.days)), len(self.days) - 2), 0)
        return History(*(getattr(self, field)[place:] for field in self.__dataclass_fields__)) if place else self

    def benchmark_equity(self) -> list[float | None]:
        """The equity if all money had been in the benchmark: that of the close before, and every flow since.

        Contributions earn from their day on and withdrawals leave at the end of their day, as in returns. A day with
        both counts their net. None on a session without a close of the benchmark, and once nothing is left.
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

        A return after a gap covers the gap. All are None where the first session has none: the count has no start.
        """
        level, is_known = 1.0, bool(self.benchmark_returns) and self.benchmark_returns[0] is not None
        grown: list[float | None] = []
        for value in self.benchmark_returns:
            level *= 1 + (value or 0.0)
            grown.append(level - 1 if is_known and value is not None else None)
        return grown

    def own_growth(self) -> list[float]:
        """The portfolio's return since the close before the first session; a session without a return counts as 0."""
        grown: list[float] = []
        level = 1.0
        for value in self.returns:
            level *= 1 + (value or 0.0)
            grown.append(level - 1)
        return grown


def first_session(period: str, days: Sequence[date]) -> date:
    """The first session of a period that ends with the last of these sessions, as in `portfolio_performance`.

    The year to date begins with its first session. A number of months or years starts from the close of the same date
    that long ago, moved to the next session; its first session is the one after. A period that reaches back before all
    sessions begins with the first of them.
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
