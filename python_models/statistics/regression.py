"""Least squares for all symbols at once, each on the sessions that it and the regressors have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from python_models.statistics.conventions import (
    Booleans,
    Flags,
    Floats,
    Integers,
    as_columns,
    divide,
    has_numbers,
    is_constant,
    quality_flags,
)


@dataclass(frozen=True)
class SimpleRegression:
    """y = alpha + beta·x + ε for every symbol; arrays (n_symbols,), NaN where `quality_flag` says there is no number.

    `alpha` is a daily return, `beta` and `r_squared` are pure numbers, `std_error` and `p_value` are of beta.
    """

    beta: Floats
    alpha: Floats
    r_squared: Floats
    std_error: Floats
    p_value: Floats
    observations: Integers
    quality_flag: Flags


@dataclass(frozen=True)
class RidgeRegression:
    """y = intercept + Σ beta_f·f + ε for every symbol; arrays (n_symbols,), beta (n_symbols, n_factors).

    `beta` is in return units (return of the symbol per unit of factor return); `residual_variance` is the daily
    Σε² / (n − 1 − n_factors). NaN where `quality_flag` says there is no number.
    """

    beta: Floats
    intercept: Floats
    r_squared: Floats
    residual_variance: Floats
    observations: Integers
    quality_flag: Flags


def t_test_p_value(t: ArrayLike, degrees_of_freedom: ArrayLike) -> Floats:
    """Two-sided p-value of Student's t; an infinite t (a perfect fit) gives 0, NaN stays NaN."""
    return 2.0 * stdtr(np.asarray(degrees_of_freedom, float), -np.abs(t))


def ols(y: ArrayLike, x: ArrayLike, *, window: int, minimum: int) -> SimpleRegression:
    """Ordinary least squares with intercept of each column of `y` on the one series `x`.

    beta = Σ(x − x̄)(y − ȳ) / Σ(x − x̄)², std_error = √(Σε² / (n − 2) / Σ(x − x̄)²), p_value two-sided from t = beta
    / std_error with n − 2 degrees of freedom (Gauss; Student 1908). R² = 1 − Σε² / Σ(y − ȳ)² with the residuals
    themselves, so that a symbol that is its own benchmark has exactly 1.

    Args:
        y: daily returns (n_sessions, n_symbols); the last `window` rows are used.
        x: daily returns of the benchmark (n_sessions,).
        window: sessions looked at, ending with the last row.
        minimum: common observations below which there is no number, at least 3.

    NaN policy: pairwise complete. A gap in a symbol shortens that symbol's sample only.
    """
    if minimum < 3:
        raise ValueError(f"a line with a residual needs at least 3 observations, not {minimum}")
    y = as_columns(y, window)
    x = as_columns(x, window)
    has_x = np.isfinite(x)
    present = np.isfinite(y) & has_x
    n = present.sum(axis=0)
    mean_x = divide(np.where(present, x, 0.0).sum(axis=0), n)
    mean_y = divide(np.where(present, y, 0.0).sum(axis=0), n)
    x = np.where(present, x - mean_x, 0.0)
    y = np.where(present, y - mean_y, 0.0)
    sum_xx = (x * x).sum(axis=0)
    sum_yy = (y * y).sum(axis=0)

    flags = quality_flags(
        n,
        minimum=minimum,
        window=window,
        constant=is_constant(sum_xx, n, mean_x) | is_constant(sum_yy, n, mean_y),
        benchmark_observations=has_x.sum(),
    )
    usable = has_numbers(flags)
    beta = divide((x * y).sum(axis=0), np.where(usable, sum_xx, np.nan))
    residual = y - x * np.where(usable, beta, 0.0)
    sum_residual = (residual * residual).sum(axis=0)
    std_error = np.sqrt(divide(sum_residual, np.where(usable, (n - 2) * sum_xx, np.nan)))
    with np.errstate(divide="ignore"):
        t = beta / std_error
    return SimpleRegression(
        beta=beta,
        alpha=np.where(usable, mean_y - beta * mean_x, np.nan),
        r_squared=_r_squared(sum_residual, sum_yy, usable),
        std_error=std_error,
        p_value=t_test_p_value(t, n - 2),
        observations=n,
        quality_flag=flags,
    )


def weighted_slope(y: ArrayLike, x: ArrayLike, *, half_life: float, window: int, minimum: int) -> Floats:
    """Slope of weighted least squares with intercept of each column of `y` on `x`, recent sessions counting more.

    Minimises Σ w_t·(y_t − a − b·x_t)², w_t = 0.5^(age / half_life), the age of the last row being 0 (Aitken 1936).

    Args:
        y: daily returns (n_sessions, n_symbols); the last `window` rows are used.
        x: daily returns of the benchmark (n_sessions,).
        half_life: sessions.
        window: sessions looked at, ending with the last row.
        minimum: common observations below which there is no slope.

    NaN policy: pairwise complete; a session left out still ages those before it. NaN where there are too few, or one of
    the two does not move. (n_symbols,)
    """
    y = as_columns(y, window)
    x = as_columns(x, window)
    present = np.isfinite(y) & np.isfinite(x)
    n = present.sum(axis=0)
    weight = np.where(present, 0.5 ** (np.arange(len(y))[::-1] / half_life)[:, None], 0.0)
    total = weight.sum(axis=0)
    mean_x = divide((weight * np.where(present, x, 0.0)).sum(axis=0), total)
    mean_y = divide((weight * np.where(present, y, 0.0)).sum(axis=0), total)
    x = np.where(present, x - mean_x, 0.0)
    y = np.where(present, y - mean_y, 0.0)
    sum_xx, sum_yy = (weight * x * x).sum(axis=0), (weight * y * y).sum(axis=0)
    moves = ~is_constant(sum_xx, total, mean_x) & ~is_constant(sum_yy, total, mean_y)
    return divide((weight * x * y).sum(axis=0), np.where((n >= minimum) & moves, sum_xx, np.nan))


def ridge(y: ArrayLike, factors: ArrayLike, *, penalties: ArrayLike, window: int, minimum: int) -> RidgeRegression:
    """One joint ridge regression with intercept of each column of `y` on all factors, columns standardised.

    Minimises Σε² + Σ penalty_f·γ_f² over γ, the coefficients of the factors in standard deviations (ddof 0, over the
    rows used; a constant column is divided by 1, and has 0), y left in return units (Hoerl and Kennard 1970, whose
    generalised form gives each coefficient its own penalty). Brought back: beta = γ / deviation. Equal to
    `StandardScaler` and least squares on those rows with one more row √penalty_f for each factor, whose y is zero.
    Symbols that have exactly the same sessions share one factorisation, so that a panel with few gaps costs few solves.

    Args:
        y: daily returns (n_sessions, n_symbols); the last `window` rows are used.
        factors: daily factor returns (n_sessions, n_factors).
        penalties: of each factor (n_factors,), zero or more; the squared error is summed, not averaged.
        window: sessions looked at, ending with the last row.
        minimum: observations below which there is no number, more than n_factors + 1.

    NaN policy: rows where the symbol and all factors exist; each symbol has its own.
    """
    y = as_columns(y, window)
    factors = as_columns(factors, window)
    penalties = np.asarray(penalties, float)
    n_factors = factors.shape[1]
    if penalties.shape != (n_factors,) or not (penalties >= 0).all():
        raise ValueError(f"{n_factors} factors need as many penalties, zero or more, not {penalties}")
    if minimum < n_factors + 2:
        raise ValueError(f"{n_factors} factors need at least {n_factors + 2} observations, not {minimum}")

    has_factors = np.all(np.isfinite(factors), axis=1)
    present = np.isfinite(y) & has_factors[:, None]
    n = present.sum(axis=0)
    mean_y = divide(np.where(present, y, 0.0).sum(axis=0), n)
    y = np.where(present, y - mean_y, 0.0)
    sum_yy = (y * y).sum(axis=0)
    flags = quality_flags(
        n,
        minimum=minimum,
        window=window,
        constant=is_constant(sum_yy, n, mean_y),
        benchmark_observations=has_factors.sum() if n_factors else 0,
    )
    usable = has_numbers(flags)

    beta = np.full((y.shape[1], n_factors), np.nan)
    intercept = np.full(y.shape[1], np.nan)
    sum_residual = np.full(y.shape[1], np.nan)
    for rows, symbols in _same_sessions(present, usable):
        used = factors[rows]
        mean = used.mean(axis=0)
        used = used - mean
        squares = (used * used).sum(axis=0)
        still = is_constant(squares, len(used), mean)
        deviation = np.where(still, 1.0, np.sqrt(squares / len(used)))
        scaled = np.where(still, 0.0, used) / deviation
        target = y[np.ix_(rows, symbols)]
        # a factor that does not move says nothing, with a penalty or without
        gram = scaled.T @ scaled + np.diag(np.where(still, 1.0, penalties))
        gamma = np.linalg.solve(gram, scaled.T @ target)
        residual = target - scaled @ gamma
        beta[symbols] = (gamma / deviation[:, None]).T
        intercept[symbols] = mean_y[symbols] - beta[symbols] @ mean
        sum_residual[symbols] = (residual * residual).sum(axis=0)

    return RidgeRegression(
        beta=beta,
        intercept=intercept,
        r_squared=_r_squared(sum_residual, sum_yy, usable),
        residual_variance=divide(sum_residual, np.where(usable, n - 1 - n_factors, np.nan)),
        observations=n,
        quality_flag=flags,
    )


def _r_squared(sum_residual: Floats, sum_total: Floats, usable: Booleans) -> Floats:
    # With residuals of a least-squares fit that has an intercept this lies in [0, 1] up to rounding, and clipping
    # removes no more.
    return np.clip(1.0 - divide(sum_residual, np.where(usable, sum_total, np.nan)), 0.0, 1.0)


def _same_sessions(present: Booleans, usable: Booleans) -> Iterator[tuple[Integers, Integers]]:
    """Yield (rows, columns) for each group of usable columns that are present on exactly the same rows."""
    columns = np.flatnonzero(usable)
    if not len(columns):
        return
    packed = np.ascontiguousarray(np.packbits(present[:, columns], axis=0).T)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    for index, members in zip(first, np.split(order, np.cumsum(np.bincount(group))[:-1]), strict=True):
        yield np.flatnonzero(present[:, columns[index]]), columns[members]
