"""The factors: which ETF stands for each, their returns, and every symbol's exposure to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Floats, as_columns
from python_models.statistics.regression import RidgeRegression, SimpleRegression, ols, ridge

MARKET = "Market"
INTEREST_RATE = "Interest Rate"
STYLE_FACTORS = ("Value", "Growth", "Momentum", "Quality", "Size", "Low Volatility")
# The returns of these are their ETF's own; all others' are in excess over the market.
TOTAL_RETURN_FACTORS = (MARKET, INTEREST_RATE)

# name of the spread: long this factor's ETF, short that one's
SPREADS = {
    "Growth-Value": ("Growth", "Value"),
    "Momentum": ("Momentum", MARKET),
    "Size": ("Size", MARKET),
    "Quality": ("Quality", MARKET),
}

ETF_WINDOW = 252
ETF_ENOUGH = 240
ETF_MINIMUM = 60

SPREAD_WINDOW = 180
SPREAD_MINIMUM = 60

RIDGE_WINDOW = 252
RIDGE_MINIMUM = 60
RIDGE_ALPHA = 10.0


@dataclass(frozen=True)
class FactorReturns:
    """Daily returns of the factors that have an ETF: `names` are the columns of `values` (n_sessions, n_factors)."""

    names: tuple[str, ...]
    values: Floats


def choose_factor_etfs(
    returns: ArrayLike,
    symbols: Sequence[str],
    candidates: Mapping[str, Sequence[str]],
    sectors: Collection[str] = (),
) -> dict[str, str]:
    """Choose one ETF for each factor, for all symbols alike.

    The first candidate with 240 of the last 252 returns; else the one with most (the earlier of equals), at least
    60, but none for a sector: of so many factors a short one would shorten the sample of all. A factor that no
    candidate serves is absent from the result, which has the order of `candidates`.

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        symbols: names of the columns.
        candidates: factor to its ETFs in order of preference; a candidate need not be in `symbols`.
        sectors: those of the factors that need 240 returns.
    """
    counts = np.isfinite(as_columns(returns, ETF_WINDOW)).sum(axis=0)
    observed = dict(zip(symbols, counts.tolist(), strict=True))
    chosen: dict[str, str] = {}
    for factor, etfs in candidates.items():
        counted = {etf: observed.get(etf, 0) for etf in etfs}
        enough = [etf for etf, count in counted.items() if count >= ETF_ENOUGH]
        best = enough[0] if enough else max(counted, key=counted.__getitem__, default=None)
        if best is not None and counted[best] >= (ETF_ENOUGH if factor in sectors else ETF_MINIMUM):
            chosen[factor] = best
    return chosen


def factor_returns(returns: ArrayLike, symbols: Sequence[str], chosen: Mapping[str, str]) -> FactorReturns:
    """Daily returns of the factors, in the order of `chosen`.

    Market and Interest Rate are the returns of their ETFs (SPY, TLT); a style or sector factor is its ETF's return
    minus the Market's. Without a market there is none: what all stocks share would pass for each one's own, and a book
    for far better spread than it is. Decimals; positive when the ETF gains (on the market).

    Args:
        returns: daily returns (n_sessions, n_symbols).
        symbols: names of the columns.
        chosen: factor to ETF, as `choose_factor_etfs` returns it.

    NaN policy: no factor return where one of its ETFs has none.
    """
    etf_returns = _etf_returns(returns, symbols, chosen)
    series = {}
    if MARKET in etf_returns:
        series = {
            factor: own if factor in TOTAL_RETURN_FACTORS else _difference(own, etf_returns[MARKET])
            for factor, own in etf_returns.items()
        }
    return _as_factor_returns(series, len(as_columns(returns)))


def spread_returns(returns: ArrayLike, symbols: Sequence[str], chosen: Mapping[str, str]) -> FactorReturns:
    """Daily returns of the spreads whose two factors both have an ETF: the long leg's minus the short leg's.

    Arguments, units and NaN policy as for `factor_returns`.
    """
    etf_returns = _etf_returns(returns, symbols, chosen)
    series = {
        spread: _difference(etf_returns[long], etf_returns[short])
        for spread, (long, short) in SPREADS.items()
        if long in etf_returns and short in etf_returns
    }
    return _as_factor_returns(series, len(as_columns(returns)))


def spread_exposures(
    returns: ArrayLike, spreads: FactorReturns, *, window: int = SPREAD_WINDOW, minimum: int = SPREAD_MINIMUM
) -> dict[str, SimpleRegression]:
    """Regress every symbol on each spread, one at a time: OLS with intercept (after Fama and French 1993).

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        spreads: the spreads' daily returns, the same sessions.
        window: sessions looked at.
        minimum: common observations below which there is no beta.

    NaN policy: pairwise complete, per symbol and spread.
    """
    return {
        name: ols(returns, spreads.values[:, column], window=window, minimum=minimum)
        for column, name in enumerate(spreads.names)
    }


def ridge_exposures(
    returns: ArrayLike,
    factors: FactorReturns,
    *,
    alpha: float = RIDGE_ALPHA,
    window: int = RIDGE_WINDOW,
    minimum: int = RIDGE_MINIMUM,
) -> RidgeRegression:
    """Exposure of every symbol to all factors jointly (`regression.ridge`), columns in the order of `factors.names`.

    The market is not penalised: shrinking it would leave what all stocks share in their residuals. A factor's own ETF
    is a symbol like any other.

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        factors: the factors' daily returns, the same sessions.
        alpha: ridge penalty on the other factors, standardised.
        window: sessions looked at.
        minimum: observations below which there is no exposure.

    NaN policy: sessions where the symbol and all factors exist, per symbol.
    """
    penalties = [0.0 if factor == MARKET else alpha for factor in factors.names]
    return ridge(returns, factors.values, penalties=penalties, window=window, minimum=minimum)


def _etf_returns(returns: ArrayLike, symbols: Sequence[str], chosen: Mapping[str, str]) -> dict[str, Floats]:
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    values = as_columns(returns)
    return {factor: values[:, columns[etf]] for factor, etf in chosen.items()}


def _difference(long: Floats, short: Floats) -> Floats:
    return np.where(np.isfinite(long) & np.isfinite(short), long, np.nan) - np.where(np.isfinite(short), short, np.nan)


def _as_factor_returns(series: Mapping[str, Floats], n_sessions: int) -> FactorReturns:
    values = np.column_stack(list(series.values())) if series else np.empty((n_sessions, 0))
    return FactorReturns(tuple(series), values)
