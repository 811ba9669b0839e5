"""Backtests of risk forecasts: volatility against returns, and value at risk against losses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, xlogy

from python_models.statistics.conventions import Booleans, Floats, Integers, as_columns, divide
from python_models.statistics.portfolio_risk import TAIL

BACKTEST_WINDOW = 252
BACKTEST_MINIMUM = 60


@dataclass(frozen=True)
class VolatilityBacktest:
    """Volatility forecasts of each column against returns; arrays (n_columns,), NaN below the minimum of pairs.

    `bias_statistic`: standard deviation of return / forecast. It is 1 where forecasts have the right size, and larger
    where risk was underestimated. `qlike`: mean loss of the variance forecasts, zero at best.
    """

    bias_statistic: Floats
    qlike: Floats
    observations: Integers


@dataclass(frozen=True)
class TailBacktest:
    """VaR forecasts of each column against P&L; arrays (n_columns,), NaN below the minimum of pairs.

    `breaches` of `observations` sessions lost more than forecast. `kupiec_p_value`: the probability of a number of
    breaches at least as unlikely, if the forecasts were right. `christoffersen_p_value`: the probability of an order of
    breaches at least as unlikely, if they were independent.
    """

    breaches: Integers
    observations: Integers
    kupiec_p_value: Floats
    christoffersen_p_value: Floats


def volatility_backtest(
    returns: ArrayLike, forecasts: ArrayLike, *, minimum: int = BACKTEST_MINIMUM
) -> VolatilityBacktest:
    """Compare returns with the volatility that was forecast for them.

    Bias statistic: sample standard deviation (ddof 1) of r / σ (Connor, Goldberg and Korajczyk 2010). QLIKE: mean of
    r²/σ² − ln(r²/σ²) − 1 (Patton 2011), over sessions whose return is not zero.

    Args:
        returns: daily returns (n_sessions, n_columns).
        forecasts: daily volatilities as decimals, each made before its session.
        minimum: pairs below which there is no number.

    NaN policy: only sessions with both numbers and a forecast above zero count.
    """
    returns, forecasts = as_columns(returns), as_columns(forecasts)
    known = np.isfinite(returns) & (np.nan_to_num(forecasts) > 0)
    n = known.sum(axis=0)
    usable = np.where(n >= minimum, n, np.nan)
    scaled = np.where(known, divide(returns, forecasts), 0.0)
    around = np.where(known, scaled - divide(scaled.sum(axis=0), n), 0.0)
    squares = scaled * scaled
    moved = known & (squares > 0)
    loss = np.where(moved, squares - np.log(np.where(moved, squares, 1.0)) - 1.0, 0.0)
    return VolatilityBacktest(
        bias_statistic=np.sqrt(divide((around * around).sum(axis=0), usable - 1.0)),
        qlike=np.where(n >= minimum, divide(loss.sum(axis=0), moved.sum(axis=0)), np.nan),
        observations=n,
    )


def tail_backtest(
    pnl: ArrayLike, var: ArrayLike, *, tail: float = TAIL, minimum: int = BACKTEST_MINIMUM
) -> TailBacktest:
    """Compare P&L with the value at risk that was forecast for it, in the same units; a loss is a positive VaR.

    A breach is a loss beyond the VaR. Kupiec (1995): −2·ln of the likelihood ratio between a breach rate of `tail` and
    the observed rate. Christoffersen (1998): the same between independent breaches and a first-order Markov chain. Both
    are χ² with one degree of freedom.

    Args:
        pnl: (n_sessions, n_columns).
        var: as forecast, each made before its session.
        tail: probability of the VaR.
        minimum: pairs below which there is no p-value.

    NaN policy: sessions without both numbers are left out, and the sessions around them count as neighbours.
    """
    pnl, var = as_columns(pnl), as_columns(var)
    known = np.isfinite(pnl) & np.isfinite(var)
    breached = known & (np.nan_to_num(pnl) < -np.nan_to_num(var))
    n, x = known.sum(axis=0), breached.sum(axis=0)
    enough = n >= minimum
    ratio = 2.0 * (_log_likelihood(x, n, divide(x, n)) - _log_likelihood(x, n, np.full(len(n), tail)))
    clustered = np.array([_clustering(breached[known[:, each], each]) for each in range(pnl.shape[1])])
    return TailBacktest(
        breaches=x,
        observations=n,
        kupiec_p_value=np.where(enough, _chi_square_p_value(ratio), np.nan),
        christoffersen_p_value=np.where(enough, _chi_square_p_value(clustered), np.nan),
    )


def _clustering(breached: Booleans) -> float:
    """Christoffersen's likelihood ratio of one series of breaches."""
    before, after = breached[:-1], breached[1:]
    n_calm, n_breached = (~before).sum(), before.sum()
    from_calm, from_breach = (after & ~before).sum(), (after & before).sum()
    chain = _log_likelihood(from_calm, n_calm, divide(from_calm, n_calm)) + _log_likelihood(
        from_breach, n_breached, divide(from_breach, n_breached)
    )
    total = from_calm + from_breach
    return 2.0 * float(chain - _log_likelihood(total, len(after), divide(total, len(after))))


def _log_likelihood(hits: ArrayLike, trials: ArrayLike, probability: ArrayLike) -> Floats:
    """ln p^hits·(1 − p)^misses; without trials 0."""
    hits, trials = np.asarray(hits, float), np.asarray(trials, float)
    chance = np.nan_to_num(np.asarray(probability, float))
    return np.asarray(xlogy(hits, chance) + xlogy(trials - hits, 1.0 - chance), dtype=np.float64)


def _chi_square_p_value(ratio: ArrayLike) -> Floats:
    # at the optimum itself rounding may leave it a last digit below zero
    return chdtrc(1.0, np.maximum(ratio, 0.0))
