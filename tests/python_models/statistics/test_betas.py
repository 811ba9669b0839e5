"""Betas against statsmodels, and their limit."""

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.betas import benchmark_betas
from python_models.statistics.conventions import Quality, has_numbers
from tests.python_models.panels import Panel


@pytest.mark.parametrize("benchmark", ["SPY", "TLT"])
def test_betas_are_those_of_statsmodels(panel: Panel, benchmark: str):
    x = panel.series(benchmark)[-90:]
    betas = benchmark_betas(panel.returns, panel.series(benchmark))
    usable = has_numbers(betas.quality_flag)
    assert usable.sum() > 0.8 * (panel.frame.iloc[-90:].notna().sum() >= 30).sum()
    for column in np.flatnonzero(usable):
        y = panel.returns[-90:, column]
        both = np.isfinite(y) & np.isfinite(x)
        expected = sm.OLS(y[both], sm.add_constant(x[both])).fit()
        assert_allclose(
            [betas.raw_beta[column], betas.alpha[column], betas.r_squared[column]],
            [expected.params[1], expected.params[0], expected.rsquared],
            rtol=1e-8,
            atol=1e-12,
            err_msg=panel.symbols[column],
        )
        assert_allclose(betas.p_value[column], expected.pvalues[1], rtol=1e-8, atol=1e-12)
        assert_allclose(betas.std_error[column], expected.bse[1], rtol=1e-8, atol=1e-12)
        if column % 4:  # statsmodels takes too long for all symbols, so three quarters are left out
            continue
        y, year = panel.returns[-252:, column], panel.series(benchmark)[-252:]
        both = np.isfinite(y) & np.isfinite(year)
        if both.sum() >= 60:
            weights = 0.5 ** (np.arange(252)[::-1][both] / 63)
            forecast = sm.WLS(y[both], sm.add_constant(year[both]), weights).fit().params[1]
            assert_allclose(betas.forecast_beta[column], forecast, rtol=1e-8, atol=1e-12)
        else:
            assert np.isnan(betas.forecast_beta[column])
    own = panel.column(benchmark)
    assert betas.beta[own] == 1.0
    assert betas.r_squared[own] == 1.0
    assert betas.p_value[own] == 0.0


def test_young_and_missing_symbols_are_told_apart(synthetic: Panel):
    betas = benchmark_betas(synthetic.returns, synthetic.series("SPY"))
    flags = dict(zip(synthetic.symbols, betas.quality_flag, strict=True))
    assert flags["S03"] == Quality.INSUFFICIENT_HISTORY  # 29 returns
    assert flags["S04"] == Quality.LIMITED_HISTORY  # 30
    assert flags["S00"] == Quality.FULL_HISTORY
    assert flags["HALTED"] == flags["STEADY"] == Quality.ZERO_VARIANCE
    assert flags["NEVER"] == Quality.INSUFFICIENT_HISTORY


def test_beta_is_limited_and_raw_beta_is_not(synthetic: Panel):
    spy = synthetic.series("SPY")
    betas = benchmark_betas(np.column_stack([7.5 * spy, -6.0 * spy, 4.9 * spy]), spy)
    assert_array_equal(betas.beta, [5.0, -5.0, betas.raw_beta[2]])
    assert_allclose(betas.raw_beta, [7.5, -6.0, 4.9], rtol=1e-12)


def test_a_date_in_a_longer_panel_is_the_same_as_on_its_night(synthetic: Panel):
    spy = synthetic.series("SPY")
    longer = np.asarray(synthetic.returns)
    for session in (120, 300, 559):
        seen = benchmark_betas(longer[: session + 1], spy[: session + 1])
        alone = benchmark_betas(longer[session - 89 : session + 1].copy(), spy[session - 89 : session + 1].copy())
        assert_array_equal(seen.beta, alone.beta)
        assert_array_equal(seen.quality_flag, alone.quality_flag)
