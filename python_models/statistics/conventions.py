"""Conventions of all models: sessions in a year, quality flags, windows, and the definition of a constant series.

Arrays are laid out (n_sessions, n_symbols), oldest session first; the last row is the date a statistic is for. A
model takes `returns` up to and including that date, of any length, and looks at the last `window` rows only: for
many dates, hand it `panel[: t + 1]` (a view) for each t, and it cannot see later prices. Returns are simple daily
returns as decimals; NaN (and anything else not finite) means that there is no return.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Flags = NDArray[np.str_]
Texts = NDArray[np.str_]
Objects = NDArray[np.object_]

SESSIONS_PER_YEAR = 252

# A return is a ratio minus one, so it carries rounding noise of about 1e-16 whatever its own size. A series that
# moves less than this is noise around a constant: no statistic of it means anything.
CONSTANT_DEVIATION = 1e-12


class Quality(StrEnum):
    """How far a result can be trusted; only `LIMITED_HISTORY` and `FULL_HISTORY` come with numbers."""

    NO_BENCHMARK = "no_benchmark"
    INSUFFICIENT_HISTORY = "insufficient_history"
    ZERO_VARIANCE = "zero_variance"
    LIMITED_HISTORY = "limited_history"
    FULL_HISTORY = "full_history"


def quality_flags(
    observations: ArrayLike,
    *,
    minimum: int,
    window: int,
    constant: ArrayLike = False,
    benchmark_observations: ArrayLike | None = None,
) -> Flags:
    """Flag each result by the data behind it.

    Of several reasons the most general wins: a benchmark with fewer than `minimum` returns of its own
    (`no_benchmark`), fewer than `minimum` common observations (`insufficient_history`), a constant series
    (`zero_variance`). Otherwise `limited_history` below `window` observations, else `full_history`.

    All arguments broadcast against `observations`; the result has its shape.
    """
    observations = np.asarray(observations)
    no_benchmark = np.asarray(False if benchmark_observations is None else np.less(benchmark_observations, minimum))
    return np.select(
        [no_benchmark, observations < minimum, np.asarray(constant), observations < window],
        [Quality.NO_BENCHMARK, Quality.INSUFFICIENT_HISTORY, Quality.ZERO_VARIANCE, Quality.LIMITED_HISTORY],
        Quality.FULL_HISTORY,
    )


def has_numbers(flags: Flags) -> Booleans:
    """Return where `flags` say that there is a number."""
    return (flags == Quality.LIMITED_HISTORY) | (flags == Quality.FULL_HISTORY)


def is_constant(sum_of_squares: ArrayLike, observations: ArrayLike, mean: ArrayLike = 0.0) -> Booleans:
    """Tell constant series from their squared deviations around the mean, summed.

    A series is constant when its standard deviation (ddof 0) is at most 1e-12, in units of the series, or of its
    mean where that is above one. Without observations a series is not constant, it is missing.
    """
    observations = np.asarray(observations)
    scale = CONSTANT_DEVIATION * np.maximum(1.0, np.abs(np.nan_to_num(mean)))
    return (observations > 0) & (np.asarray(sum_of_squares) <= observations * scale**2)


def as_columns(values: ArrayLike, window: int | None = None) -> Floats:
    """Return the last `window` rows of `values` as floats (n_sessions, n_columns); one series becomes one column.

    Row by row in memory, because the last bit of a sum depends on the layout, and results should not.
    """
    columns = np.asarray(values, dtype=np.float64)
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2:
        raise ValueError(f"expected (n_sessions, n_columns), got an array of shape {columns.shape}")
    return np.ascontiguousarray(columns if window is None else columns[-window:])


def divide(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Divide, with NaN and no warning where the denominator is zero or missing."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=np.isfinite(denominator) & (denominator != 0))


def annualise_variance(daily: ArrayLike) -> Floats:
    """Turn a daily variance of returns into an annual one (× 252)."""
    return np.asarray(daily, float) * SESSIONS_PER_YEAR


def annualise_volatility(daily: ArrayLike) -> Floats:
    """Turn a daily standard deviation of returns into an annual one (× √252)."""
    return np.asarray(daily, float) * np.sqrt(SESSIONS_PER_YEAR)
