"""The choice of ETFs, factor returns, and exposures against statsmodels and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from python_models.statistics.conventions import Quality, has_numbers
from python_models.statistics.factors import (
    choose_factor_etfs,
    factor_returns,
    ridge_exposures,
    spread_exposures,
    spread_returns,
)
from tests.python_models.panels import CANDIDATES, STYLED, Panel


def panel_with(counts: dict[str, int]) -> tuple[np.ndarray, list[str]]:
    """Symbols with so many returns among the last 252 of 400 sessions."""
    returns = np.full((400, len(counts)), np.nan)
    for column, count in enumerate(counts.values()):
        returns[400 - count :, column] = 0.01
    return returns, list(counts)


@pytest.mark.parametrize(
    ("counts", "chosen"),
    [
        ({"VUG": 252, "IWF": 252, "XLK": 252}, "VUG"),
        ({"VUG": 240, "IWF": 252, "XLK": 252}, "VUG"),
        ({"VUG": 239, "IWF": 240, "XLK": 252}, "IWF"),
        ({"VUG": 100, "IWF": 150, "XLK": 239}, "XLK"),
        ({"VUG": 100, "IWF": 100, "XLK": 60}, "VUG"),
        ({"VUG": 60, "IWF": 0, "XLK": 59}, "VUG"),
        ({"VUG": 59, "IWF": 59, "XLK": 59}, None),
        ({"XLK": 61}, "XLK"),
        ({"SPY": 252}, None),
    ],
)
def test_the_first_etf_with_enough_history_stands_for_a_factor(counts: dict[str, int], chosen: str | None):
    returns, symbols = panel_with(counts)
    expected = {} if chosen is None else {"Growth": chosen}
    assert choose_factor_etfs(returns, symbols, {"Growth": ["VUG", "IWF", "XLK"]}) == expected


@pytest.mark.parametrize(("count", "chosen"), [(240, {"Energy": "XLE"}), (239, {}), (60, {})])
def test_a_sector_needs_nearly_a_year(count: int, chosen: dict[str, str]):
    returns, symbols = panel_with({"XLE": count})
    assert choose_factor_etfs(returns, symbols, {"Energy": ["XLE"]}, sectors=("Energy",)) == chosen


def test_only_the_last_252_sessions_decide_the_etf():
    returns, symbols = panel_with({"VUG": 252, "IWF": 252})
    returns[-20:, 0] = np.nan  # 232 left, though 20 older ones exist
    returns[:148, 0] = 0.01
    assert choose_factor_etfs(returns, symbols, {"Growth": ["VUG", "IWF"]}) == {"Growth": "IWF"}


def test_factor_returns_are_excess_over_the_market(panel: Panel):
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    factors = factor_returns(panel.returns, panel.symbols, chosen)
    assert factors.names == tuple(chosen)
    assert set(STYLED) <= set(factors.names) and len(factors.names) >= 17
    frame = panel.frame
    expected = pd.DataFrame({"Market": frame["SPY"], "Interest Rate": frame["TLT"]})
    for factor in factors.names[2:]:
        expected[factor] = frame[chosen[factor]] - frame["SPY"]
    assert_array_equal(factors.values, expected.to_numpy())
    spreads = spread_returns(panel.returns, panel.symbols, chosen)
    assert spreads.names == ("Growth-Value", "Momentum", "Size", "Quality")
    assert_array_equal(spreads.values[:, 0], frame[chosen["Growth"]] - frame[chosen["Value"]])
    assert_array_equal(spreads.values[:, 2], frame[chosen["Size"]] - frame["SPY"])


def test_factors_without_an_etf_are_absent(synthetic: Panel):
    chosen = choose_factor_etfs(synthetic.returns, synthetic.symbols, CANDIDATES)
    without_quality = {factor: etf for factor, etf in chosen.items() if factor != "Quality"}
    assert "Quality" not in factor_returns(synthetic.returns, synthetic.symbols, without_quality).names
    assert "Quality" not in spread_returns(synthetic.returns, synthetic.symbols, without_quality).names
    without_market = {factor: etf for factor, etf in chosen.items() if factor != "Market"}
    assert factor_returns(synthetic.returns, synthetic.symbols, without_market).names == ()
    assert spread_returns(synthetic.returns, synthetic.symbols, without_market).names == ("Growth-Value",)
    nothing = factor_returns(synthetic.returns, synthetic.symbols, {})
    assert nothing.values.shape == (len(synthetic.returns), 0)
    exposures = ridge_exposures(synthetic.returns, nothing)
    assert set(exposures.quality_flag) == {Quality.NO_BENCHMARK}
    assert exposures.beta.shape == (len(synthetic.symbols), 0)


def test_spread_betas_are_those_of_statsmodels(panel: Panel):
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    spreads = spread_returns(panel.returns, panel.symbols, chosen)
    exposures = spread_exposures(panel.returns, spreads)
    assert tuple(exposures) == spreads.names
    for number, name in enumerate(spreads.names):
        x = spreads.values[-180:, number]
        fit = exposures[name]
        columns = np.flatnonzero(has_numbers(fit.quality_flag))
        assert len(columns) > 0.6 * len(panel.symbols)
        for column in columns[number::4]:  # a quarter of the symbols each
            y = panel.returns[-180:, column]
            both = np.isfinite(x) & np.isfinite(y)
            expected = sm.OLS(y[both], sm.add_constant(x[both])).fit()
            assert fit.observations[column] == both.sum() >= 60
            assert_allclose(fit.beta[column], expected.params[1], rtol=1e-8, atol=1e-12)
            assert_allclose(fit.r_squared[column], expected.rsquared, rtol=1e-8, atol=1e-12)


def test_ridge_exposures_are_those_of_scikit_learn(panel: Panel):
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    factors = factor_returns(panel.returns, panel.symbols, chosen)
    exposures = ridge_exposures(panel.returns, factors)
    f = factors.values[-252:]
    usable = has_numbers(exposures.quality_flag)
    assert usable.sum() > 0.6 * len(panel.symbols)
    complete = usable & np.isfinite(panel.returns[-252:]).all(axis=0)
    assert complete.sum() >= 25
    # scikit-learn fits many targets at once where they share their sessions
    for columns in [np.flatnonzero(complete), *np.flatnonzero(usable & ~complete)[:, None]]:
        y = panel.returns[-252:, columns]
        rows = np.isfinite(y).all(axis=1) & np.isfinite(f).all(axis=1)
        y = y[rows]
        scaler = StandardScaler().fit(f[rows])
        # a penalty is one more observation, of zero; the market has none
        n_factors = f.shape[1]
        more = np.diag(np.sqrt([0.0] + [10.0] * (n_factors - 1)))
        augmented = np.vstack([scaler.transform(f[rows]), more])
        centred = np.vstack([y - y.mean(axis=0), np.zeros((n_factors, y.shape[1]))])
        model = LinearRegression(fit_intercept=False).fit(augmented, centred)
        predicted = scaler.transform(f[rows]) @ model.coef_.reshape(y.shape[1], -1).T + y.mean(axis=0)
        squares = ((y - predicted) ** 2).sum(axis=0)
        total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        assert (exposures.observations[columns] == len(y)).all()
        assert len(y) >= 60
        coefficients = model.coef_.reshape(len(columns), -1) / scaler.scale_
        assert_allclose(exposures.beta[columns], coefficients, rtol=1e-8, atol=1e-11)
        assert_allclose(exposures.r_squared[columns], 1 - squares / total, rtol=1e-8)
        assert_allclose(exposures.residual_variance[columns], squares / (len(y) - 1 - n_factors), rtol=1e-8, atol=1e-25)


def test_weeks_old_symbols_have_no_exposures_and_the_others_keep_their_own(synthetic: Panel):
    chosen = choose_factor_etfs(synthetic.returns, synthetic.symbols, CANDIDATES)
    factors = factor_returns(synthetic.returns, synthetic.symbols, chosen)
    exposures = ridge_exposures(synthetic.returns, factors)
    flags = dict(zip(synthetic.symbols, exposures.quality_flag, strict=True))
    assert flags["S05"] == Quality.INSUFFICIENT_HISTORY
    assert flags["S06"] == Quality.LIMITED_HISTORY
    assert flags["S00"] == Quality.FULL_HISTORY
    assert flags["HALTED"] == flags["STEADY"] == Quality.ZERO_VARIANCE
    old = [symbol for symbol in synthetic.symbols if flags[symbol] == Quality.FULL_HISTORY]
    alone = ridge_exposures(synthetic.frame[old].to_numpy(), factors)
    kept = [synthetic.column(symbol) for symbol in old]
    assert_allclose(alone.beta, exposures.beta[kept], rtol=1e-9, atol=1e-12)
