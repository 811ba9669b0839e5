"""Factor covariance against plain loops and numpy."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.conventions import Quality
from python_models.statistics.covariance import correlation_from_covariance, ewma_covariance, sample_covariance
from python_models.statistics.factors import choose_factor_etfs, factor_returns
from tests.python_models.panels import CANDIDATES, Panel


def factors_of(panel: Panel) -> np.ndarray:
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    return factor_returns(panel.returns, panel.symbols, chosen).values


def test_ewma_is_the_weighted_sum_session_by_session(panel: Panel):
    factors = factors_of(panel)
    covariance = ewma_covariance(factors)
    total, expected = 0.0, np.zeros((factors.shape[1],) * 2)
    for age, row in enumerate(factors[::-1][:252]):
        if np.isfinite(row).all():
            total += 0.94**age
            expected += 0.94**age * np.outer(row, row)
    assert_allclose(covariance.matrix, expected / total, rtol=1e-10, atol=1e-18)
    assert covariance.quality_flag == Quality.FULL_HISTORY


def test_a_session_left_out_still_ages_the_ones_before_it():
    factors = np.random.default_rng(11).standard_normal((252, 2)) * 0.01
    factors[-2, 1] = np.nan
    covariance = ewma_covariance(factors)
    age = np.arange(252)[::-1]
    used = np.delete(np.arange(252), -2)
    weight = 0.94 ** age[used] / (0.94 ** age[used]).sum()
    assert_allclose(covariance.matrix[0, 1], (weight * factors[used, 0] * factors[used, 1]).sum(), rtol=1e-12)
    assert covariance.quality_flag == Quality.LIMITED_HISTORY


def test_equal_weights_are_numpy_and_pandas(panel: Panel):
    factors = factors_of(panel)
    covariance = sample_covariance(factors)
    complete = factors[-252:][np.isfinite(factors[-252:]).all(axis=1)]
    assert_allclose(covariance.matrix, np.cov(complete.T), rtol=1e-10, atol=1e-18)
    correlation = correlation_from_covariance(covariance.matrix)
    assert_allclose(correlation, np.corrcoef(complete.T), rtol=1e-10, atol=1e-12)
    assert_array_equal(np.diag(correlation), 1.0)


def test_too_few_complete_sessions_are_no_covariance():
    factors = np.random.default_rng(12).standard_normal((252, 3)) * 0.01
    factors[:193, 2] = np.nan
    for estimate in (ewma_covariance, sample_covariance):
        assert np.isnan(estimate(factors).matrix).all()
        assert estimate(factors).quality_flag == Quality.INSUFFICIENT_HISTORY
        assert estimate(np.empty((0, 3))).quality_flag == Quality.INSUFFICIENT_HISTORY
        infinite = factors.copy()
        infinite[:193, 2] = np.inf
        assert np.isnan(estimate(infinite).matrix).all()


def test_a_factor_that_does_not_move_correlates_with_nothing():
    factors = np.random.default_rng(13).standard_normal((252, 3)) * 0.01
    factors[:, 1] = 0.0
    correlation = correlation_from_covariance(sample_covariance(factors).matrix)
    assert np.isnan(correlation[1]).all()
    assert np.isnan(correlation[:, 1]).all()
    assert np.isfinite(correlation[np.ix_([0, 2], [0, 2])]).all()
