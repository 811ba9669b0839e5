"""Covariance of factor returns: exponentially weighted for risk, equally weighted for stress tests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Floats, Quality, as_columns, divide, quality_flags

COVARIANCE_WINDOW = 252
COVARIANCE_MINIMUM = 60
EWMA_DECAY = 0.94


@dataclass(frozen=True)
class Covariance:
    """A daily covariance matrix (n_factors, n_factors), all NaN where `quality_flag` says there is no number."""

    matrix: Floats
    quality_flag: Quality


def ewma_covariance(
    factors: ArrayLike,
    *,
    decay: float = EWMA_DECAY,
    window: int = COVARIANCE_WINDOW,
    minimum: int = COVARIANCE_MINIMUM,
) -> Covariance:
    """RiskMetrics covariance (J.P. Morgan 1996): Σ w_t f_t f_t', no mean removed, w_t ∝ decay^age, Σ w_t = 1.

    Args:
        factors: daily factor returns (n_sessions, n_factors) up to the date.
        decay: weight of a session relative to the next one.
        window: sessions looked at; the age of the last one is 0.
        minimum: complete sessions below which there is no matrix.

    NaN policy: only sessions on which all factors exist; a session left out still ages the ones before it.
    """
    factors = as_columns(factors, window)
    complete = np.all(np.isfinite(factors), axis=1)
    age = np.arange(len(factors))[::-1]
    weight = np.where(complete, decay**age, 0.0)
    used = np.where(complete[:, None], factors, 0.0)
    return _covariance(divide((used * weight[:, None]).T @ used, weight.sum()), complete.sum(), window, minimum)


def sample_covariance(
    factors: ArrayLike, *, window: int = COVARIANCE_WINDOW, minimum: int = COVARIANCE_MINIMUM
) -> Covariance:
    """Equally weighted sample covariance: Σ (f_t − f̄)(f_t − f̄)' / (n − 1).

    Args:
        factors: daily factor returns (n_sessions, n_factors) up to the date.
        window: sessions looked at.
        minimum: complete sessions below which there is no matrix.

    NaN policy: only sessions on which all factors exist.
    """
    factors = as_columns(factors, window)
    used = factors[np.isfinite(factors).all(axis=1)]
    used = used - used.mean(axis=0) if len(used) else used
    return _covariance(divide(used.T @ used, len(used) - 1), len(used), window, minimum)


def correlation_from_covariance(covariance: ArrayLike) -> Floats:
    """Correlation matrix of a covariance matrix: σ_ij / √(σ_ii σ_jj), the diagonal exactly 1.

    NaN where a variance is missing or zero (a factor that does not move correlates with nothing).
    """
    covariance = np.asarray(covariance, float)
    deviation = np.sqrt(np.diag(covariance))
    correlation = np.clip(divide(covariance, deviation[:, None] * deviation[None, :]), -1.0, 1.0)
    np.fill_diagonal(correlation, np.where(deviation > 0, 1.0, np.nan))
    return correlation


def _covariance(matrix: Floats, observations: int, window: int, minimum: int) -> Covariance:
    flag = Quality(str(quality_flags(observations, minimum=minimum, window=window)))
    if flag == Quality.INSUFFICIENT_HISTORY:
        matrix = np.full_like(matrix, np.nan)
    return Covariance(matrix, flag)
