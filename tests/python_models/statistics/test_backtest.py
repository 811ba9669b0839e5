"""Backtests against scipy and plain counting: what a right forecast shows, and what a wrong one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from python_models.statistics.backtest import tail_backtest, volatility_backtest


def naive_likelihood(breaches: np.ndarray, probability: float) -> float:
    """ln of the probability of these breaches, one after the other."""
    return float(sum(np.log(probability if breach else 1 - probability) for breach in breaches))


def test_p_values_are_those_of_likelihood_ratios_session_by_session():
    random = np.random.default_rng(51)
    pnl, var = random.standard_normal((252, 4)), np.full((252, 4), 1.5)
    pnl[40:60, 1] -= 2.0  # clustered
    pnl[::7, 2] = np.nan
    var[:, 3] = 1.0
    result = tail_backtest(pnl, var)
    for column in range(4):
        known = np.isfinite(pnl[:, column])
        breaches = pnl[known, column] < -var[known, column]
        assert (result.breaches[column], result.observations[column]) == (breaches.sum(), known.sum())
        kupiec = 2 * (naive_likelihood(breaches, breaches.mean()) - naive_likelihood(breaches, 0.05))
        assert_allclose(result.kupiec_p_value[column], stats.chi2.sf(kupiec, 1), rtol=1e-8)
        before, after = breaches[:-1], breaches[1:]
        chain = sum(naive_likelihood(after[before == was], after[before == was].mean()) for was in (False, True))
        independence = 2 * (chain - naive_likelihood(after, after.mean()))
        assert_allclose(result.christoffersen_p_value[column], stats.chi2.sf(independence, 1), rtol=1e-8)
    assert result.christoffersen_p_value[1] < 0.01 < result.christoffersen_p_value[0]
    assert result.kupiec_p_value[3] < 0.01


@pytest.mark.parametrize(("breaches", "kupiec"), [(0, stats.chi2.sf(-2 * 252 * np.log(0.95), 1)), (252, 0.0)])
def test_no_breach_and_nothing_but_breaches_have_p_values(breaches: int, kupiec: float):
    pnl = np.where(np.arange(252) < breaches, -2.0, 0.0)
    result = tail_backtest(pnl, np.ones(252))
    assert_allclose(result.kupiec_p_value, kupiec, rtol=1e-8, atol=1e-12)
    assert_allclose(result.christoffersen_p_value, 1.0)


def test_a_right_forecast_has_a_bias_of_one_and_a_wrong_one_what_it_is_wrong_by():
    random = np.random.default_rng(52)
    volatility = 0.01 * np.exp(0.3 * random.standard_normal((252, 1)))
    returns = volatility * random.standard_normal((252, 1))
    right = volatility_backtest(returns, volatility)
    half = volatility_backtest(returns, volatility / 2)
    scaled = (returns / volatility)[:, 0]
    assert_allclose(right.bias_statistic, scaled.std(ddof=1), rtol=1e-12)
    assert_allclose(right.qlike, np.mean(scaled**2 - np.log(scaled**2) - 1), rtol=1e-12)
    assert_allclose(half.bias_statistic, 2 * right.bias_statistic, rtol=1e-12)
    assert half.qlike > right.qlike


def test_below_sixty_pairs_there_is_no_number_and_zero_is_no_forecast():
    random = np.random.default_rng(53)
    returns, volatility = 0.01 * random.standard_normal((100, 3)), np.full((100, 3), 0.01)
    returns[:40, 0] = np.nan
    volatility[:41, 1] = 0.0  # a book of cash
    returns[5, 2] = 0.0
    result = volatility_backtest(returns, volatility)
    assert list(result.observations) == [60, 59, 100]
    assert list(np.isfinite(result.bias_statistic)) == [True, False, True]
    assert np.isfinite(result.qlike[2])
    tails = tail_backtest(returns, np.where(volatility > 0, volatility, np.nan))
    assert list(np.isfinite(tails.kupiec_p_value)) == [True, False, True]
