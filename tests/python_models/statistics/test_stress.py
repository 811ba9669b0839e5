"""Stress tests against plain loops and regressions, the rules on shocks, and the invariances."""

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.covariance import sample_covariance
from python_models.statistics.factors import choose_factor_etfs, factor_returns, ridge_exposures
from python_models.statistics.options import OptionPositions, black_scholes, delta_equivalent_value
from python_models.statistics.portfolio_risk import Holdings
from python_models.statistics.stress import (
    NOTHING_SHOCKED,
    FactorShocks,
    Scenario,
    StressResults,
    factor_shocks,
    rate_change_return,
    replay_shocks,
    stress_test,
)
from tests.python_models.panels import CANDIDATES, Panel, examples
from tests.python_models.panels import STYLED as FACTORS

seeds = st.integers(0, 2**32 - 1)
BOND = {"duration": 17.5, "convexity": 320.0}

SCENARIOS = (
    Scenario("market_down_20", {"Market": -0.20}),
    Scenario("market_up_10", {"Market": 0.10}),
    Scenario("rates_up_100", rate_change=100),
    Scenario("rotation", {"Value": 0.05, "Growth": -0.05}),
    Scenario("crisis", {"Market": -0.25, "Size": -0.04}, rate_change=-75),
)


def model_of(panel: Panel) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names, joint betas and equally weighted covariance of the factors."""
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    factors = factor_returns(panel.returns, panel.symbols, chosen)
    return factors.names, ridge_exposures(panel.returns, factors).beta, sample_covariance(factors.values).matrix


def some_covariance(n_factors: int = 8, seed: int = 27) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.cov(0.01 * random.standard_normal((n_factors, 400)) + 0.006 * random.standard_normal(400))


def random_books(n_symbols: int, seed: int, with_options: bool = True) -> tuple[Holdings, OptionPositions]:
    """Four portfolios (long, long and short with options, one empty, one private); and the options among them."""
    random = np.random.default_rng(seed)
    portfolio = np.concatenate([np.repeat([0, 1], 12), [1] * 6, [3]])
    symbol = np.append(random.integers(0, n_symbols, 30), -1)
    value = np.concatenate([random.uniform(1, 9e3, 12), random.uniform(-9e3, 9e3, 18), [1e5]])
    count = 6 if with_options else 0
    position = 24 + np.arange(count)
    units = 100 * random.choice([-3, -1, 2, 5], count)
    spot, years = random.uniform(20, 300, count), random.uniform(0.02, 2, count)
    strike, sigma = spot * random.uniform(0.7, 1.4, count), random.uniform(0.1, 0.9, count)
    is_call = random.random(count) < 0.5
    delta = black_scholes(spot, strike, years, sigma, is_call=is_call, rate=0.03).delta
    value[position] = delta_equivalent_value(delta, spot, units)
    holdings = Holdings(portfolio, symbol, value, np.array([1e5, 5e4, 1e5, 2e5]), n_symbols)
    return holdings, OptionPositions(position, units, spot, strike, years, sigma, is_call, rate=0.03)


def naive_pnl(holdings: Holdings, options: OptionPositions, betas: np.ndarray, shock: np.ndarray, portfolio: int):
    """P&L of one scenario: the linear part by factor, and the whole; position by position."""
    linear, total = np.zeros(len(shock)), 0.0
    terms = {int(index): number for number, index in enumerate(options.position)}
    for index in np.flatnonzero(holdings.portfolio == portfolio):
        symbol, value = holdings.symbol[index], holdings.value[index]
        if symbol < 0 or np.isnan(value) or not np.isfinite(betas[symbol]).all():
            continue
        by_factor = [value * betas[symbol, f] * shock[f] for f in range(len(shock))]
        linear += by_factor
        moved = max(float(betas[symbol] @ shock), -1.0)
        if index in terms:
            k = terms[index]
            fixed = (options.strike[k], options.years[k], options.volatility[k])
            worth = [
                float(black_scholes(s, *fixed, is_call=options.is_call[k], rate=options.rate).value)
                for s in (options.spot[k], options.spot[k] * (1 + moved))
            ]
            total += options.units[k] * (worth[1] - worth[0])
        else:
            total += value * moved
    return linear, total


def test_pnl_is_position_by_position(panel: Panel):
    names, betas, covariance = model_of(panel)
    shocks = factor_shocks(SCENARIOS, names, covariance, **BOND)
    holdings, options = random_books(len(panel.symbols), 28)
    result = stress_test(holdings, betas, shocks, options)
    assert (result.reason[:2] == "").all()
    for portfolio in (0, 1):
        for row in range(len(SCENARIOS)):
            _, direct = naive_pnl(holdings, options, betas, shocks.direct[row], portfolio)
            linear, correlated = naive_pnl(holdings, options, betas, shocks.correlated[row], portfolio)
            assert_allclose(result.direct_pnl[portfolio, row], direct, rtol=1e-8, atol=1e-6)
            assert_allclose(result.correlated_pnl[portfolio, row], correlated, rtol=1e-8, atol=1e-6)
            assert_allclose(result.factor_impacts[portfolio, row], linear, rtol=1e-8, atol=1e-6)
            assert_allclose(result.nonlinear[portfolio, row], correlated - linear.sum(), rtol=1e-8, atol=1e-6)
    assert_identities(holdings, result)
    assert_array_equal(result.correlated_pnl[2], 0.0)
    assert np.isnan(result.correlated_pnl[3]).all()
    assert set(result.reason[3]) == {NOTHING_SHOCKED}
    assert list(result.positions_excluded[2:]) == [0, 1]


def assert_identities(holdings: Holdings, result: StressResults) -> None:
    total = result.factor_impacts.sum(axis=2) + result.nonlinear
    assert_array_equal(result.correlated_pnl, total)
    assert_array_equal(result.correlation_effect, result.correlated_pnl - result.direct_pnl)
    assert_array_equal(result.stressed_equity, holdings.equity[:, None] + result.correlated_pnl)


def test_unshocked_factors_move_as_a_regression_on_the_shocked_ones_says(panel: Panel):
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    factors = factor_returns(panel.returns, panel.symbols, chosen)
    used = factors.values[-252:]
    used = used[np.isfinite(used).all(axis=1)]
    shocks = factor_shocks(SCENARIOS, factors.names, sample_covariance(factors.values).matrix, **BOND)
    for row, scenario in enumerate(SCENARIOS):
        given_shocks = dict(scenario.shocks)
        if scenario.rate_change is not None:
            given_shocks["Interest Rate"] = float(rate_change_return(scenario.rate_change, **BOND))
        shocked = [factors.names.index(name) for name in given_shocks]
        assert_allclose(shocks.direct[row, shocked], list(given_shocks.values()))
        assert np.count_nonzero(shocks.direct[row]) == len(shocked)
        for other in range(len(factors.names)):
            if other in shocked:
                assert shocks.correlated[row, other] == shocks.direct[row, other]
                continue
            slopes = sm.OLS(used[:, other], sm.add_constant(used[:, shocked])).fit().params[1:]
            assert_allclose(shocks.correlated[row, other], slopes @ list(given_shocks.values()), rtol=1e-8, atol=1e-12)


def test_a_rate_change_becomes_a_bond_return():
    # −17.5·0.0273 + ½·320·0.0273² = −0.47775 + 0.11925
    assert_allclose(rate_change_return(273, **BOND), -0.358504, atol=1e-5)
    assert_allclose(rate_change_return([-100, 0, 100], **BOND), [0.191, 0.0, -0.159])


def test_shocks_beyond_sixty_daily_deviations_are_not_extrapolated():
    covariance = np.diag(np.full(8, 1e-4))  # 1 % a day each
    within, beyond = (Scenario(name, {"Market": shock}) for name, shock in (("a", -0.5999), ("b", -0.6001)))
    together = Scenario("c", {"Market": -0.45, "Size": -0.45})  # √2·45 = 63.6
    shocks = factor_shocks((within, beyond, together), FACTORS, covariance, **BOND)
    assert shocks.correlated_reason[0] == ""
    assert "60.1 daily standard deviations, more than 60" in shocks.correlated_reason[1]
    assert "63.7 daily standard deviations" in shocks.correlated_reason[2]
    assert np.isnan(shocks.correlated[1:]).all()
    assert np.isfinite(shocks.direct).all()

    holdings, options = random_books(6, 29)
    betas = np.random.default_rng(30).normal(0.3, 0.3, (6, 8))
    result = stress_test(holdings, betas, shocks, options)
    assert np.isfinite(result.direct_pnl[:3]).all()
    for values in (result.correlated_pnl, result.correlation_effect, result.stressed_equity, result.nonlinear):
        assert np.isfinite(values[:3, 0]).all()
        assert np.isnan(values[:, 1:]).all()
    assert np.isnan(result.factor_impacts[:, 1:]).all()
    assert "daily standard deviations" in result.reason[0, 1]


def test_shocked_factors_that_are_nearly_one_are_refused():
    random = np.random.default_rng(31)
    factors = 0.01 * random.standard_normal((252, 8))
    factors[:, 3] = -factors[:, 2] + 1e-7 * random.standard_normal(252)
    rotation = Scenario("rotation", {"Value": 0.05, "Growth": -0.05})
    shocks = factor_shocks((rotation,), FACTORS, np.cov(factors.T), **BOND)
    assert shocks.correlated_reason[0].startswith("the shocked factors are nearly one")
    # each factor in its own units: one with tiny moves is not ill-conditioned
    tiny = np.cov((factors * np.r_[1, 1, 1, 1, 1, 1, 1e-6, 1]).T)
    small = Scenario("small", {"Market": -0.1, "Size": 1e-8})
    assert factor_shocks((small,), FACTORS, tiny, **BOND).correlated_reason[0] == ""


def test_a_shocked_factor_that_has_not_moved_is_refused():
    covariance = some_covariance()
    covariance[0] = covariance[:, 0] = 0.0
    shocks = factor_shocks(SCENARIOS[:1], FACTORS, covariance, **BOND)
    assert shocks.correlated_reason[0] == "a shocked factor has not moved"
    assert_allclose(shocks.direct[0, 0], -0.20)


def test_without_a_covariance_the_direct_part_remains():
    shocks = factor_shocks(SCENARIOS, FACTORS, np.full((8, 8), np.nan), **BOND)
    assert set(shocks.correlated_reason) == {"no covariance of the factors"}
    assert np.isfinite(shocks.direct).all()


def test_a_replay_that_shocks_all_factors_has_nothing_to_guard():
    wild = Scenario("replay", dict.fromkeys(FACTORS, -0.9), is_replay=True)
    covariances = {
        "diagonal": np.diag(np.full(8, 1e-4)),
        "singular": np.full((8, 8), 1e-4),
        "none": np.full((8, 8), np.nan),
    }
    for covariance in covariances.values():
        shocks = factor_shocks((wild,), FACTORS, covariance, **BOND)
        assert shocks.correlated_reason[0] == ""
        assert_array_equal(shocks.correlated, shocks.direct)
    # the same shocks, in a scenario that people made
    assert (
        factor_shocks((dataclasses.replace(wild, is_replay=False),), FACTORS, covariance, **BOND).correlated_reason
        == ""
    )


def test_a_replay_whose_sectors_nothing_is_known_of_expects_them_however_large_it_is():
    """Its eight factors at −90 % with 1 % a day each are 254.6 sigmas; one sector moves by half of the market."""
    covariance = np.diag(np.full(9, 1e-4))
    covariance[8, 0] = covariance[0, 8] = 0.5e-4
    names = (*FACTORS, "Energy")
    replay = Scenario("replay", dict.fromkeys(FACTORS, -0.9), is_replay=True)
    made_up = dataclasses.replace(replay, is_replay=False)
    shocks = factor_shocks((replay, made_up), names, covariance, **BOND)
    assert_allclose(shocks.correlated[0], [-0.9] * 8 + [-0.45])
    assert_allclose(shocks.direct[0], [-0.9] * 8 + [0.0])
    assert shocks.correlated_reason[0] == ""
    assert shocks.correlated_reason[1] == "the shocks are 254.6 daily standard deviations, more than 60"


def test_a_shock_of_a_factor_without_returns_is_no_result():
    names = tuple(factor for factor in FACTORS if factor != "Size")
    shocks = factor_shocks(SCENARIOS, names, some_covariance(7), **BOND)
    assert shocks.direct_reason[4] == shocks.correlated_reason[4] == "no returns for factor Size"
    assert np.isnan(shocks.direct[4]).all()
    holdings, options = random_books(6, 32)
    result = stress_test(holdings, np.full((6, 7), 0.1), shocks, options)
    assert np.isnan(result.direct_pnl[:, 4]).all()
    assert set(result.reason[:3, 4]) == {"no returns for factor Size"}
    assert np.isfinite(result.direct_pnl[:3, :4]).all()


def shocks_of(*rows: list[float]) -> FactorShocks:
    table = np.array(rows, dtype=float)
    nothing = np.full(len(table), "")
    names = FACTORS[: table.shape[1]]
    return FactorShocks(tuple(map(str, range(len(table)))), names, table, table, nothing, nothing)


def test_no_asset_falls_below_nothing():
    # beta 3 at −50 % is −100 %, not −150 %: the long loses its whole value, and the short gains no more than that
    holdings = Holdings(np.array([0, 1]), np.array([0, 0]), np.array([100.0, -100.0]), np.array([1e3, 1e3]), 1)
    result = stress_test(holdings, [[3.0]], shocks_of([-0.5], [-0.2]))
    assert_allclose(result.correlated_pnl, [[-100.0, -60.0], [100.0, 60.0]])
    assert_allclose(result.factor_impacts[:, :, 0], [[-150.0, -60.0], [150.0, 60.0]])
    assert_allclose(result.nonlinear, [[50.0, 0.0], [-50.0, 0.0]])
    assert_allclose(result.direct_pnl, result.correlated_pnl)


def test_the_floor_is_on_the_assets_return_and_not_on_each_factor():
    holdings = Holdings(np.array([0]), np.array([0]), np.array([100.0]), np.array([1e3]), 1)
    result = stress_test(holdings, [[2.0, 1.0]], shocks_of([-0.6, 0.4]))
    assert_allclose(result.correlated_pnl, [[-80.0]])  # −120 + 40
    assert_allclose(result.nonlinear, 0.0)


def option_book(units: float, is_call: bool, volatility: float = 0.3) -> tuple[Holdings, OptionPositions]:
    delta = black_scholes(100.0, 100.0, 0.5, volatility, is_call=is_call).delta
    holdings = Holdings(np.array([0]), np.array([0]), np.array([float(delta) * 100.0 * units]), np.array([1e4]), 1)
    arrays = (np.array([each]) for each in (0, units, 100.0, 100.0, 0.5, volatility, is_call))
    return holdings, OptionPositions(*arrays)


def test_a_bought_option_can_lose_its_premium_and_no_more():
    for is_call, move in ((True, -0.9), (False, 0.9)):
        holdings, options = option_book(200.0, is_call)
        result = stress_test(holdings, [[1.0]], shocks_of([move]), options)
        premium = 200 * float(black_scholes(100.0, 100.0, 0.5, 0.3, is_call=is_call).value)
        assert_allclose(result.correlated_pnl, [[-premium]], rtol=0.002)
        assert result.correlated_pnl[0, 0] >= -premium
        assert result.factor_impacts[0, 0, 0] < -premium  # delta alone would lose more


def test_a_bankrupt_underlying_pays_the_put_its_strike():
    holdings, options = option_book(100.0, is_call=False)
    result = stress_test(holdings, [[2.0]], shocks_of([-0.7]), options)
    premium = 100 * float(black_scholes(100.0, 100.0, 0.5, 0.3, is_call=False).value)
    assert_allclose(result.correlated_pnl, [[100 * 100.0 - premium]], rtol=1e-12)


@pytest.mark.parametrize("is_call", [True, False])
def test_small_moves_of_an_option_are_its_delta(is_call: bool):
    holdings, options = option_book(100.0, is_call)
    result = stress_test(holdings, [[1.0]], shocks_of([1e-5]), options)
    assert_allclose(result.correlated_pnl, result.factor_impacts.sum(axis=2), rtol=1e-3)


def test_an_option_without_volatility_is_excluded_and_counted():
    holdings, options = option_book(100.0, True)
    unknown = dataclasses.replace(options, volatility=np.array([np.nan]))
    result = stress_test(holdings, [[1.0]], shocks_of([-0.1]), unknown)
    assert list(result.positions_excluded) == [1]
    assert np.isnan(result.direct_pnl).all()
    assert result.reason[0, 0] == NOTHING_SHOCKED


def test_betas_of_another_set_of_factors_are_refused():
    holdings, _ = random_books(6, 33)
    with pytest.raises(ValueError, match="betas to 3 factors, shocks of 2"):
        stress_test(holdings, np.ones((6, 3)), shocks_of([0.1, 0.1]))


@examples
@given(seeds)
def test_a_stress_of_zero_is_zero(seed: int):
    betas = np.random.default_rng(seed).normal(0, 1, (6, 8))
    holdings, options = random_books(6, seed)
    zero = factor_shocks(
        (Scenario("nothing", {"Market": 0.0}), Scenario("flat", rate_change=0)), FACTORS, some_covariance(), **BOND
    )
    result = stress_test(holdings, betas, zero, options)
    assert_array_equal(zero.correlated, 0.0)
    for values in (result.direct_pnl, result.correlated_pnl, result.nonlinear, result.correlation_effect):
        assert_array_equal(values[:3], 0.0)


@examples
@given(seeds)
def test_long_and_short_of_the_same_thing_cancel(seed: int):
    random = np.random.default_rng(seed)
    betas = random.normal(0, 2, (6, 8))
    holdings, options = random_books(6, seed)
    both = Holdings(
        np.tile(holdings.portfolio, 2),
        np.tile(holdings.symbol, 2),
        np.concatenate([holdings.value, -holdings.value]),
        holdings.equity,
        6,
    )
    hedged = OptionPositions(
        np.concatenate([options.position, options.position + len(holdings.value)]),
        np.concatenate([options.units, -options.units]),
        *(
            np.tile(each, 2)
            for each in (options.spot, options.strike, options.years, options.volatility, options.is_call)
        ),
        rate=options.rate,
    )
    shocks = factor_shocks(SCENARIOS, FACTORS, some_covariance(), **BOND)
    result = stress_test(both, betas, shocks, hedged)
    size = np.abs(holdings.value[:-1]).sum()
    assert_allclose(result.correlated_pnl[:3], 0.0, atol=1e-10 * size)
    assert_allclose(result.direct_pnl[:3], 0.0, atol=1e-10 * size)


@examples
@given(seeds)
def test_a_book_the_other_way_round_gains_what_the_first_one_loses(seed: int):
    """Net short and levered books too, and below the floor: a short gains 100 % of what it sold at most."""
    betas = np.random.default_rng(seed).normal(1.5, 2, (6, 8))
    holdings, _ = random_books(6, seed, with_options=False)
    shocks = factor_shocks(SCENARIOS, FACTORS, some_covariance(), **BOND)
    ahead = stress_test(holdings, betas, shocks)
    back = stress_test(dataclasses.replace(holdings, value=-holdings.value), betas, shocks)
    size = np.abs(holdings.value[:-1]).sum()
    assert_allclose(back.correlated_pnl[:3], -ahead.correlated_pnl[:3], rtol=1e-9, atol=1e-12 * size)
    assert_allclose(back.direct_pnl[:3], -ahead.direct_pnl[:3], rtol=1e-9, atol=1e-12 * size)
    with_cash = dataclasses.replace(holdings, equity=np.append(holdings.equity, 7e4))
    again = stress_test(with_cash, betas, shocks)
    assert_allclose(again.correlated_pnl[:3], ahead.correlated_pnl[:3], rtol=1e-12)
    assert_array_equal(again.correlated_pnl[-1], 0.0)
    assert_array_equal(again.stressed_equity[-1], 7e4)


@examples
@given(seeds, st.floats(0.05, 0.95))
def test_splitting_reordering_and_scaling_books_change_nothing(seed: int, share: float):
    random = np.random.default_rng(seed)
    betas = random.normal(0.5, 1.5, (6, 8))
    holdings, options = random_books(6, seed)
    shocks = factor_shocks(SCENARIOS, FACTORS, some_covariance(), **BOND)
    expected = stress_test(holdings, betas, shocks, options)

    value = holdings.value.copy()
    value[0] *= share
    split = Holdings(
        np.append(holdings.portfolio, 0),
        np.append(holdings.symbol, holdings.symbol[0]),
        np.append(value, holdings.value[0] * (1 - share)),
        holdings.equity,
        6,
    )
    order = random.permutation(len(split.value))
    place = np.argsort(order)
    moved = dataclasses.replace(
        split, portfolio=split.portfolio[order], symbol=split.symbol[order], value=split.value[order]
    )
    result = stress_test(moved, betas, shocks, dataclasses.replace(options, position=place[options.position]))
    assert_allclose(result.correlated_pnl, expected.correlated_pnl, rtol=1e-9, atol=1e-7)
    assert_allclose(result.factor_impacts, expected.factor_impacts, rtol=1e-9, atol=1e-7)

    twice = dataclasses.replace(holdings, value=2 * holdings.value, equity=2 * holdings.equity)
    doubled = stress_test(twice, betas, shocks, dataclasses.replace(options, units=2 * options.units))
    assert_allclose(doubled.correlated_pnl, 2 * expected.correlated_pnl, rtol=1e-9, atol=1e-7)
    assert_allclose(doubled.stressed_equity, 2 * expected.stressed_equity, rtol=1e-9, atol=1e-7)


def test_replays_compound_what_happened(panel: Panel):
    window = panel.frame.iloc[-25:]
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    shocks = replay_shocks(window.to_numpy(), panel.symbols, chosen)
    assert set(shocks) == set(chosen)

    def compounded(symbol: str) -> float:
        value = 1.0
        for daily in window[symbol]:
            value *= 1.0 + daily
        return value - 1.0

    assert_allclose(shocks["Market"], compounded("SPY"), rtol=1e-12)
    assert_allclose(shocks["Interest Rate"], compounded("TLT"), rtol=1e-12)
    for factor in list(chosen)[2:]:
        assert_allclose(shocks[factor], compounded(chosen[factor]) - compounded("SPY"), rtol=1e-10)


def test_a_replay_leaves_out_what_prices_do_not_reach():
    returns = np.full((5, 3), 0.01)
    returns[0, 1] = np.nan
    chosen = {"Market": "SPY", "Quality": "QUAL", "Size": "IWM"}
    assert set(replay_shocks(returns, ["SPY", "QUAL", "IWM"], chosen)) == {"Market", "Size"}
    assert replay_shocks(returns, ["XXX", "QUAL", "IWM"], chosen) == {}  # no excess without the market
    assert replay_shocks(returns[:0], ["SPY", "QUAL", "IWM"], chosen) == {}
