"""Volatility against pandas and numpy loops, minimum counts, and independence of what the panel holds besides."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.conventions import Quality
from python_models.statistics.volatility import VOLATILITY_LOOKBACK, Volatility, volatility, volatility_history
from tests.python_models.panels import Panel

NUMBERS = (
    "realized_vol_21d",
    "realized_vol_63d",
    "expected_vol_21d",
    "vol_trend_strength",
    "vol_percentile",
    "model_r_squared",
)


def assert_same(result: Volatility, expected: Volatility) -> None:
    for name in (*NUMBERS, "vol_trend", "observations", "quality_flag"):
        assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=name)


def expected_trend(vols: np.ndarray) -> tuple[str, float]:
    step = np.arange(21)
    slope, level = np.polyfit(step, vols, 1)
    r_squared = 1 - ((vols - level - slope * step) ** 2).sum() / ((vols - vols.mean()) ** 2).sum()
    if r_squared > 0.3 and abs(slope * 20) > 0.1 * vols.mean():
        return ("increasing" if slope > 0 else "decreasing"), r_squared
    return "stable", r_squared


def test_every_number_is_that_of_pandas(panel: Panel):
    result = volatility(panel.returns)
    frame = panel.frame.reset_index(drop=True)
    vol_21 = frame.rolling(21, min_periods=14).std() * np.sqrt(252)
    vol_63 = frame.rolling(63, min_periods=42).std() * np.sqrt(252)
    squares = frame**2
    mean_square = {k: squares.rolling(k, min_periods=m).mean() for k, m in ((5, 3), (21, 14), (252, 126))}
    forecast = 0.3 * mean_square[5] + 0.4 * mean_square[21] + 0.3 * mean_square[252]
    outcome = mean_square[21].shift(-21)
    vol_21, vol_63, forecast, outcome = (each.to_numpy() for each in (vol_21, vol_63, forecast, outcome))
    counts = frame.iloc[-252:].notna().sum().to_numpy()
    compared = dict.fromkeys(NUMBERS, 0)
    for column, symbol in enumerate(panel.symbols):
        if symbol in ("HALTED", "STEADY"):
            continue
        expected = dict.fromkeys(NUMBERS, np.nan)
        halted = symbol == "S15"  # constant for the last 25 sessions of the synthetic panel, not before
        if not halted:
            expected["realized_vol_21d"] = vol_21[-1, column]
        expected["realized_vol_63d"] = vol_63[-1, column]
        expected["expected_vol_21d"] = np.sqrt(252 * forecast[-1, column])
        past = vol_21[-253:-1, column]
        past = past[np.isfinite(past)]
        if len(past) >= 126 and np.isfinite(expected["realized_vol_21d"]):
            expected["vol_percentile"] = (past < expected["realized_vol_21d"]).mean()
        last = vol_21[-21:, column]
        if np.isfinite(last).all() and not halted:
            trend, expected["vol_trend_strength"] = expected_trend(last)
            assert result.vol_trend[column] == trend, symbol
        else:
            assert result.vol_trend[column] is None
        pairs = np.column_stack([forecast[-252:, column], outcome[-252:, column]])
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs) >= 126:
            expected["model_r_squared"] = np.corrcoef(pairs.T)[0, 1] ** 2
        for name, value in expected.items():
            assert_allclose(
                getattr(result, name)[column], value, rtol=1e-8, atol=1e-10, err_msg=f"{symbol} {name}", equal_nan=True
            )
            compared[name] += np.isfinite(value)
        assert result.observations[column] == counts[column]
    assert min(compared.values()) > 0.6 * len(panel.symbols), compared


def test_a_date_depends_on_its_own_lookback_alone(synthetic: Panel):
    returns = synthetic.returns
    history = volatility_history(returns)
    for session in (15, 62, 200, 400, VOLATILITY_LOOKBACK, len(returns) - 1):
        assert_same(history.at(session), volatility(returns[: session + 1]))
    assert len(returns) > VOLATILITY_LOOKBACK
    assert_same(volatility(returns), volatility(returns[-VOLATILITY_LOOKBACK:]))


def test_many_symbols_are_the_same_as_few(synthetic: Panel):
    once = volatility(synthetic.returns)
    thrice = volatility(np.tile(synthetic.returns, 3))
    for name in (*NUMBERS, "vol_trend", "observations", "quality_flag"):
        assert_array_equal(getattr(thrice, name), np.tile(getattr(once, name), 3), err_msg=name)


def test_later_returns_change_nothing(synthetic: Panel):
    session = 530
    later = synthetic.returns.copy()
    later[session + 1 :] = 0.5
    assert_same(volatility_history(later).at(session), volatility_history(synthetic.returns).at(session))


def test_flags_and_minimum_counts(synthetic: Panel):
    result = volatility(synthetic.returns)
    flags = dict(zip(synthetic.symbols, result.quality_flag, strict=True))
    assert flags["S01"] == Quality.INSUFFICIENT_HISTORY  # 8 returns
    assert flags["S02"] == Quality.LIMITED_HISTORY  # 20
    assert flags["S14"] == Quality.INSUFFICIENT_HISTORY  # 11 since a halt
    assert flags["S00"] == Quality.FULL_HISTORY
    assert flags["HALTED"] == flags["STEADY"] == flags["S15"] == Quality.ZERO_VARIANCE
    assert flags["NEVER"] == Quality.INSUFFICIENT_HISTORY
    for symbol in ("HALTED", "STEADY", "NEVER"):
        column = synthetic.column(symbol)
        assert all(np.isnan(getattr(result, name)[column]) for name in NUMBERS), symbol
        assert result.vol_trend[column] is None
    s15 = synthetic.column("S15")  # no moves for a month, but not for a year: only what uses the month is missing
    assert np.isnan(result.realized_vol_21d[s15])
    assert np.isnan(result.vol_percentile[s15])
    assert result.realized_vol_63d[s15] > 0
    assert result.expected_vol_21d[s15] > 0


@pytest.mark.parametrize(
    ("name", "minimum"), [("realized_vol_21d", 14), ("realized_vol_63d", 42), ("expected_vol_21d", 126)]
)
def test_one_return_fewer_than_the_minimum_is_no_number(name: str, minimum: int):
    returns = np.random.default_rng(8).standard_normal((300, 2)) * 0.01
    returns[: 300 - minimum, 0] = np.nan
    returns[: 300 - minimum + 1, 1] = np.nan
    assert_array_equal(np.isfinite(getattr(volatility(returns), name)), [True, False])


def test_percentile_ignores_the_last_digits():
    # the same 21 returns again and again: every 21-session volatility is the same number in another order
    returns = np.tile(np.random.default_rng(9).standard_normal(21) * 0.01, 20)
    result = volatility(returns)
    assert result.vol_percentile[0] == 0.0
    assert result.vol_trend[0] == "stable"


def test_trend_names_the_direction():
    sessions = np.arange(300)
    up_and_down = np.where(sessions % 2 == 0, 1.0, -1.0)[:, None] * np.array([0.01, 0.01, 0.01])
    up_and_down *= np.column_stack([1.02**sessions, 0.98**sessions, np.ones(300)])
    result = volatility(up_and_down)
    assert list(result.vol_trend) == ["increasing", "decreasing", "stable"]
    assert_array_equal(result.vol_percentile, [1.0, 0.0, 0.0])


def test_infinite_values_count_as_missing():
    holed = np.random.default_rng(10).standard_normal((300, 3)) * 0.01
    holed[-4, 0] = holed[-30, 1] = np.nan
    broken = holed.copy()
    broken[-4, 0], broken[-30, 1] = np.inf, -np.inf
    assert_same(volatility(broken), volatility(holed))


def test_a_panel_shorter_than_any_window_has_no_numbers_and_no_crash():
    for length in (1, 5, 20):
        result = volatility(np.random.default_rng(length).standard_normal((length, 2)))
        assert np.isnan(result.realized_vol_63d).all()
        assert np.isnan(result.expected_vol_21d).all()
