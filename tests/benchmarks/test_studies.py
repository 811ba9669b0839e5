"""The rival that the study of factor models has: penalties by cross-validation."""

import numpy as np

from benchmarks.studies.models import FactorModel
from python_models.statistics.factors import FactorReturns


def test_penalties_by_cross_validation_find_what_there_is_on_each_symbols_own_sessions():
    random = np.random.default_rng(5)
    factors = random.normal(0, 0.01, (252, 3))
    true = np.array([[1.0, 0.5, 0.0], [0.2, -1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    returns = 0.001 + factors @ true.T
    returns[:100, 1] = np.nan
    returns[:-40, 2] = np.nan
    returns[:, 3] = random.normal(0, 0.01, 252)
    model = FactorModel(with_sectors=True, alpha=None, market_is_free=False)
    fit = model.fit(returns, FactorReturns(("Market", "Value", "Size"), factors))
    # without noise it chooses the smallest penalty, which changes the coefficients by a thousandth
    np.testing.assert_allclose(fit.beta[:2], true[:2], atol=2e-3)
    np.testing.assert_allclose(fit.intercept[:2], 0.001, atol=1e-4)
    assert np.isnan(fit.beta[2]).all()
    # with noise alone it chooses the largest, which leaves nearly nothing
    assert np.abs(fit.beta[3]).max() < 0.05
    assert fit.observations.tolist() == [252, 152, 40, 252]
    assert fit.quality_flag.tolist() == ["full_history", "limited_history", "insufficient_history", "full_history"]
