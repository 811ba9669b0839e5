"""All sessions of a portfolio since its inception, and what a page draws of them."""

from __future__ import annotations

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

    def since(self, first: date | None) -> History:
        """The sessions from a day on; at least two of them where there are two, as a line takes."""
        place = next((index for index, day in enumerate(self.days) if first is None or day >= first), len(self.days))
        place = max(min(place, len(self.days) - 2), 0)
        return History(*(getattr(self, name)[place:] for name in self.__dataclass_fields__))

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


def first_day(period: str, day: date, inception: date) -> date:
    """The day that a period to `day` begins with."""
    if period == "YTD":
        return date(day.year, 1, 1)
    months = {"1M": 1, "3M": 3, "1Y": 12, "3Y": 36}.get(period)
    if months is None:
        return inception
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, min(day.day, 28))


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
