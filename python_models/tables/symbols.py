"""The rows of symbols, factors and pairs on one session."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from python_models.statistics.betas import BETA_WINDOW, Betas
from python_models.statistics.conventions import Booleans, Floats, as_columns
from python_models.statistics.correlations import correlation_p_values
from python_models.statistics.covariance import correlation_from_covariance
from python_models.statistics.factors import RIDGE_ALPHA
from python_models.statistics.regression import RidgeRegression, SimpleRegression
from python_models.statistics.symbols import SymbolStatistics
from python_models.statistics.volatility import Volatility
from python_models.write import Block


def symbol_blocks(statistics: SymbolStatistics) -> list[Block]:
    """The rows of all tables of symbols and factors, but for the pairs."""
    day, symbols, ridge = statistics.day, _names(statistics), statistics.ridge
    blocks = [
        _beta_block("symbol_market_betas", statistics.market, day, symbols),
        _beta_block("symbol_interest_rate_betas", statistics.interest_rate, day, symbols),
        _volatility_block(statistics.volatility, day, symbols),
        _exposure_block("ridge", statistics.factors.names, ridge.beta, ridge, RIDGE_ALPHA, day, symbols),
        _factor_correlation_block(statistics),
    ]
    for factor, fit in statistics.spreads.items():
        blocks.append(_exposure_block("spread", [factor], as_columns(fit.beta), fit, None, day, symbols))
    return blocks


def symbol_pairs(statistics: SymbolStatistics, held_together: Booleans) -> Block:
    """The pairs that `held_together` (n_symbols, n_symbols) marks: nine tenths of all rows."""
    # above the diagonal, and the symbols are sorted: the first of a pair is the smaller one
    first, second = np.nonzero(np.triu(held_together, 1))
    correlation = statistics.correlations.correlation[first, second]
    observations = statistics.correlations.observations[first, second]
    names = _names(statistics)
    return Block(
        "pairwise_correlations",
        {
            "calculation_date": statistics.day,
            "symbol_1": names[first],
            "symbol_2": names[second],
            "correlation": correlation,
            "observations": observations,
            "p_value": correlation_p_values(correlation, observations),
        },
    )


def volatility_columns(volatility: Volatility) -> dict[str, np.ndarray]:
    """The columns that symbols' and portfolios' volatilities share."""
    return {
        "realized_vol_21d": volatility.realized_vol_21d,
        "realized_vol_63d": volatility.realized_vol_63d,
        "expected_vol_21d": volatility.expected_vol_21d,
        "vol_trend": volatility.vol_trend,
        "vol_trend_strength": volatility.vol_trend_strength,
        "vol_percentile": volatility.vol_percentile,
        "observations": volatility.observations,
        "model_r_squared": volatility.model_r_squared,
        "quality_flag": volatility.quality_flag,
    }


def _names(statistics: SymbolStatistics) -> np.ndarray:
    """The symbols in the form for the tables: UTF-8 (n_symbols,)."""
    return np.array([symbol.encode() for symbol in statistics.symbols], dtype=np.bytes_)


def _beta_block(table: str, betas: Betas, day: date, symbols: np.ndarray) -> Block:
    return Block(
        table,
        {
            "calculation_date": day,
            "symbol": symbols,
            "beta": betas.beta,
            "raw_beta": betas.raw_beta,
            "forecast_beta": betas.forecast_beta,
            "alpha": betas.alpha,
            "r_squared": betas.r_squared,
            "std_error": betas.std_error,
            "p_value": betas.p_value,
            "observations": betas.observations,
            "window_days": BETA_WINDOW,
            "quality_flag": betas.quality_flag,
        },
    )


def _exposure_block(
    model: str,
    factors: Sequence[str],
    betas: Floats,
    fit: SimpleRegression | RidgeRegression,
    penalty: float | None,
    day: date,
    symbols: np.ndarray,
) -> Block:
    """The betas (n_symbols, n_factors) of one fit, whose other results all its factors share."""
    n_symbols, n_factors = betas.shape
    return Block(
        "symbol_factor_exposures",
        {
            "calculation_date": day,
            "symbol": np.tile(symbols, n_factors),
            "model": model,
            "factor": np.repeat([factor.encode() for factor in factors], n_symbols),
            "beta": betas.T.ravel(),
            "r_squared": np.tile(fit.r_squared, n_factors),
            "observations": np.tile(fit.observations, n_factors),
            "regularization_alpha": penalty,
            "quality_flag": np.tile(fit.quality_flag, n_factors),
        },
    )


def _volatility_block(volatility: Volatility, day: date, symbols: np.ndarray) -> Block:
    return Block("symbol_volatility", {"calculation_date": day, "symbol": symbols, **volatility_columns(volatility)})


def _factor_correlation_block(statistics: SymbolStatistics) -> Block:
    names = np.array(statistics.factors.names, dtype=object)
    correlation = correlation_from_covariance(as_columns(statistics.stress_covariance.matrix))
    first, second = np.indices(correlation.shape).reshape(2, -1)
    return Block(
        "factor_correlations",
        {
            "calculation_date": statistics.day,
            "factor_1": names[first],
            "factor_2": names[second],
            "correlation": correlation.ravel(),
        },
    )
