"""The data of the performance page: periods, attribution, the calendar of returns, rolling figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

from reports.attribution import SECTORS_OF_PERIOD, SOURCES_OF_PERIOD, first_of_period
from reports.history import History

ROLLING_SESSIONS = 63
SESSIONS_A_YEAR = 252
# In the order in which people read them.
PERIOD_NAMES = ("MTD", "QTD", "YTD", "1Y", "3Y", "5Y", "SI")

_PERFORMANCE = """
    select * from analytics.portfolio_performance
    where portfolio_id = %(portfolio_id)s and calculation_date = %(day)s
"""
_ATTRIBUTION = f"select * {SOURCES_OF_PERIOD}"
_SECTOR_EFFECTS = f"select * {SECTORS_OF_PERIOD}"
_SECTORS = """
    select * from analytics.portfolio_sector_attribution
    where portfolio_id = %(portfolio_id)s and calculation_date = %(day)s
    order by sector in ('Cash', 'Unclassified', 'Trading', 'Benchmark'), sector
"""
_CONTRIBUTIONS = """
    select symbol, sum(pnl) as pnl, sum(contribution) as contribution
    from analytics.position_contributions
    where portfolio_id = %(portfolio_id)s and calculation_date = %(day)s and period = %(period)s
    group by symbol
    order by pnl desc, symbol
"""


@dataclass(frozen=True)
class Performance:
    """Rows of the tables of performance as of one session; empty where nothing has been computed.

    `sectors` cover the session alone. `attribution`, `sector_effects` and `contributions` cover the period that
    `contributions_of` names, and contributions have the `day_pnl` of the session beside it.
    """

    periods: list[dict[str, Any]]
    attribution: list[dict[str, Any]]
    sectors: list[dict[str, Any]]
    sector_effects: list[dict[str, Any]]
    contributions: list[dict[str, Any]]
    contributions_of: str


@dataclass(frozen=True)
class Year:
    """A line of the calendar: returns by month (None where there was no session) and of the year."""

    year: int
    months: list[float | None]
    total: float | None
    benchmark: float | None


@dataclass(frozen=True)
class Rolling:
    """Figures of the last 63 sessions as of each session; None before there are so many."""

    volatility: list[float | None]
    benchmark_volatility: list[float | None]
    beta: list[float | None]
    sharpe: list[float | None]


def read_performance(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date, period: str = "YTD") -> Performance:
    """Read the stored performance of a session; `period` (MTD, YTD or SI) is that of attribution and contributions."""
    first = first_of_period(period, day)
    given = {"portfolio_id": portfolio_id, "day": day, "period": period, "first": first}
    cursor = conn.cursor(row_factory=dict_row)
    cursor.adapters.register_loader("numeric", FloatLoader)

    def rows(query: LiteralString) -> list[dict[str, Any]]:
        return cursor.execute(query, given).fetchall()

    periods = rows(_PERFORMANCE)
    return Performance(
        periods=sorted(periods, key=lambda row: PERIOD_NAMES.index(row["period"])),
        attribution=rows(_ATTRIBUTION),
        sectors=rows(_SECTORS),
        sector_effects=rows(_SECTOR_EFFECTS),
        contributions=rows(_CONTRIBUTIONS),
        contributions_of=period,
    )


def calendar(history: History) -> list[Year]:
    """Returns by month and year, linked from the daily ones, the latest year first."""
    years: dict[int, list[int]] = {}
    for place, day in enumerate(history.days):
        years.setdefault(day.year, []).append(place)
    return [
        Year(
            year,
            [
                _linked([history.returns[place] for place in places if history.days[place].month == month])
                for month in range(1, 13)
            ],
            _linked([history.returns[place] for place in places]),
            _whole([history.benchmark_returns[place] for place in places]),
        )
        for year, places in sorted(years.items(), reverse=True)
    ]


def rolling(history: History, sessions: int = ROLLING_SESSIONS) -> Rolling:
    """Rolling volatility (annual, ddof 1), beta to the benchmark, and Sharpe ratio without a riskless rate.

    Running sums handle twenty years in one pass. A window that contains a session without a return has no number.
    """
    own = _Window(history.returns, history.returns, sessions)
    market = _Window(history.benchmark_returns, history.benchmark_returns, sessions)
    both = _Window(history.returns, history.benchmark_returns, sessions)
    places = range(len(history.days))
    year = math.sqrt(SESSIONS_A_YEAR)
    volatility = [_root(own.covariance(place)) for place in places]
    market_variance = [market.covariance(place) for place in places]
    return Rolling(
        volatility=[None if value is None else value * year for value in volatility],
        benchmark_volatility=[None if (value := _root(each)) is None else value * year for each in market_variance],
        beta=[_quotient(both.covariance(place), market_variance[place]) for place in places],
        sharpe=[
            None if (ratio := _quotient(own.mean(place), volatility[place])) is None else ratio * year
            for place in places
        ],
    )


def extremes(history: History, number: int = 5) -> tuple[list[int], list[int]]:
    """The places of the best and of the worst sessions by return, the most extreme first."""
    known = [place for place, value in enumerate(history.returns) if value is not None]
    by_return = sorted(known, key=lambda place: (history.returns[place] or 0.0, place))
    worst = [place for place in by_return[:number] if (history.returns[place] or 0.0) < 0]
    best = [place for place in by_return[::-1][:number] if (history.returns[place] or 0.0) > 0]
    return best, worst


class _Window:
    """Sums over the last sessions of two series and their product, from running sums of the deviations.

    The series' mean is subtracted from the values first, so that sums of squares of small returns lose no digits.
    """

    def __init__(self, first: Sequence[float | None], second: Sequence[float | None], sessions: int) -> None:
        self._sessions = sessions
        self._centre = _mean(first), _mean(second)
        pairs = [
            (0.0, 0.0, 1) if a is None or b is None else (a - self._centre[0], b - self._centre[1], 0)
            for a, b in zip(first, second, strict=True)
        ]
        self._first = [0.0, *accumulate(a for a, _, _ in pairs)]
        self._second = [0.0, *accumulate(b for _, b, _ in pairs)]
        self._product = [0.0, *accumulate(a * b for a, b, _ in pairs)]
        self._missing = [0, *accumulate(missing for _, _, missing in pairs)]

    def covariance(self, place: int) -> float | None:
        """The sample covariance of the window that ends there; None where it is not whole."""
        if not self._is_whole(place):
            return None
        first, second = self._sum(self._first, place), self._sum(self._second, place)
        return (self._sum(self._product, place) - first * second / self._sessions) / (self._sessions - 1)

    def mean(self, place: int) -> float | None:
        """The mean of the first series over that window."""
        return self._sum(self._first, place) / self._sessions + self._centre[0] if self._is_whole(place) else None

    def _is_whole(self, place: int) -> bool:
        return place + 1 >= self._sessions and not self._sum(self._missing, place)

    def _sum(self, sums: Sequence[float], place: int) -> float:
        return sums[place + 1] - sums[place + 1 - self._sessions]


def _linked(returns: Sequence[float | None]) -> float | None:
    known = [value for value in returns if value is not None]
    return math.prod(1 + value for value in known) - 1 if known else None


def _whole(returns: Sequence[float | None]) -> float | None:
    return _linked(returns) if returns and None not in returns else None


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else 0.0


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(max(variance, 0.0))


def _quotient(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None or below < 1e-12 else above / below
