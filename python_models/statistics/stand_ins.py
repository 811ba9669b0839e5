"""Stand-ins for the missing returns of young listings."""

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from python_models.statistics.conventions import Booleans, Floats, as_columns
from python_models.statistics.regression import RidgeRegression

# The steps of SplitMix64 (Steele, Lea and Flood 2014), which spreads neighbouring numbers over all 64 bits.
_STEP, _FIRST, _SECOND = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def fill_returns(
    returns: ArrayLike,
    factors: ArrayLike,
    fit: RidgeRegression,
    symbols: Sequence[str],
    sessions: Sequence[date],
    *,
    window: int,
) -> Floats:
    """Returns with a stand-in for each that is missing, where the symbol has betas and the session all factors.

    Σ_f β_f·f_t + σ_ε·z, z one of the symbol's own residuals divided by their standard deviation (after the filtered
    historical simulation of Barone-Adesi, Giannopoulos and Vosper 1999). Betas alone would make a young listing, and
    every book that holds it, look calmer than it is. Which residual it is depends on the symbol and the session alone,
    so that the same inputs give the same rows.

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        factors: daily factor returns (n_sessions, n_factors), the same sessions.
        fit: of the returns on the factors over the last `window` sessions.
        symbols: names of the columns.
        sessions: dates of the rows.
        window: sessions that residuals are taken from.
    """
    returns, factors = as_columns(returns), as_columns(factors)
    has_beta = has_betas(fit)
    gaps = ~np.isfinite(returns) & has_beta & np.all(np.isfinite(factors), axis=1)[:, None]
    filled = returns.copy()
    days = np.array([session.toordinal() for session in sessions], dtype=np.uint64)
    for column in np.flatnonzero(gaps.any(axis=0)).tolist():
        modelled = factors @ fit.beta[column]
        residuals = (returns[:, column] - fit.intercept[column] - modelled)[-window:]
        residuals = np.sort(residuals[np.isfinite(residuals)])
        size = np.sqrt(np.mean(residuals**2))
        rows = np.flatnonzero(gaps[:, column])
        place = (uniform_draws(symbols[column], days[rows]) * len(residuals)).astype(np.intp)
        drawn = residuals[place] / size if size > 0 else np.zeros(len(rows))
        filled[rows, column] = modelled[rows] + np.sqrt(fit.residual_variance[column]) * drawn
    return filled


def has_betas(fit: RidgeRegression) -> Booleans:
    """Which symbols have betas, to at least one factor (n_symbols,)."""
    return np.isfinite(fit.beta).all(axis=1) & (fit.beta.shape[1] > 0)


def uniform_draws(symbol: str, days: NDArray[np.uint64]) -> Floats:
    """Numbers in [0, 1) that look random but are always the same for one symbol and day (a proleptic ordinal)."""
    seed = np.uint64(int.from_bytes(blake2b(symbol.encode(), digest_size=8).digest(), "little"))
    with np.errstate(over="ignore"):
        mixed = seed + days * _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return (mixed ^ (mixed >> np.uint64(31))) / 2.0**64
