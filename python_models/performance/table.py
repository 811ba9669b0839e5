"""The rows of `portfolio_performance`: every period of every portfolio that is due, many sessions at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np

from python_models.performance.histories import Histories
from python_models.statistics.conventions import Booleans, Floats, Integers
from python_models.statistics.performance import Drawdown, annual, money_weighted, performance
from python_models.statistics.periods import BEGINNING_LATE, PERIODS, first_row
from python_models.write import Block

# The statistics that become columns without a change.
_PLAIN = (
    *("twr", "volatility", "downside_deviation", "sharpe", "sortino", "calmar", "tracking_error", "information_ratio"),
    *("beta", "alpha", "up_capture", "down_capture", "best_day", "worst_day", "positive_days"),
)


@dataclass(frozen=True)
class Stretches:
    """Periods of portfolios (n_stretches,): the period, the portfolio, and the rows of the first and last session.

    `first` is 0 where the portfolio is younger than the period.
    """

    period: Integers
    column: Integers
    first: Integers
    last: Integers

    @property
    def is_whole(self) -> Booleans:
        """Whether the period exists (n_stretches,)."""
        return self.first > 0

    def __getitem__(self, chosen: Any) -> "Stretches":
        return Stretches(*(getattr(self, field.name)[chosen] for field in fields(self)))


def performance_block(histories: Histories, due: Mapping[date, Sequence[UUID]], rate: float) -> Block:
    """The rows of all portfolios that are due on some sessions; `rate` is the yearly riskless rate."""
    stretches = _stretches(histories, due)
    whole = stretches[stretches.is_whole]
    n_sessions = whole.last - whole.first + 1
    days = np.array(
        [
            (histories.sessions[last] - histories.sessions[first - 1]).days
            for first, last in zip(whole.first.tolist(), whole.last.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
    statistics, fall = _statistics(histories, whole, rate)
    benchmark, uncovered = _benchmark_returns(histories, whole)
    mwr, several = _money_weighted(histories, whole, days)
    moments = _moments(histories, whole, fall)
    reason = _reasons(histories, whole, statistics, mwr, several, uncovered)
    columns: dict[str, Any] = {
        "start_date": [histories.sessions[first - 1] for first in whole.first.tolist()],
        "sessions": n_sessions,
        "twr_annual": annual(statistics["twr"], days),
        "mwr": mwr,
        "mwr_annual": annual(mwr, days),
        "benchmark_return": benchmark,
        "benchmark_return_annual": annual(benchmark, days),
        "active_return": statistics["twr"] - benchmark,
        "max_drawdown": fall.depth,
        **statistics,
        **moments,
        "reason": reason,
    }
    places = np.flatnonzero(stretches.is_whole)
    spread = {name: _spread(values, places, len(stretches.first)) for name, values in columns.items()}
    for place in np.flatnonzero(~stretches.is_whole).tolist():
        began = histories.sessions[histories.inception[stretches.column[place]]]
        spread["reason"][place] = f"the portfolio began on {began}"
    return Block(
        "portfolio_performance",
        {
            "calculation_date": [histories.sessions[last] for last in stretches.last.tolist()],
            "portfolio_id": histories.ids[stretches.column],
            "period": np.array([period.encode() for period in PERIODS])[stretches.period],
            **spread,
        },
    )


def _stretches(histories: Histories, due: Mapping[date, Sequence[UUID]]) -> Stretches:
    parts: list[tuple[Integers, ...]] = []
    for day, portfolios in due.items():
        columns = np.array([histories.columns[portfolio] for portfolio in portfolios], dtype=np.intp)
        inception = histories.inception[columns]
        for number, period in enumerate(PERIODS):
            first = np.full(len(columns), first_row(period, day, histories.sessions))
            late = inception if period in BEGINNING_LATE else 0
            first = np.where(first >= inception, first, late)
            parts.append((np.full(len(columns), number), columns, first, np.full(len(columns), histories.rows[day])))
    return Stretches(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _statistics(histories: Histories, whole: Stretches, rate: float) -> tuple[dict[str, Floats], Drawdown]:
    """The statistics of each stretch; those over the same sessions are computed together."""
    found = {name: np.full(len(whole.first), np.nan) for name in _PLAIN}
    fall = Drawdown(np.full(len(whole.first), np.nan), *(np.full(len(whole.first), -1) for _ in range(3)))
    spans, members = np.unique(np.column_stack([whole.first, whole.last]), axis=0, return_inverse=True)
    order = np.argsort(members.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(members.ravel(), minlength=len(spans)))
    for (first, last), places in zip(spans.tolist(), np.split(order, ends[:-1]), strict=True):
        window = slice(first, last + 1)
        columns, which = np.unique(whole.column[places], return_inverse=True)
        computed = performance(
            histories.returns[window, columns], histories.benchmark_returns[window, columns], rate=rate
        )
        for name, values in found.items():
            values[places] = getattr(computed, name)[which]
        for field in fields(fall):
            getattr(fall, field.name)[places] = getattr(computed.drawdown, field.name)[which]
    return found, fall


def _benchmark_returns(histories: Histories, whole: Stretches) -> tuple[Floats, list[str | None]]:
    """The benchmark's return over each stretch, and a text that names a missing close, the first or the last."""
    known: dict[tuple[str, int, int], tuple[float, str | None]] = {}
    found = []
    for column, first, last in zip(whole.column.tolist(), whole.first.tolist(), whole.last.tolist(), strict=True):
        symbol = histories.benchmark_of[column]
        key = (symbol, first, last)
        if key not in known:
            benchmark = histories.benchmarks[symbol]
            missing = [row for row in (first - 1, last) if not benchmark.has_close[row]]
            if missing:
                known[key] = np.nan, f"{symbol} has no close of {histories.sessions[missing[0]]}"
            else:
                earned = benchmark.returns[first : last + 1]
                known[key] = float(np.prod(1.0 + np.where(np.isfinite(earned), earned, 0.0)) - 1.0), None
        found.append(known[key])
    return np.array([earned for earned, _ in found], dtype=np.float64), [reason for _, reason in found]


def _money_weighted(histories: Histories, whole: Stretches, days: Floats) -> tuple[Floats, Booleans]:
    """The money-weighted return of each stretch, and whether several rates solve it.

    A contribution counts from the start of its day and a withdrawal from the end, so it is there a day longer.
    """
    flows = histories.flows
    calendar = np.array([session.toordinal() for session in histories.sessions])
    # the flows of one portfolio stand together, in order
    begins = np.searchsorted(flows.column, np.arange(len(histories.portfolios)))
    stops = np.searchsorted(flows.column, np.arange(len(histories.portfolios)), side="right")
    of, places = [], []
    for stretch, (column, first, last) in enumerate(
        zip(whole.column.tolist(), whole.first.tolist(), whole.last.tolist(), strict=True)
    ):
        begin, stop = begins[column], stops[column]
        if begin < stop:
            inside = begin + np.searchsorted(flows.row[begin:stop], [first, last + 1])
            within = np.arange(*inside)
            places.append(within)
            of.append(np.full(len(within), stretch))
    place = np.concatenate(places) if places else np.empty(0, dtype=np.intp)
    stretch = np.concatenate(of) if of else np.empty(0, dtype=np.intp)
    left = calendar[whole.last[stretch]] - calendar[flows.row[place]]
    start_value = histories.equity[whole.first - 1, whole.column]
    end_value = histories.equity[whole.last, whole.column]
    found, several = money_weighted(
        start_value,
        end_value,
        days,
        of=np.concatenate([stretch, stretch]),
        flows=np.concatenate([flows.contribution[place], -flows.withdrawal[place]]),
        days_left=np.concatenate([left + 1, left]),
    )
    without = np.bincount(stretch, minlength=len(days)) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(start_value > 0, end_value / start_value - 1.0, np.nan)
    return np.where(without, plain, found), several & ~without


def _moments(histories: Histories, whole: Stretches, fall: Drawdown) -> dict[str, list[date | None]]:
    """The dates of the deepest fall: the peak, the lowest point, and the return to the peak."""

    def dates(rows: Integers, limit: Integers) -> list[date | None]:
        falls = fall.depth < 0
        return [
            histories.sessions[row] if falls_at and row <= last else None
            for row, falls_at, last in zip((whole.first + rows).tolist(), falls.tolist(), limit.tolist(), strict=True)
        ]

    return {
        "drawdown_start": dates(fall.start, whole.last),
        "drawdown_trough": dates(fall.trough, whole.last),
        "drawdown_end": dates(fall.end, whole.last),
    }


def _reasons(
    histories: Histories,
    whole: Stretches,
    statistics: Mapping[str, Floats],
    mwr: Floats,
    several: Booleans,
    uncovered: Sequence[str | None],
) -> list[str | None]:
    """The reasons for missing numbers, one text for each stretch; None where none is missing."""
    missing = {name: ~np.isfinite(values) for name, values in statistics.items()}
    nothing = missing["twr"]
    # then there is no yearly growth, whatever the benchmark did
    lost = statistics["worst_day"] <= -1
    without_growth = lost & np.any(
        [missing[name] for name in ("calmar", "alpha", "up_capture", "down_capture")], axis=0
    )
    told: Sequence[tuple[Booleans, str]] = (
        (nothing, "no session of it has a return"),
        (several, "several rates solve the flows: no money-weighted return"),
        (~np.isfinite(mwr) & ~several, "no rate solves the flows: no money-weighted return"),
        (~nothing & missing["volatility"], "one return: no deviations and ratios"),
        (~nothing & ~missing["volatility"] & missing["sharpe"], "the returns do not vary: no Sharpe ratio"),
        (~nothing & ~missing["downside_deviation"] & missing["sortino"], "no loss: no Sortino ratio"),
        (without_growth, "everything was lost on a session: nothing left for a Calmar ratio, alpha or capture"),
        (~nothing & ~lost & missing["calmar"], "no fall: no Calmar ratio"),
        (~nothing & ~missing["volatility"] & missing["beta"], "the benchmark's returns are too few or do not vary"),
        (~nothing & ~lost & ~missing["beta"] & missing["up_capture"], "the benchmark never rose: no up capture"),
        (~nothing & ~lost & ~missing["beta"] & missing["down_capture"], "the benchmark never fell: no down capture"),
    )
    reasons = [[each] if each else [] for each in uncovered]
    for where, text in told:
        for place in np.flatnonzero(where).tolist():
            reasons[place].append(text)
    return ["; ".join(each) or None for each in reasons]


def _spread(values: Any, places: Integers, length: int) -> list[Any]:
    """Values at their places in a longer column, None elsewhere."""
    column: list[Any] = [None] * length
    for place, value in zip(
        places.tolist(), values.tolist() if isinstance(values, np.ndarray) else values, strict=True
    ):
        column[place] = value
    return column
