"""Stand-ins for missing returns: the model's part exactly, the rest drawn from the symbol's own residuals."""

from datetime import date, timedelta

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from python_models.statistics.regression import ridge
from python_models.statistics.stand_ins import fill_returns, uniform_draws

DAYS = [date(2020, 1, 1) + timedelta(days=day) for day in range(252)]


def young_listing(n_returns: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Two symbols on two factors; the first was listed so many sessions ago."""
    random = np.random.default_rng(41)
    factors = 0.01 * random.standard_normal((252, 2))
    returns = factors @ [[1.2, 0.4], [0.3, -0.5]] + 0.02 * random.standard_normal((252, 2))
    returns[:-n_returns, 0] = np.nan
    return returns, factors


def filled(returns: np.ndarray, factors: np.ndarray, symbols=("YOUNG", "OLD"), days=DAYS) -> np.ndarray:
    fit = ridge(returns, factors, penalties=[0.0, 10.0], window=252, minimum=60)
    return fill_returns(returns, factors, fit, symbols, days, window=252)


def test_a_stand_in_is_the_model_s_return_and_one_of_the_symbol_s_own_residuals():
    returns, factors = young_listing()
    fit = ridge(returns, factors, penalties=[0.0, 10.0], window=252, minimum=60)
    stand_ins = filled(returns, factors)
    assert_array_equal(stand_ins[-80:], returns[-80:])
    assert_array_equal(stand_ins[:, 1], returns[:, 1])
    residuals = returns[-80:, 0] - fit.intercept[0] - factors[-80:] @ fit.beta[0]
    standardised = residuals / np.sqrt((residuals**2).mean())
    drawn = (stand_ins[:-80, 0] - factors[:-80] @ fit.beta[0]) / np.sqrt(fit.residual_variance[0])
    distance = np.abs(drawn[:, None] - standardised[None, :]).min(axis=1)
    assert_allclose(distance, 0.0, atol=1e-9)
    # all residuals are drawn, and none too often, so the spread is that of the residuals
    assert len(np.unique(np.round(drawn, 9))) > 60
    assert 0.85 < drawn.std() < 1.15


def test_the_same_symbol_and_day_always_draw_the_same():
    returns, factors = young_listing()
    once = filled(returns, factors)
    assert_array_equal(filled(returns, factors), once)
    # the order of columns and the length of the panel change nothing
    turned = filled(returns[:, ::-1], factors, ("OLD", "YOUNG"))
    assert_allclose(turned[:, 1], once[:, 0], rtol=1e-12)
    assert not np.allclose(filled(returns, factors, ("OTHER", "OLD"))[:-80, 0], once[:-80, 0])


def test_nothing_stands_in_without_a_beta_or_a_factor():
    returns, factors = young_listing(59)
    assert np.isnan(filled(returns, factors)[:-59, 0]).all()
    returns, factors = young_listing()
    factors[5, 1] = np.nan
    gaps = np.isnan(filled(returns, factors)[:, 0])
    assert_array_equal(np.flatnonzero(gaps), [5])
    no_factors = ridge(returns, factors[:, :0], penalties=[], window=252, minimum=60)
    nothing = fill_returns(returns, factors[:, :0], no_factors, "AB", DAYS, window=252)
    assert_array_equal(nothing, returns)


def test_draws_are_spread_evenly():
    days = np.arange(730_000, 740_000, dtype=np.uint64)
    for symbol in ("AAPL", "MSFT"):
        draws = uniform_draws(symbol, days)
        assert draws.min() >= 0 and draws.max() < 1
        assert kstest(draws, "uniform").pvalue > 0.01
        assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03
    both = np.corrcoef(uniform_draws("AAPL", days), uniform_draws("MSFT", days))
    assert abs(both[0, 1]) < 0.03
