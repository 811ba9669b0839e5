"""Realized and expected volatility of every symbol, its trend and where it stands in its own year."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import (
    Booleans,
    Flags,
    Floats,
    Integers,
    Objects,
    annualise_variance,
    annualise_volatility,
    as_columns,
    divide,
    is_constant,
    quality_flags,
)

MONTH = 21
MONTH_MINIMUM = 14
QUARTER = 63
QUARTER_MINIMUM = 42
WEEK = 5
WEEK_MINIMUM = 3  # one missing price takes two returns away, and should not take the forecast with them
YEAR = 252
YEAR_MINIMUM = 126

# Heterogeneous autoregressive form (Corsi 2009) with fixed weights on the week, the month and the year.
FORECAST_WEIGHTS = (0.3, 0.4, 0.3)

TREND_R_SQUARED = 0.3
TREND_CHANGE = 0.1
_NO_TREND = np.array(None, dtype=np.object_)

# Two volatilities closer than this (relative) are the same number computed in another order.
SAME_VOLATILITY = 1e-12

# Symbols handled at a time: so few stay in the processor's cache, which makes it four times as fast.
_BLOCK = 64

# Sessions that the statistics of one date reach back to: a forecast a year ago looks back on a year of its own.
VOLATILITY_LOOKBACK = 2 * YEAR - 1


@dataclass(frozen=True)
class Volatility:
    """Volatility of all symbols on one date; arrays (n_symbols,), NaN (or None) where there is no number.

    `realized_vol_21d`, `realized_vol_63d` and `expected_vol_21d` are annual, as decimals. `vol_trend` is
    increasing, decreasing or stable; `vol_trend_strength`, `vol_percentile` and `model_r_squared` lie in [0, 1].
    `observations` counts the returns of the last 252 sessions. `quality_flag` speaks of the 21 sessions:
    `insufficient_history` below 14 returns, `zero_variance` where they are constant, else by `observations`. Every
    number has its own minimum besides.
    """

    realized_vol_21d: Floats
    realized_vol_63d: Floats
    expected_vol_21d: Floats
    vol_trend: Objects
    vol_trend_strength: Floats
    vol_percentile: Floats
    observations: Integers
    model_r_squared: Floats
    quality_flag: Flags


@dataclass(frozen=True)
class VolatilityHistory:
    """Rolling statistics of a panel, all (n_sessions, n_symbols): row t looks at sessions up to t only.

    Volatilities are annual and NaN below their minimum of returns; a constant window has (about) zero here and is
    told by `constant_*`. `forecast` and `mean_square_21d` are daily variances, `counts_*` the returns in the
    window.
    """

    vol_21d: Floats
    vol_63d: Floats
    forecast: Floats
    mean_square_21d: Floats
    constant_21d: Booleans
    constant_63d: Booleans
    constant_252d: Booleans
    counts_21d: Integers
    counts_252d: Integers

    def at(self, session: int) -> Volatility:
        """Return every symbol's volatility on the session in row `session` (negative: from the end).

        Only rows up to it are read, at most `VOLATILITY_LOOKBACK` sessions deep.
        """
        end = session % len(self.vol_21d) + 1
        today = end - 1
        vol_21d = np.where(self.constant_21d[today], np.nan, self.vol_21d[today])
        trend, strength = _trend(self.vol_21d[max(end - MONTH, 0) : end])
        moves = ~np.isnan(vol_21d)
        expected = np.sqrt(annualise_variance(self.forecast[today]))
        known = self.mean_square_21d[max(end - YEAR, 0) : end]
        return Volatility(
            realized_vol_21d=vol_21d,
            realized_vol_63d=np.where(self.constant_63d[today], np.nan, self.vol_63d[today]),
            expected_vol_21d=np.where(self.constant_252d[today], np.nan, expected),
            vol_trend=np.where(moves, trend, _NO_TREND),
            vol_trend_strength=np.where(moves, strength, np.nan),
            vol_percentile=_percentile(vol_21d, self.vol_21d[max(today - YEAR, 0) : today]),
            observations=self.counts_252d[today],
            model_r_squared=_squared_correlation(
                self.forecast[max(end - YEAR, 0) : end][:-MONTH], known[MONTH:], minimum=YEAR_MINIMUM
            ),
            quality_flag=quality_flags(
                np.where(self.counts_21d[today] >= MONTH_MINIMUM, self.counts_252d[today], 0),
                minimum=MONTH_MINIMUM,
                window=YEAR,
                constant=self.constant_21d[today],
            ),
        )


def volatility(returns: ArrayLike) -> Volatility:
    """Volatility of every symbol on the last session of `returns` (n_sessions, n_symbols); see `volatility_history`."""
    return volatility_history(as_columns(returns, VOLATILITY_LOOKBACK)).at(-1)


def volatility_history(returns: ArrayLike) -> VolatilityHistory:
    """Rolling volatility of a whole panel in one pass; ask `.at(t)` for the statistics of a date.

    - realized volatility: sample standard deviation (ddof 1) × √252 of 21 (63) sessions with at least 14 (42) returns;
    - forecast for the 21 sessions ahead: 0.3·v₅ + 0.4·v₂₁ + 0.3·v₂₅₂, v_k the mean r² of the last k sessions (at
      least 3, 14 and 126 returns): the HAR form of Corsi 2009 with fixed weights; expected volatility is its root ×
      √252;
    - `model_r_squared`: squared correlation, over the dates of the last 252 sessions whose next 21 sessions are
      known (126 at least), of the forecast with the mean r² of those 21 sessions;
    - trend: least-squares line through the last 21 values of the 21-session volatility (all must exist): increasing or
      decreasing when R² > 0.3 and slope × 20 is more than a tenth of their mean, else stable; R² is the strength;
    - percentile: share of the 252 sessions before (126 with a value at least) whose 21-session volatility was lower
      by more than 1e-12 relative.

    Args:
        returns: daily returns as decimals (n_sessions, n_symbols), oldest first.

    NaN policy: windows count sessions, statistics use the returns in them; rows before the first one count as
    missing. Each value depends on the sessions of its own windows only, to the last bit, wherever the panel begins.
    """
    returns = as_columns(returns)
    blocks = [
        _history_of(as_columns(returns[:, start : start + _BLOCK]))
        for start in range(0, max(returns.shape[1], 1), _BLOCK)
    ]
    return VolatilityHistory(
        *(np.concatenate([getattr(block, part.name) for block in blocks], axis=1) for part in fields(VolatilityHistory))
    )


def _history_of(returns: Floats) -> VolatilityHistory:
    week, month, quarter, year = _rolling_moments(returns, WEEK, MONTH, QUARTER, YEAR)
    of_week = week.mean_square(WEEK_MINIMUM)
    of_month = month.mean_square(MONTH_MINIMUM)
    of_year = year.mean_square(YEAR_MINIMUM)
    return VolatilityHistory(
        vol_21d=annualise_volatility(month.deviation(MONTH_MINIMUM)),
        vol_63d=annualise_volatility(quarter.deviation(QUARTER_MINIMUM)),
        forecast=FORECAST_WEIGHTS[0] * of_week + FORECAST_WEIGHTS[1] * of_month + FORECAST_WEIGHTS[2] * of_year,
        mean_square_21d=of_month,
        constant_21d=month.constant(),
        constant_63d=quarter.constant(),
        constant_252d=year.constant(),
        counts_21d=month.count.astype(np.int64),
        counts_252d=year.count.astype(np.int64),
    )


@dataclass(frozen=True)
class _Moments:
    """Count, mean and centred sum of squares of the returns in a window that ends at each row."""

    count: Floats
    mean: Floats
    centred_squares: Floats

    def with_earlier(self, earlier: "_Moments", sessions: int) -> "_Moments":
        """Join to each row's window the one that `earlier` has so many sessions before."""
        # Chan, Golub and LeVeque 1979: joining keeps what a difference of large sums would lose.
        count, mean, squares = self.count.copy(), self.mean.copy(), self.centred_squares.copy()
        now, then = slice(sessions, None), slice(None, -sessions)
        count[now] += earlier.count[then]
        share = earlier.count[then] / np.maximum(count[now], 1.0)
        step = earlier.mean[then] - self.mean[now]
        mean[now] += step * share
        squares[now] += earlier.centred_squares[then] + step * step * (self.count[now] * share)
        return _Moments(count, mean, squares)

    def deviation(self, minimum: int) -> Floats:
        """Sample standard deviation (ddof 1), NaN below `minimum` values."""
        return np.sqrt(divide(self.centred_squares, np.where(self.count >= minimum, self.count - 1.0, np.nan)))

    def mean_square(self, minimum: int) -> Floats:
        """Mean of the squared values, NaN below `minimum` values."""
        return divide(self.centred_squares, np.where(self.count >= minimum, self.count, np.nan)) + self.mean**2

    def constant(self) -> Booleans:
        """Return where the window has values and they do not move."""
        return is_constant(self.centred_squares, self.count, self.mean)


def _rolling_moments(values: Floats, *windows: int) -> list[_Moments]:
    """Moments of the last so many rows at every row, for each window asked for.

    By doubling: windows of 1, 2, 4, … rows, joined to the length wanted. Each result is a fixed tree of sums over
    its own rows, so it does not depend on where the panel begins.
    """
    present = np.isfinite(values)
    blocks = [_Moments(present.astype(np.float64), np.where(present, values, 0.0), np.zeros_like(values))]
    while 1 << len(blocks) <= max(windows):
        blocks.append(blocks[-1].with_earlier(blocks[-1], 1 << (len(blocks) - 1)))
    results: list[_Moments] = []
    for window in windows:
        powers = [power for power in range(len(blocks)) if window & (1 << power)]
        total, covered = blocks[powers[0]], 1 << powers[0]
        for power in powers[1:]:
            total = total.with_earlier(blocks[power], covered)
            covered += 1 << power
        results.append(total)
    return results


def _trend(vols: Floats) -> tuple[Objects, Floats]:
    """Direction and R² of the line through the last 21 volatilities (n_sessions, n_symbols)."""
    if len(vols) < MONTH:
        n_symbols = int(vols.shape[1])
        return np.full(n_symbols, None, dtype=np.object_), np.full(n_symbols, np.nan)
    step = np.arange(MONTH) - (MONTH - 1) / 2
    mean = vols.mean(axis=0)
    centred = vols - mean
    # no matrix product: its last bits depend on how many columns there are
    slope = (step[:, None] * centred).sum(axis=0) / (step @ step)
    total = (centred * centred).sum(axis=0)
    flat = is_constant(total, MONTH, mean)
    residual = centred - step[:, None] * slope
    strength = np.clip(1.0 - divide((residual * residual).sum(axis=0), np.where(flat, np.nan, total)), 0.0, 1.0)
    strength = np.where(flat, 0.0, strength)
    trending = (strength > TREND_R_SQUARED) & (np.abs(slope) * (MONTH - 1) > TREND_CHANGE * mean)
    direction = np.where(trending, np.where(slope > 0, "increasing", "decreasing"), "stable")
    return np.where(np.isnan(mean), _NO_TREND, direction), strength


def _percentile(today: Floats, past: Floats) -> Floats:
    known = np.isfinite(past).sum(axis=0)
    lower = (past < today * (1.0 - SAME_VOLATILITY)).sum(axis=0)
    return np.where((known >= YEAR_MINIMUM) & np.isfinite(today), divide(lower, known), np.nan)


def _squared_correlation(x: Floats, y: Floats, minimum: int) -> Floats:
    """Squared Pearson correlation of each column of `x` with the same column of `y`, where both exist."""
    both = np.isfinite(x) & np.isfinite(y)
    n = both.sum(axis=0)

    def centred(values: Floats) -> tuple[Floats, Floats]:
        mean = divide(np.where(both, values, 0.0).sum(axis=0), n)
        around = np.where(both, values - mean, 0.0)
        sum_of_squares = (around * around).sum(axis=0)
        # variances are tiny, so constant can only be meant relative to their mean
        moves = sum_of_squares > n * (SAME_VOLATILITY * mean) ** 2
        return around, np.where(moves & (n >= minimum), sum_of_squares, np.nan)

    x, sum_xx = centred(x)
    y, sum_yy = centred(y)
    return np.clip(divide((x * y).sum(axis=0) ** 2, sum_xx * sum_yy), 0.0, 1.0)
