"""Ordinary and ridge regression against statsmodels and scikit-learn, their edge cases and their invariances."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from python_models.statistics.conventions import Quality
from python_models.statistics.regression import ols, ridge, weighted_slope
from tests.python_models.panels import Panel, examples

seeds = st.integers(0, 2**32 - 1)


def sample(seed: int, n_sessions: int = 120, n_symbols: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = 0.01 * random.standard_normal(n_sessions)
    y = x[:, None] * random.uniform(-2, 2, n_symbols) + 0.01 * random.standard_normal((n_sessions, n_symbols))
    y[random.random(y.shape) < 0.1] = np.nan
    return y, x


def test_ols_is_statsmodels_on_each_symbols_own_sessions(synthetic: Panel):
    benchmark = synthetic.series("SPY")[-90:]
    fit = ols(synthetic.returns, synthetic.series("SPY"), window=90, minimum=30)
    compared = 0
    for column, symbol in enumerate(synthetic.symbols):
        y = synthetic.series(symbol)[-90:]
        both = np.isfinite(y) & np.isfinite(benchmark)
        assert fit.observations[column] == both.sum()
        if fit.quality_flag[column] not in (Quality.LIMITED_HISTORY, Quality.FULL_HISTORY) or symbol in ("SPY", "TWIN"):
            continue
        expected = sm.OLS(y[both], sm.add_constant(benchmark[both])).fit()
        assert_allclose(
            [fit.alpha[column], fit.beta[column], fit.std_error[column], fit.p_value[column], fit.r_squared[column]],
            [*expected.params, expected.bse[1], expected.pvalues[1], expected.rsquared],
            rtol=1e-8,
            atol=1e-14,
            err_msg=symbol,
        )
        compared += 1
    assert compared >= 35


def test_a_benchmark_explains_itself_perfectly():
    _, x = sample(1)
    fit = ols(np.column_stack([x, 3 * x, -x]), x, window=90, minimum=30)
    assert_array_equal(fit.beta[[0, 2]], [1.0, -1.0])
    assert_allclose(fit.beta[1], 3.0, rtol=1e-14)
    assert_array_equal(fit.r_squared[[0, 2]], 1.0)
    assert_allclose(fit.r_squared[1], 1.0, rtol=1e-14)
    assert_array_equal(fit.p_value, 0.0)
    assert_allclose(fit.std_error, 0.0, atol=1e-15)
    assert_allclose(fit.alpha, 0.0, atol=1e-16)


@pytest.mark.parametrize("noise", [0.0, 1e-17])
@pytest.mark.parametrize("level", [0.0, 0.0004, -0.3])
def test_a_constant_series_is_named_and_has_no_number(noise: float, level: float):
    y, x = sample(2)
    still = level + noise * np.random.default_rng(3).standard_normal(len(x))
    for fit in (
        ols(np.column_stack([still, y]), x, window=90, minimum=30),
        ridge(np.column_stack([still, y]), x, penalties=[1.0], window=90, minimum=30),
    ):
        assert fit.quality_flag[0] == Quality.ZERO_VARIANCE
        assert np.isnan(fit.beta[0]).all()
        assert np.isnan(fit.r_squared[0])
        assert np.isfinite(fit.beta[1:]).all()
    constant_benchmark = ols(y, still, window=90, minimum=30)
    assert set(constant_benchmark.quality_flag) == {Quality.ZERO_VARIANCE}
    assert np.isnan(constant_benchmark.beta).all()


def test_small_moves_are_not_mistaken_for_a_constant():
    y, x = sample(8)
    small = 1e-9 * y
    fit = ols(np.column_stack([small, 0.5 + small]), x, window=90, minimum=30)
    expected = ols(y, x, window=90, minimum=30)
    assert set(fit.quality_flag) <= {Quality.LIMITED_HISTORY, Quality.FULL_HISTORY}
    assert_allclose(1e9 * fit.beta[: y.shape[1]], expected.beta, rtol=1e-8)
    assert_allclose(1e9 * fit.beta[y.shape[1] :], expected.beta, rtol=1e-5)  # half of the digits were lost to the 0.5


def test_flags_say_why_there_is_no_number():
    y, x = sample(4, n_sessions=90, n_symbols=4)
    y[:] = np.where(np.isnan(y), 0.0, y)
    y[:60, 1] = np.nan  # 30 left
    y[:61, 2] = np.nan  # 29 left
    y[:, 3] = np.nan
    fit = ols(y, x, window=90, minimum=30)
    assert list(fit.quality_flag) == [
        Quality.FULL_HISTORY,
        Quality.LIMITED_HISTORY,
        Quality.INSUFFICIENT_HISTORY,
        Quality.INSUFFICIENT_HISTORY,
    ]
    assert list(fit.observations) == [90, 30, 29, 0]
    for values in (fit.beta, fit.alpha, fit.r_squared, fit.std_error, fit.p_value):
        assert_array_equal(np.isfinite(values), [True, True, False, False])

    x[:61] = np.nan
    for values in (ols(y, x, window=90, minimum=30), ridge(y, x, penalties=[1.0], window=90, minimum=30)):
        assert set(values.quality_flag) == {Quality.NO_BENCHMARK}
        assert np.isnan(values.beta).all()


def test_infinite_values_count_as_missing():
    y, x = sample(5)
    broken, holed = y.copy(), y.copy()
    broken[-3, 0], broken[-9, 1] = np.inf, -np.inf
    holed[-3, 0] = holed[-9, 1] = np.nan
    assert_array_equal(ols(broken, x, window=90, minimum=30).beta, ols(holed, x, window=90, minimum=30).beta)
    assert_array_equal(
        ridge(broken, x, penalties=[1.0], window=90, minimum=30).beta,
        ridge(holed, x, penalties=[1.0], window=90, minimum=30).beta,
    )


def test_only_the_window_is_read():
    y, x = sample(6)
    longer = ols(y, x, window=60, minimum=30)
    assert_array_equal(longer.beta, ols(y[-60:], x[-60:], window=60, minimum=30).beta)
    assert_array_equal(longer.quality_flag, ols(y[-60:], x[-60:], window=60, minimum=30).quality_flag)


def test_impossible_requests_are_refused():
    y, x = sample(7)
    with pytest.raises(ValueError, match="at least 3 observations"):
        ols(y, x, window=90, minimum=2)
    with pytest.raises(ValueError, match="1 factors need as many penalties, zero or more"):
        ridge(y, x, penalties=[-1.0], window=90, minimum=30)
    with pytest.raises(ValueError, match="1 factors need as many penalties, zero or more"):
        ridge(y, x, penalties=[1.0, 1.0], window=90, minimum=30)
    with pytest.raises(ValueError, match="1 factors need at least 3 observations"):
        ridge(y, x, penalties=[1.0], window=90, minimum=2)
    with pytest.raises(ValueError, match="n_sessions, n_columns"):
        ols(y[None], x, window=90, minimum=30)


@examples
@given(seeds)
def test_ridge_is_scikit_learn_on_each_symbols_own_sessions(seed: int):
    random = np.random.default_rng(seed)
    factors = 0.01 * random.standard_normal((120, 5)) * random.uniform(0.1, 3, 5)
    factors[:, 4] = 0.002  # a constant column is scaled by one
    factors[random.random(120) < 0.05] = np.nan
    y, _ = sample(seed)
    fit = ridge(y, factors, penalties=np.ones(5), window=120, minimum=60)
    complete = np.isfinite(factors).all(axis=1)
    for column in range(y.shape[1]):
        rows = complete & np.isfinite(y[:, column])
        model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(factors[rows], y[rows, column])
        scaler, solver = model[0], model[1]
        assert_allclose(fit.beta[column], solver.coef_ / scaler.scale_, rtol=1e-8, atol=1e-12)
        residual = y[rows, column] - model.predict(factors[rows])
        assert_allclose(fit.r_squared[column], model.score(factors[rows], y[rows, column]), rtol=1e-8, atol=1e-12)
        assert_allclose(fit.residual_variance[column], (residual**2).sum() / (rows.sum() - 1 - 5), rtol=1e-8)
        assert_allclose(fit.intercept[column], model.predict(np.zeros((1, 5)))[0], rtol=1e-8, atol=1e-14)
        assert fit.observations[column] == rows.sum()


@examples
@given(seeds)
def test_a_free_factor_beside_penalised_ones_is_least_squares_on_more_rows(seed: int):
    random = np.random.default_rng(seed)
    factors = 0.01 * random.standard_normal((120, 4)) * random.uniform(0.1, 3, 4)
    penalties = np.array([0.0, 10.0, 3.0, 10.0])
    y, _ = sample(seed)
    fit = ridge(y, factors, penalties=penalties, window=120, minimum=60)
    for column in range(y.shape[1]):
        rows = np.isfinite(y[:, column])
        scaler = StandardScaler().fit(factors[rows])
        target = y[rows, column]
        expected = sm.OLS(
            np.append(target - target.mean(), np.zeros(4)),
            np.vstack([scaler.transform(factors[rows]), np.diag(np.sqrt(penalties))]),
        ).fit()
        assert_allclose(fit.beta[column], expected.params / scaler.scale_, rtol=1e-8, atol=1e-12)


def test_a_free_factor_that_does_not_move_has_no_say():
    y, x = sample(9)
    fit = ridge(y, np.column_stack([np.full(len(x), 0.002), x]), penalties=[0.0, 1.0], window=120, minimum=60)
    assert_array_equal(fit.beta[:, 0], 0.0)
    assert_allclose(fit.beta[:, 1], ridge(y, x, penalties=[1.0], window=120, minimum=60).beta[:, 0], rtol=1e-12)


@examples
@given(seeds)
def test_a_weighted_slope_is_that_of_statsmodels(seed: int):
    y, x = sample(seed)
    x[np.random.default_rng(seed).random(len(x)) < 0.05] = np.nan
    slope = weighted_slope(y, x, half_life=20, window=100, minimum=60)
    weights = 0.5 ** (np.arange(100)[::-1] / 20)
    for column in range(y.shape[1]):
        both = np.isfinite(y[-100:, column]) & np.isfinite(x[-100:])
        expected = sm.WLS(y[-100:, column][both], sm.add_constant(x[-100:][both]), weights[both]).fit()
        assert_allclose(slope[column], expected.params[1], rtol=1e-8)


def test_a_weighted_slope_needs_observations_that_move():
    y, x = sample(10, n_symbols=4)
    y[:] = np.nan_to_num(y)
    y[:-60, 1] = y[:-59, 2] = np.nan
    y[:, 3] = 0.01
    found = np.isfinite(weighted_slope(y, x, half_life=63, window=120, minimum=60))
    assert list(found) == [True, True, False, False]
    assert np.isnan(weighted_slope(y, np.full(120, 0.001), half_life=63, window=120, minimum=60)).all()


@examples
@given(seeds)
def test_ridge_without_penalty_is_ols(seed: int):
    y, x = sample(seed)
    other = 0.01 * np.random.default_rng(seed + 1).standard_normal(len(x))
    single = ridge(y, x, penalties=[0.0], window=90, minimum=30)
    assert_allclose(single.beta[:, 0], ols(y, x, window=90, minimum=30).beta, rtol=1e-8)
    both = ridge(y, np.column_stack([x, other]), penalties=[0.0, 0.0], window=90, minimum=30)
    for column in range(y.shape[1]):
        used = np.isfinite(y[-90:, column])
        expected = sm.OLS(y[-90:, column][used], sm.add_constant(np.column_stack([x, other])[-90:][used])).fit()
        assert_allclose(both.beta[column], expected.params[1:], rtol=1e-7, atol=1e-11)
        assert_allclose(both.residual_variance[column], expected.mse_resid, rtol=1e-8)


@examples
@given(seeds, st.floats(-20, 20).filter(lambda k: abs(k) > 1e-3))
def test_a_multiple_of_the_benchmark_has_that_beta(seed: int, k: float):
    _, x = sample(seed)
    gap = np.random.default_rng(seed).random(len(x)) < 0.2
    fit = ols(np.where(gap, np.nan, k * x)[:, None], x, window=120, minimum=30)
    assert_allclose(fit.beta, k, rtol=1e-12)
    assert_allclose(fit.r_squared, 1.0, rtol=1e-12)
    assert_allclose(fit.p_value, 0.0, atol=1e-12)


@examples
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_symbols_does_not_matter(seed: int, shuffler):
    y, x = sample(seed)
    order = list(range(y.shape[1]))
    shuffler.shuffle(order)
    factors = np.column_stack([x, 0.01 * np.random.default_rng(seed).standard_normal(len(x))])
    assert_allclose(
        ols(y[:, order], x, window=90, minimum=30).beta, ols(y, x, window=90, minimum=30).beta[order], rtol=1e-12
    )
    assert_allclose(
        ridge(y[:, order], factors, penalties=[1.0, 1.0], window=90, minimum=30).beta,
        ridge(y, factors, penalties=[1.0, 1.0], window=90, minimum=30).beta[order],
        rtol=1e-10,
    )
