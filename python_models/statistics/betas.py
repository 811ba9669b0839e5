"""Betas against one benchmark: the market (SPY) and interest rates (TLT)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Flags, Floats, Integers
from python_models.statistics.regression import ols, weighted_slope

BETA_WINDOW = 90
BETA_MINIMUM = 30
BETA_LIMIT = 5.0

FORECAST_WINDOW = 252
FORECAST_MINIMUM = 60
FORECAST_HALF_LIFE = 63.0


@dataclass(frozen=True)
class Betas:
    """Betas of all symbols to one benchmark; arrays (n_symbols,), NaN where `quality_flag` says there is no number.

    `beta` is `raw_beta` limited to ±5 and is what exposures use; everything else belongs to the raw fit, but for
    `forecast_beta`, which has a longer window of its own and is NaN where that holds too little.
    """

    beta: Floats
    raw_beta: Floats
    forecast_beta: Floats
    alpha: Floats
    r_squared: Floats
    std_error: Floats
    p_value: Floats
    observations: Integers
    quality_flag: Flags


def benchmark_betas(
    returns: ArrayLike, benchmark: ArrayLike, *, window: int = BETA_WINDOW, minimum: int = BETA_MINIMUM
) -> Betas:
    """Regress every symbol on the benchmark: market beta on SPY, interest-rate beta on TLT, a book's own beta on SPY.

    OLS with intercept (`regression.ols`; the market model of Sharpe 1963). A positive interest-rate beta rises with
    bond prices, so with falling yields. The forecast of the beta ahead is weighted least squares over 252 sessions with
    a half-life of 63 (`regression.weighted_slope`), from 60 observations on: it misses the beta of the next 63 sessions
    by less than that of the last 90 does (`python -m benchmarks study`).

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        benchmark: daily returns of the benchmark (n_sessions,), the same sessions.
        window: sessions looked at.
        minimum: common observations below which there is no beta.

    NaN policy: pairwise complete; fewer than `minimum` returns of the benchmark itself are `no_benchmark` for all.
    """
    fit = ols(returns, benchmark, window=window, minimum=minimum)
    return Betas(
        beta=np.clip(fit.beta, -BETA_LIMIT, BETA_LIMIT),
        raw_beta=fit.beta,
        forecast_beta=weighted_slope(
            returns, benchmark, half_life=FORECAST_HALF_LIFE, window=FORECAST_WINDOW, minimum=FORECAST_MINIMUM
        ),
        alpha=fit.alpha,
        r_squared=fit.r_squared,
        std_error=fit.std_error,
        p_value=fit.p_value,
        observations=fit.observations,
        quality_flag=fit.quality_flag,
    )
