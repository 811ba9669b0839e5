"""All statistics of symbols and factors on one session."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from python_models.statistics.betas import Betas, benchmark_betas
from python_models.statistics.conventions import Booleans, Floats
from python_models.statistics.correlations import PairwiseCorrelations, correlation_matrix
from python_models.statistics.covariance import Covariance, ewma_covariance, sample_covariance
from python_models.statistics.factors import (
    INTEREST_RATE,
    MARKET,
    RIDGE_WINDOW,
    FactorReturns,
    choose_factor_etfs,
    factor_returns,
    ridge_exposures,
    spread_exposures,
    spread_returns,
)
from python_models.statistics.regression import RidgeRegression, SimpleRegression
from python_models.statistics.stand_ins import fill_returns, has_betas
from python_models.statistics.volatility import Volatility


@dataclass(frozen=True)
class SymbolStatistics:
    """Every statistic of every symbol on one session, computed from `returns` (n_sessions, n_symbols).

    `filled` are the returns with stand-ins, `has_beta` (n_symbols,) the symbols for which stand-ins are possible.
    `chosen` is the ETF of each factor that has one, `benchmark` the market's returns (NaN without). `risk_covariance`
    (exponentially weighted) and `stress_covariance` (equally weighted) are of `factors`.
    """

    day: date
    symbols: tuple[str, ...]
    returns: Floats
    filled: Floats
    has_beta: Booleans
    chosen: Mapping[str, str]
    benchmark: Floats
    market: Betas
    interest_rate: Betas
    factors: FactorReturns
    spreads: Mapping[str, SimpleRegression]
    ridge: RidgeRegression
    volatility: Volatility
    correlations: PairwiseCorrelations
    risk_covariance: Covariance
    stress_covariance: Covariance


def symbol_statistics(
    day: date,
    symbols: tuple[str, ...],
    returns: Floats,
    volatility: Volatility,
    candidates: Mapping[str, Sequence[str]],
    sectors: Collection[str],
    sessions: Sequence[date],
) -> SymbolStatistics:
    """Compute them all.

    Args:
        day: the session of the last row.
        symbols: names of the columns, sorted; the factors' ETFs are among them.
        returns: daily returns (n_sessions, n_symbols) up to the day.
        volatility: of the same symbols, which a rolling history gives more cheaply for many days.
        candidates: factor to its ETFs in order of preference.
        sectors: those of the factors that are sectors.
        sessions: dates of the rows.
    """
    chosen = choose_factor_etfs(returns, symbols, candidates, sectors)
    factors = factor_returns(returns, symbols, chosen)
    exposures = ridge_exposures(returns, factors)
    market = _benchmark(returns, symbols, candidates.get(MARKET, ()))
    return SymbolStatistics(
        day=day,
        symbols=symbols,
        returns=returns,
        filled=fill_returns(returns, factors.values, exposures, symbols, sessions, window=RIDGE_WINDOW),
        has_beta=has_betas(exposures),
        chosen=chosen,
        benchmark=market,
        market=benchmark_betas(returns, market),
        interest_rate=benchmark_betas(returns, _benchmark(returns, symbols, candidates.get(INTEREST_RATE, ()))),
        factors=factors,
        spreads=spread_exposures(returns, spread_returns(returns, symbols, chosen)),
        ridge=exposures,
        volatility=volatility,
        correlations=correlation_matrix(returns),
        risk_covariance=ewma_covariance(factors.values),
        stress_covariance=sample_covariance(factors.values),
    )


def _benchmark(returns: Floats, symbols: tuple[str, ...], candidates: Sequence[str]) -> Floats:
    """Returns of the first of the candidates, the benchmark by definition; NaN where it is not in the panel."""
    if not candidates or candidates[0] not in symbols:
        return np.full(len(returns), np.nan)
    return returns[:, symbols.index(candidates[0])]
