"""Performance statistics of a period: return and variability, alone and against a benchmark.

Arrays are laid out (n_sessions, n_portfolios), from the first session of the period to its last; returns are simple
daily returns as decimals. A session without a return counts as 0 where returns are linked, and is left out of every
other statistic. Where empyrical-reloaded has the same statistic the numbers are the same, but for the downside
deviation (and Sortino's ratio with it): it divides by n − 1, as every other deviation here does, and not by n.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import (
    SESSIONS_PER_YEAR,
    Booleans,
    Floats,
    Integers,
    annualise_volatility,
    as_columns,
    divide,
    is_constant,
)

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall of each portfolio within a period: a decimal, 0 or negative.

    `start`, `trough` and `end` are rows: of the peak (−1: the close that the period begins with), of the lowest point,
    and of the first session that is back at the peak (`n_sessions` where there is none). All are −1 without a fall.
    """

    depth: Floats
    start: Integers
    trough: Integers
    end: Integers


@dataclass(frozen=True)
class Performance:
    """Statistics of each portfolio (n_portfolios,), NaN where there is none.

    Deviations, ratios and `alpha` are annual, captures are ratios, `positive_days` is a share of 0 to 1.
    """

    twr: Floats
    volatility: Floats
    downside_deviation: Floats
    sharpe: Floats
    sortino: Floats
    calmar: Floats
    drawdown: Drawdown
    tracking_error: Floats
    information_ratio: Floats
    beta: Floats
    alpha: Floats
    up_capture: Floats
    down_capture: Floats
    best_day: Floats
    worst_day: Floats
    positive_days: Floats


def performance(returns: ArrayLike, benchmark: ArrayLike, *, rate: float = 0.0) -> Performance:
    """Every statistic of a period but the money-weighted return.

    Args:
        returns: daily returns of the portfolios (n_sessions, n_portfolios).
        benchmark: daily returns of each portfolio's benchmark, of the same shape; NaN where there is none, or where it
            spans more than one session.
        rate: the yearly riskless rate; 1/252 of it counts each day. Sharpe's ratio and alpha are in excess of it.

    Sharpe (1994): mean over deviation. Sortino: mean over downside deviation, target 0. Calmar: yearly growth, of 252
    sessions, over the deepest fall. Information ratio: mean over deviation of the active returns. Alpha and beta: least
    squares (Jensen 1968), alpha compounded over 252 sessions. Capture: yearly growth over the sessions on which the
    benchmark rose (or fell), over that of the benchmark.
    """
    returns, benchmark = _by_portfolio(returns), _by_portfolio(benchmark)
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    earned = np.where(known, returns, 0.0)
    mean = _mean(returns, known)
    volatility = annualise_volatility(_deviation(returns, known))
    shortfall = (np.minimum(earned, 0.0) ** 2).sum(axis=1)
    downside = annualise_volatility(np.sqrt(divide(shortfall, np.where(count > 1, count - 1, np.nan))))
    growth = np.where(count > 0, np.prod(1.0 + earned, axis=1), np.nan)
    fall = drawdown(returns.T)
    both = known & np.isfinite(benchmark)
    active = np.where(both, returns, np.nan) - np.where(both, benchmark, np.nan)
    tracking_error = annualise_volatility(_deviation(active, both))
    alpha, beta = _regression(returns, benchmark, both, rate / SESSIONS_PER_YEAR)
    any_known = count > 0
    return Performance(
        twr=growth - 1.0,
        volatility=volatility,
        downside_deviation=downside,
        sharpe=divide(mean * SESSIONS_PER_YEAR - rate, volatility),
        sortino=divide(mean * SESSIONS_PER_YEAR, downside),
        calmar=divide(_yearly(growth, count), -fall.depth),
        drawdown=fall,
        tracking_error=tracking_error,
        information_ratio=divide(_mean(active, both) * SESSIONS_PER_YEAR, tracking_error),
        beta=beta,
        alpha=alpha,
        up_capture=_capture(returns, benchmark, both & (benchmark > 0)),
        down_capture=_capture(returns, benchmark, both & (benchmark < 0)),
        best_day=np.where(any_known, np.where(known, returns, -np.inf).max(axis=1, initial=-np.inf), np.nan),
        worst_day=np.where(any_known, np.where(known, returns, np.inf).min(axis=1, initial=np.inf), np.nan),
        positive_days=divide((known & (earned > 0)).sum(axis=1), count),
    )


def drawdown(returns: ArrayLike) -> Drawdown:
    """The deepest fall from a peak of linked returns; the first of several equally deep ones.

    The close before the first session counts as a peak. A peak that lasts several sessions begins with its last one.
    Arguments as for `performance`.
    """
    returns = _by_portfolio(returns)
    n_portfolios, n_sessions = len(returns), returns.shape[1]
    if not n_sessions:
        nowhere = np.full(n_portfolios, -1)
        return Drawdown(np.full(n_portfolios, np.nan), nowhere, nowhere, nowhere)
    growth = np.cumprod(1.0 + np.where(np.isfinite(returns), returns, 0.0), axis=1)
    peak = np.maximum(np.maximum.accumulate(growth, axis=1), 1.0)
    fall = growth / peak - 1.0
    portfolios = np.arange(n_portfolios, dtype=np.int64)
    trough = np.argmin(fall, axis=1)
    depth = np.where(np.isfinite(returns).any(axis=1), fall[portfolios, trough], np.nan)
    rows = np.arange(n_sessions, dtype=np.int64)
    before, after = rows <= trough[:, np.newaxis], rows > trough[:, np.newaxis]
    start = np.where((growth >= peak) & before, rows, -1).max(axis=1)
    back = growth >= peak[portfolios, trough][:, np.newaxis]
    end = np.where(back & after, rows, n_sessions).min(axis=1)
    return Drawdown(depth, *(np.where(depth < 0, places, -1) for places in (start, trough, end)))


def money_weighted(
    start_value: ArrayLike,
    end_value: ArrayLike,
    days: ArrayLike,
    *,
    of: Integers,
    flows: ArrayLike,
    days_left: ArrayLike,
) -> tuple[Floats, Booleans]:
    """The money-weighted return: the internal rate of return of all flows, over the whole period.

    It solves start·G + Σ flow·G^(days left / days) = end for the growth G of the period; a year's rate is
    G^(365 / days) − 1. Found by bisection between neighbours of a grid.

    Args:
        start_value: dollars at the close that each period begins with (n_periods,).
        end_value: dollars at its last close (n_periods,).
        days: days from the one close to the other (n_periods,).
        of: the period of each flow (n_flows,).
        flows: dollars (n_flows,), positive for money paid in.
        days_left: days from each flow to the end of its period (n_flows,).

    Returns:
        The return over the period (n_periods,), NaN where no rate or several rates solve it; and whether several do.
    """
    start_value, end_value, days = (np.asarray(each, float) for each in (start_value, end_value, days))
    flows, exponents = np.asarray(flows, float), np.asarray(days_left, float) / days[of]
    n_periods = len(start_value)

    def becomes_more(log_growth: Floats) -> Booleans:
        """Whether the money would have grown to more than it did (n_periods,)."""
        grown = np.bincount(of, flows * np.exp(log_growth[of] * exponents), n_periods)
        return start_value * np.exp(log_growth) + grown > end_value

    crossings = np.zeros(n_periods, dtype=np.int64)
    low = high = np.zeros(n_periods)
    low_is_more = np.zeros(n_periods, dtype=bool)
    before = becomes_more(np.full(n_periods, _GRID[0]))
    for left, right in pairwise(_GRID):
        now = becomes_more(np.full(n_periods, right))
        crosses = now != before
        low, high = np.where(crosses, left, low), np.where(crosses, right, high)
        low_is_more = np.where(crosses, before, low_is_more)
        crossings += crosses
        before = now
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        stays = becomes_more(middle) == low_is_more
        low, high = np.where(stays, middle, low), np.where(stays, high, middle)
    solved = (crossings == 1) & np.isfinite(start_value) & np.isfinite(end_value)
    return np.where(solved, np.expm1((low + high) / 2), np.nan), crossings > 1


# A grid of logarithms of a period's growth: dense where returns usually are, then out to the largest possible ones.
_GRID = np.concatenate([np.arange(-25, -3, 1.0), np.arange(-3, 3, 0.1), np.arange(3, 26, 1.0)]).tolist()
_BISECTIONS = 60


def annual(period_return: ArrayLike, days: ArrayLike) -> Floats:
    """A period's return as a yearly one of 365 days; NaN for periods up to a year, and where nothing is left."""
    period_return, days = np.asarray(period_return, float), np.asarray(days, float)
    growth = np.where((days > DAYS_PER_YEAR) & (period_return > -1), 1.0 + period_return, np.nan)
    return growth ** divide(DAYS_PER_YEAR, days) - 1.0


def _by_portfolio(returns: ArrayLike) -> Floats:
    """Each portfolio's series side by side in memory (n_portfolios, n_sessions).

    The last bit of a sum depends on the layout: so it does not depend on which other portfolios there are.
    """
    return np.ascontiguousarray(as_columns(returns).T)


def _mean(values: Floats, known: Booleans) -> Floats:
    return divide(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))


def _deviation(values: Floats, known: Booleans) -> Floats:
    """Sample standard deviation (ddof 1) of what is known; exactly 0 for a constant series, NaN below two."""
    count = known.sum(axis=1)
    mean = _mean(values, known)
    squares = (np.where(known, values - mean[:, np.newaxis], 0.0) ** 2).sum(axis=1)
    squares = np.where(is_constant(squares, count, mean), 0.0, squares)
    return np.sqrt(divide(squares, np.where(count > 1, count - 1, np.nan)))


def _yearly(growth: Floats, count: Integers) -> Floats:
    """Growth over so many sessions as a return over 252; NaN where nothing is left."""
    with np.errstate(over="ignore"):
        return np.where(growth > 0, growth, np.nan) ** divide(SESSIONS_PER_YEAR, count) - 1.0


def _capture(returns: Floats, benchmark: Floats, chosen: Booleans) -> Floats:
    count = chosen.sum(axis=1)
    own, other = (np.prod(np.where(chosen, 1.0 + values, 1.0), axis=1) for values in (returns, benchmark))
    return divide(_yearly(own, count), _yearly(other, count))


def _regression(returns: Floats, benchmark: Floats, both: Booleans, daily_rate: float) -> tuple[Floats, Floats]:
    """Alpha, compounded over a year, and beta, both in excess of the rate; NaN where the benchmark is constant.

    Alpha is also NaN where it would lose everything in a day.
    """
    mean, benchmark_mean = _mean(returns, both), _mean(benchmark, both)
    own = np.where(both, returns - mean[:, np.newaxis], 0.0)
    other = np.where(both, benchmark - benchmark_mean[:, np.newaxis], 0.0)
    squares = (other**2).sum(axis=1)
    moves = (both.sum(axis=1) > 1) & ~is_constant(squares, both.sum(axis=1), benchmark_mean)
    beta = np.where(moves, divide((own * other).sum(axis=1), squares), np.nan)
    alpha = mean - daily_rate - beta * (benchmark_mean - daily_rate)
    # a loss of everything or more does not compound
    left = np.where(alpha > -1, 1.0 + alpha, np.nan)
    with np.errstate(over="ignore"):
        return left**SESSIONS_PER_YEAR - 1.0, beta
