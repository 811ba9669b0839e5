"""Portfolio risk against plain loops over positions, central differences and numpy, and its invariances."""

import dataclasses
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.betas import benchmark_betas
from python_models.statistics.covariance import ewma_covariance
from python_models.statistics.factors import choose_factor_etfs, factor_returns, ridge_exposures
from python_models.statistics.options import OptionPositions, black_scholes
from python_models.statistics.portfolio_risk import (
    EQUITY_NOT_POSITIVE,
    NO_FACTOR_COVARIANCE,
    NOTHING_COVERED,
    TOO_FEW_SESSIONS,
    BookHistory,
    Holdings,
    book_history,
    drawdowns,
    ex_ante_risk,
    portfolio_exposures,
    scale_to_volatility,
    tail_risk,
)
from python_models.statistics.stand_ins import fill_returns
from python_models.statistics.volatility import volatility
from tests.python_models.panels import CANDIDATES, Panel, examples

seeds = st.integers(0, 2**32 - 1)
LONG_ONLY, LONG_SHORT, NET_SHORT, LEVERED, CASH, BROKE, PRIVATE = range(7)


@dataclasses.dataclass(frozen=True)
class Model:
    """Joint betas, residual variances and factor covariance of a panel."""

    returns: np.ndarray
    factors: np.ndarray
    betas: np.ndarray
    residual_variance: np.ndarray
    covariance: np.ndarray
    filled: np.ndarray

    def history(self, holdings: Holdings, options: OptionPositions | None = None) -> BookHistory:
        return book_history(holdings, self.filled, np.isfinite(self.betas).all(axis=1), options)


def model_of(panel: Panel) -> Model:
    chosen = choose_factor_etfs(panel.returns, panel.symbols, CANDIDATES)
    factors = factor_returns(panel.returns, panel.symbols, chosen)
    fit = ridge_exposures(panel.returns, factors)
    covariance = ewma_covariance(factors.values).matrix
    days = [date.fromordinal(737_000 + session) for session in range(len(panel.returns))]
    filled = fill_returns(panel.returns, factors.values, fit, panel.symbols, days, window=252)
    return Model(panel.returns, factors.values, fit.beta, fit.residual_variance, covariance, filled)


def random_model(seed: int, n_symbols: int = 8, n_factors: int = 3) -> Model:
    random = np.random.default_rng(seed)
    factors = 0.01 * random.standard_normal((252, n_factors))
    betas = random.normal(0.5, 1.0, (n_symbols, n_factors))
    returns = factors @ betas.T + 0.01 * random.standard_normal((252, n_symbols))
    returns[random.random(returns.shape) < 0.02] = np.nan
    filled = np.where(np.isfinite(returns), returns, factors @ betas.T)
    variances = random.uniform(1e-5, 4e-4, n_symbols)
    return Model(returns, factors, betas, variances, ewma_covariance(factors).matrix, filled)


def holdings_of(*positions: tuple[int, int, float], equity: list[float], n_symbols: int) -> Holdings:
    portfolio, symbol, value = zip(*positions, strict=True) if positions else ((), (), ())
    return Holdings(
        np.array(portfolio, dtype=np.int64),
        np.array(symbol, dtype=np.int64),
        np.array(value, dtype=float),
        np.array(equity, dtype=float),
        n_symbols,
    )


def books(n_symbols: int, seed: int = 21) -> Holdings:
    """Seven portfolios of every kind, several lots in a symbol, private positions and unvalued options among them."""
    random = np.random.default_rng(seed)
    positions = []
    for portfolio, low, high in (
        (LONG_ONLY, 0, 1e4),
        (LONG_SHORT, -1e4, 1e4),
        (NET_SHORT, -2e4, 5e3),
        (LEVERED, -3e4, 6e4),
        (BROKE, 0, 1e4),
    ):
        for symbol in random.choice(n_symbols, min(40, 2 * n_symbols)):
            positions.append((portfolio, int(symbol), random.uniform(low, high)))
    positions += [(LONG_ONLY, -1, 5e4), (LONG_SHORT, 0, np.nan), (PRIVATE, -1, 1e5)]
    order = random.permutation(len(positions))
    equity = [3e5, 2e5, 1e5, 5e4, 1e6, -1e4, 2e5]
    return holdings_of(*(positions[i] for i in order), equity=equity, n_symbols=n_symbols)


def positions_of(holdings: Holdings, portfolio: int) -> list[tuple[int, int, float]]:
    """(index, symbol, value) of the portfolio's positions that have a symbol and a value."""
    return [
        (index, int(holdings.symbol[index]), float(holdings.value[index]))
        for index in np.flatnonzero(holdings.portfolio == portfolio)
        if holdings.symbol[index] >= 0 and np.isfinite(holdings.value[index])
    ]


def naive_variances(weights: dict[int, float], model: Model) -> tuple[float, float]:
    """Annual factor and specific variance of weights by symbol, term by term."""
    n_factors = model.betas.shape[1]
    exposure = [sum(w * model.betas[i, f] for i, w in weights.items()) for f in range(n_factors)]
    systematic = sum(
        exposure[f] * model.covariance[f, g] * exposure[g] for f in range(n_factors) for g in range(n_factors)
    )
    return 252 * systematic, 252 * sum(w * w * model.residual_variance[i] for i, w in weights.items())


def net_weights(holdings: Holdings, portfolio: int, model: Model) -> dict[int, float]:
    weights: dict[int, float] = {}
    for _, symbol, value in positions_of(holdings, portfolio):
        if np.isfinite(model.betas[symbol]).all():
            weights[symbol] = weights.get(symbol, 0.0) + value / holdings.equity[portfolio]
    return weights


def test_exposures_are_the_sum_over_positions(panel: Panel):
    betas = benchmark_betas(panel.returns, panel.series("SPY")).beta
    holdings = books(len(panel.symbols))
    result = portfolio_exposures(holdings, betas)
    for portfolio in (LONG_ONLY, LONG_SHORT, NET_SHORT, LEVERED, BROKE):
        covered = [(s, v) for _, s, v in positions_of(holdings, portfolio) if np.isfinite(betas[s])]
        expected = sum(value * betas[symbol] for symbol, value in covered)
        assert_allclose(result.dollar[portfolio, 0], expected, rtol=1e-9, atol=1e-6)
        assert result.covered[portfolio, 0] == len(covered)
        assert result.without[portfolio, 0] == (holdings.portfolio == portfolio).sum() - len(covered)
        if portfolio != BROKE:
            assert_allclose(result.value[portfolio, 0], expected / holdings.equity[portfolio], rtol=1e-9, atol=1e-12)
    assert np.isnan(result.value[BROKE, 0])
    assert result.reason[BROKE, 0] == EQUITY_NOT_POSITIVE
    assert (result.dollar[CASH, 0], result.value[CASH, 0], result.reason[CASH, 0]) == (0.0, 0.0, "")
    assert np.isnan(result.dollar[PRIVATE, 0])
    assert result.reason[PRIVATE, 0] == NOTHING_COVERED
    assert result.without[PRIVATE, 0] == 1


def test_each_factor_has_its_own_coverage():
    betas = np.array([[1.0, np.nan], [2.0, 0.5]])
    result = portfolio_exposures(holdings_of((0, 0, 100.0), (0, 1, -50.0), equity=[1000.0], n_symbols=2), betas)
    assert_allclose(result.dollar, [[0.0, -25.0]])  # 100·1 − 50·2, −50·0.5
    assert_array_equal(result.covered, [[2, 1]])
    assert_array_equal(result.without, [[0, 1]])
    short = portfolio_exposures(holdings_of((0, 0, 100.0), equity=[1000.0], n_symbols=2), betas)
    assert_array_equal(short.reason, [["", NOTHING_COVERED]])


def test_ex_ante_risk_is_the_sum_over_factors_and_symbols(panel: Panel):
    model = model_of(panel)
    holdings = books(len(panel.symbols))
    result = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
    for portfolio in (LONG_ONLY, LONG_SHORT, NET_SHORT, LEVERED):
        factor, specific = naive_variances(net_weights(holdings, portfolio, model), model)
        assert_allclose(result.factor_variance[portfolio], factor, rtol=1e-9)
        assert_allclose(result.specific_variance[portfolio], specific, rtol=1e-9)
        assert_allclose(result.ex_ante_vol[portfolio], np.sqrt(factor + specific), rtol=1e-9)
        mine = holdings.portfolio == portfolio
        assert_allclose(np.nansum(result.contribution_vol[mine]), result.ex_ante_vol[portfolio], rtol=1e-9)
        assert_allclose(np.nansum(result.contribution_share[mine]), 1.0, rtol=1e-9)
        assert result.positions_without[portfolio] == np.isnan(result.marginal_vol[mine]).sum()
        assert result.reason[portfolio] == ""
    assert result.ex_ante_vol[CASH] == 0.0
    assert result.reason[CASH] == ""
    assert_array_equal(result.reason[[BROKE, PRIVATE]], [EQUITY_NOT_POSITIVE, NOTHING_COVERED])
    assert np.isnan(result.ex_ante_vol[[BROKE, PRIVATE]]).all()


@examples
@given(seeds)
def test_contributions_are_what_central_differences_say(seed: int):
    model = random_model(seed)
    holdings = books(8, seed)
    result = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)

    def vol(weights: dict[int, float]) -> float:
        return np.sqrt(sum(naive_variances(weights, model)))

    for portfolio in (LONG_SHORT, LEVERED):
        weights = net_weights(holdings, portfolio, model)
        for index, symbol, value in positions_of(holdings, portfolio):
            step = 1e-5
            up, down = (vol(weights | {symbol: weights[symbol] + s}) for s in (step, -step))
            marginal = (up - down) / (2 * step)
            assert_allclose(result.marginal_vol[index], marginal, rtol=1e-6, atol=1e-7)
            weight = value / holdings.equity[portfolio]
            assert_allclose(result.contribution_vol[index], weight * marginal, rtol=1e-6, atol=1e-7)


def test_without_a_covariance_only_cash_has_a_number():
    model = random_model(22)
    result = ex_ante_risk(books(8), model.betas, model.residual_variance, np.full((3, 3), np.nan))
    assert result.reason[LONG_ONLY] == NO_FACTOR_COVARIANCE
    assert np.isnan(np.delete(result.ex_ante_vol, CASH)).all()
    assert result.ex_ante_vol[CASH] == 0.0
    assert np.isnan(result.marginal_vol).all()


def naive_pnl(holdings: Holdings, portfolio: int, model: Model) -> tuple[np.ndarray, int]:
    total, left_out = np.zeros(252), 0
    for index in np.flatnonzero(holdings.portfolio == portfolio):
        symbol, value = holdings.symbol[index], holdings.value[index]
        if symbol < 0 or np.isnan(value):
            left_out += 1
            continue
        series = model.filled[-252:, symbol]
        if not np.isfinite(model.returns[-252:, symbol]).all() and not np.isfinite(model.betas[symbol]).all():
            left_out += 1
            continue
        total += value * series
    return total, left_out


def test_history_and_tails_of_a_book_are_position_by_position(panel: Panel):
    model = model_of(panel)
    holdings = books(len(panel.symbols))
    history = model.history(holdings)
    tails = tail_risk(history.revalued)
    assert history.linear.shape == (len(model.returns), 7)
    assert history.revalued is history.linear  # there are no options
    for portfolio in (LONG_ONLY, LONG_SHORT, NET_SHORT, LEVERED, BROKE):
        pnl, _ = naive_pnl(holdings, portfolio, model)
        assert_allclose(history.linear[-252:, portfolio], pnl, rtol=1e-8, atol=1e-6, equal_nan=True)
        known = np.sort(pnl[np.isfinite(pnl)])
        place = 0.05 * (len(known) - 1)
        low = int(place)
        quantile = known[low] + (place - low) * (known[low + 1] - known[low])
        assert_allclose(tails.var[portfolio], -quantile, rtol=1e-9)
        assert_allclose(tails.es[portfolio], -known[known <= quantile].mean(), rtol=1e-9)
        assert tails.es[portfolio] >= tails.var[portfolio]
    assert_array_equal([tails.var[CASH], tails.es[CASH]], [0.0, 0.0])
    assert not np.signbit([tails.var[CASH], tails.es[CASH]]).any()
    assert np.isnan([tails.var[PRIVATE], tails.es[PRIVATE]]).all()
    assert tails.reason[PRIVATE] == TOO_FEW_SESSIONS


def test_a_young_holding_without_a_beta_is_left_out_of_every_session():
    model = random_model(23)
    has_beta = np.arange(8) > 0
    returns = model.filled.copy()
    returns[:, 0] = np.nan
    returns[-30:, 0] = 0.5
    holdings = holdings_of((0, 0, 1e6), (0, 1, 1e3), equity=[1e6], n_symbols=8)
    history = book_history(holdings, returns, has_beta)
    alone = book_history(holdings_of((0, 1, 1e3), equity=[1e6], n_symbols=8), returns, has_beta)
    assert_allclose(history.linear, alone.linear, rtol=1e-12)
    complete = returns.copy()
    complete[:, 0] = 0.01  # without a beta, but nothing has to replace it
    assert_allclose(book_history(holdings, complete, has_beta).linear, alone.linear + 1e4, rtol=1e-12)


def test_sessions_without_return_or_stand_in_are_not_guessed():
    returns = random_model(24).filled.copy()
    returns[10, 1] = np.nan
    returns[10, 2] = 0.01
    holdings = holdings_of((0, 1, 1e3), (1, 2, 1e3), equity=[1e6, 1e6], n_symbols=8)
    pnl = book_history(holdings, returns, np.ones(8, bool)).linear
    assert np.isnan(pnl[10, 0])
    assert_allclose(pnl[10, 1], 10.0)


def test_a_short_straddle_loses_on_both_sides_whatever_its_delta():
    """100 shares' worth of a call and a put at the money: hardly any delta, but every large move costs."""
    random = np.random.default_rng(27)
    returns = 0.02 * random.standard_normal((252, 1))
    years, sigma = 30 / 365, 0.3
    legs = [black_scholes(100.0, 100.0, years, sigma, is_call=is_call) for is_call in (True, False)]
    values = [-100 * 100.0 * float(leg.delta) for leg in legs]
    holdings = holdings_of((0, 0, values[0]), (0, 0, values[1]), (1, 0, 500.0), equity=[1e5, 1e5], n_symbols=1)
    both = (np.full(2, each) for each in (-100.0, 100.0, 100.0, years, sigma))
    options = OptionPositions(np.array([0, 1]), *both, np.array([True, False]))
    history = book_history(holdings, returns, np.ones(1, bool), options)
    for session in (0, 100, 251):
        spot = 100.0 * (1 + returns[session, 0])
        then = sum(float(black_scholes(spot, 100.0, years, sigma, is_call=is_call).value) for is_call in (True, False))
        now = sum(float(leg.value) for leg in legs)
        assert_allclose(history.revalued[session, 0], -100 * (then - now), rtol=1e-10)
    assert_allclose(history.linear[:, 0], returns[:, 0] * sum(values), rtol=1e-10)
    assert_array_equal(history.revalued[:, 1], history.linear[:, 1])
    var = tail_risk(history.revalued).var[0]
    assert var > 3 * tail_risk(history.linear).var[0] > 0


def test_an_option_without_a_value_is_left_out():
    holdings = holdings_of((0, 0, np.nan), (0, 0, 500.0), equity=[1e5], n_symbols=1)
    returns = np.full((252, 1), 0.01)
    one = (np.array([each]) for each in (0, 100.0, 100.0, 100.0, 0.1, np.nan, True))
    history = book_history(holdings, returns, np.ones(1, bool), OptionPositions(*one))
    assert_allclose(history.revalued, 5.0)


def test_scaled_losses_follow_the_book_s_own_volatility_session_by_session():
    pnl = np.random.default_rng(28).standard_normal((300, 2)) * np.r_[np.full(200, 1.0), np.full(100, 3.0)][:, None]
    pnl[250, 1] = np.nan
    scaled = scale_to_volatility(pnl)
    for column in range(2):
        series = pnl[:, column]

        def volatility_before(session: int, series: np.ndarray = series) -> float:
            past = series[:session][::-1]
            weights = 0.94 ** np.arange(session) * np.isfinite(past)
            return np.sqrt((weights * np.nan_to_num(past) ** 2).sum() / weights.sum())

        assert np.isnan(scaled[:21, column]).all()
        for session in (21, 100, 249, 251, 299):
            expected = series[session] * volatility_before(300) / volatility_before(session)
            assert_allclose(scaled[session, column], expected, rtol=1e-10)
    assert np.isnan(scaled[250, 1])
    # in a storm, the scaled returns of earlier calm days are what they would be today
    assert tail_risk(scaled).var[0] > 1.3 * tail_risk(pnl).var[0]
    assert_allclose(scale_to_volatility(7 * pnl), 7 * scaled, rtol=1e-12)


def test_a_gain_on_the_worst_days_is_a_negative_loss():
    pnl = np.column_stack([np.arange(1.0, 101.0), -np.arange(1.0, 101.0)])
    result = tail_risk(pnl)
    # rank 0.05·99 = 4.95 of 1 … 100 is 5.95; at or below it lie 1 to 5
    assert_allclose(result.var, [-5.95, 95.05])
    assert_allclose(result.es, [-3.0, 98.0])


def test_tails_need_sixty_sessions():
    pnl = np.random.default_rng(25).standard_normal((252, 3))
    pnl[:192, 0] = pnl[:193, 1] = np.nan
    result = tail_risk(pnl)
    assert_array_equal(np.isfinite(result.var), [True, False, True])
    assert_array_equal(np.isfinite(result.es), [True, False, True])
    assert list(result.reason) == ["", TOO_FEW_SESSIONS, ""]
    assert_allclose(result.var[0], -np.quantile(pnl[192:, 0], 0.05))


def test_drawdown_counts_the_start_as_a_peak():
    # 1 → 0.9 → 0.99 → 1.188 → 0.8316 → 0.8316 (no return) → 0.91476
    returns = np.array([-0.1, 0.1, 0.2, -0.3, np.nan, 0.1])
    assert_allclose(drawdowns(returns)[:, 0], [-0.1, -0.1, -0.1, -0.3, -0.3, -0.3])
    assert_array_equal(drawdowns([0.1, 0.2])[:, 0], [0.0, 0.0])


@examples
@given(seeds)
def test_drawdown_is_the_worst_of_all_pairs_of_days(seed: int):
    returns = np.random.default_rng(seed).normal(0, 0.05, (40, 2))
    result = drawdowns(returns)
    for column in range(2):
        wealth = np.concatenate([[1.0], np.cumprod(1 + returns[:, column])])
        worst = min(wealth[j] / wealth[i] - 1 for j in range(41) for i in range(j + 1))
        assert_allclose(result[-1, column], worst, rtol=1e-10)
        assert_array_equal(result[:20, column], drawdowns(returns[:20])[:, column])


def test_volatility_of_a_book_is_that_of_its_history(panel: Panel):
    model = model_of(panel)
    holdings = books(len(panel.symbols))
    history = model.history(holdings)
    result = volatility(history.linear / np.where(holdings.has_equity, holdings.equity, np.nan))
    pnl, _ = naive_pnl(holdings, LONG_SHORT, model)
    weighted = pnl / holdings.equity[LONG_SHORT]
    assert_allclose(result.realized_vol_21d[LONG_SHORT], weighted[-21:].std(ddof=1) * np.sqrt(252), rtol=1e-9)
    v5, v21, v252 = ((weighted[-k:] ** 2).mean() for k in (5, 21, 252))
    if np.isfinite(weighted).all():
        assert_allclose(
            result.expected_vol_21d[LONG_SHORT], np.sqrt(252 * (0.3 * v5 + 0.4 * v21 + 0.3 * v252)), rtol=1e-9
        )
    assert np.isnan(result.realized_vol_21d[[CASH, BROKE, PRIVATE]]).all()


def all_numbers(holdings: Holdings, model: Model) -> np.ndarray:
    """What matters of every portfolio, (n_portfolios, …), relative to equity."""
    exposures = portfolio_exposures(holdings, model.betas)
    risk = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
    tails = tail_risk(model.history(holdings).revalued)
    return np.column_stack(
        [
            exposures.value,
            risk.factor_variance,
            risk.specific_variance,
            risk.ex_ante_vol,
            tails.var / holdings.equity,
            tails.es / holdings.equity,
        ]
    )


def reordered(holdings: Holdings, order: np.ndarray) -> Holdings:
    return dataclasses.replace(
        holdings, portfolio=holdings.portfolio[order], symbol=holdings.symbol[order], value=holdings.value[order]
    )


@examples
@given(seeds)
def test_order_of_positions_and_symbols_does_not_matter(seed: int):
    random = np.random.default_rng(seed)
    model, holdings = random_model(seed), books(8, seed)
    expected = all_numbers(holdings, model)
    assert_allclose(
        all_numbers(reordered(holdings, random.permutation(len(holdings.value))), model), expected, rtol=1e-9
    )
    order = random.permutation(8)
    renamed = dataclasses.replace(
        holdings, symbol=np.where(holdings.symbol < 0, -1, np.argsort(order)[holdings.symbol])
    )
    shuffled = dataclasses.replace(
        model,
        returns=model.returns[:, order],
        filled=model.filled[:, order],
        betas=model.betas[order],
        residual_variance=model.residual_variance[order],
    )
    assert_allclose(all_numbers(renamed, shuffled), expected, rtol=1e-9)


@examples
@given(seeds, st.floats(0.05, 0.95))
def test_splitting_a_lot_changes_no_total_and_shares_its_contribution(seed: int, share: float):
    model, holdings = random_model(seed), books(8, seed)
    lot = int(
        np.flatnonzero((holdings.portfolio == LONG_SHORT) & (holdings.symbol >= 0) & np.isfinite(holdings.value))[0]
    )
    value = holdings.value.copy()
    value[lot] *= share
    split = Holdings(
        np.append(holdings.portfolio, LONG_SHORT),
        np.append(holdings.symbol, holdings.symbol[lot]),
        np.append(value, holdings.value[lot] * (1 - share)),
        holdings.equity,
        8,
    )
    assert_allclose(all_numbers(split, model), all_numbers(holdings, model), rtol=1e-9)
    before = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
    after = ex_ante_risk(split, model.betas, model.residual_variance, model.covariance)
    assert_allclose(
        after.contribution_vol[lot] + after.contribution_vol[-1], before.contribution_vol[lot], rtol=1e-8, atol=1e-12
    )
    assert_allclose(after.marginal_vol[-1], before.marginal_vol[lot], rtol=1e-8)


@examples
@given(seeds, st.floats(0.01, 100))
def test_scaling_a_book_with_its_equity_changes_no_ratio(seed: int, scale: float):
    model, holdings = random_model(seed), books(8, seed)
    scaled = dataclasses.replace(holdings, value=scale * holdings.value, equity=scale * holdings.equity)
    assert_allclose(all_numbers(scaled, model), all_numbers(holdings, model), rtol=1e-9)


@examples
@given(seeds)
def test_other_portfolios_do_not_matter(seed: int):
    model, holdings = random_model(seed), books(8, seed)
    mine = holdings.portfolio == LONG_SHORT
    alone = Holdings(
        np.zeros(mine.sum(), dtype=np.int64),
        holdings.symbol[mine],
        holdings.value[mine],
        holdings.equity[[LONG_SHORT]],
        8,
    )
    assert_allclose(all_numbers(alone, model)[0], all_numbers(holdings, model)[LONG_SHORT], rtol=1e-9)


@given(seeds)
def test_in_any_company_a_portfolio_has_the_same_numbers_to_the_last_bit(seed: int):
    """Which portfolios are computed together depends on memory and workers; one alone is never a part of several."""
    rng = np.random.default_rng(seed)
    model, n_portfolios = random_model(seed), 7
    owner = np.repeat(np.arange(n_portfolios), 5)
    symbol, value = rng.integers(0, 8, len(owner)), rng.normal(0, 1e4, len(owner))
    equity = rng.uniform(1e5, 2e5, n_portfolios)
    own, benchmark = rng.normal(0, 0.01, (300, n_portfolios)), rng.normal(0, 0.01, 300)

    def numbers(some: np.ndarray) -> list[np.ndarray]:
        theirs = np.isin(owner, some)
        place = np.searchsorted(some, owner[theirs])
        holdings = Holdings(place, symbol[theirs], value[theirs], equity[some], 8)
        risk = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
        pnl = model.history(holdings).linear
        tails = tail_risk(pnl), tail_risk(scale_to_volatility(pnl))
        of_book = volatility(pnl / equity[some])
        beta = benchmark_betas(own[:, some], benchmark)
        return [
            portfolio_exposures(holdings, model.betas).value,
            risk.ex_ante_vol,
            risk.marginal_vol.reshape(len(some), -1),
            *(each for tail in tails for each in (tail.var, tail.es)),
            *(of_book.realized_vol_63d, of_book.expected_vol_21d, of_book.vol_trend_strength, of_book.model_r_squared),
            *(beta.raw_beta, beta.forecast_beta, beta.std_error),
            drawdowns(own[:, some])[-1],
        ]

    everybody = numbers(np.arange(n_portfolios))
    some = np.sort(rng.choice(n_portfolios, rng.integers(2, n_portfolios), replace=False))
    for alone, together in zip(numbers(some), everybody, strict=True):
        assert_array_equal(alone, together[some])


@examples
@given(seeds)
def test_a_cash_only_portfolio_has_no_risk_and_leaves_the_others_theirs(seed: int):
    model, holdings = random_model(seed), books(8, seed)
    expected = all_numbers(holdings, model)
    with_cash = dataclasses.replace(holdings, equity=np.append(holdings.equity, 7e4))
    numbers = all_numbers(with_cash, model)
    assert_allclose(numbers[:-1], expected, rtol=1e-12)
    assert_array_equal(numbers[-1], 0.0)


@examples
@given(seeds, st.floats(1.5, 20))
def test_a_book_the_other_way_round_has_the_same_volatility_and_leverage_multiplies_it(seed: int, leverage: float):
    model, holdings = random_model(seed), books(8, seed)
    short = dataclasses.replace(holdings, value=-holdings.value)
    levered = dataclasses.replace(holdings, equity=holdings.equity / leverage)

    def of(each: Holdings) -> tuple[np.ndarray, np.ndarray]:
        risk = ex_ante_risk(each, model.betas, model.residual_variance, model.covariance)
        return risk.ex_ante_vol, portfolio_exposures(each, model.betas).value

    (volatility_, exposure), (volatility_short, exposure_short), (volatility_levered, exposure_levered) = map(
        of, (holdings, short, levered)
    )
    assert_allclose(volatility_short, volatility_, rtol=1e-9)
    assert_allclose(exposure_short, -exposure, rtol=1e-9)
    assert_allclose(volatility_levered, leverage * volatility_, rtol=1e-9)
    assert_allclose(exposure_levered, leverage * exposure, rtol=1e-9)


@examples
@given(seeds)
def test_long_and_short_of_the_same_thing_leave_no_trace(seed: int):
    random = np.random.default_rng(seed)
    model = random_model(seed)
    lots = random.uniform(1, 100, 3)
    cancelled = [(0, 4, -lots.sum())] + [(0, 4, lot) for lot in lots]  # leaves rounding behind, added in this order
    holdings = holdings_of(
        (0, 1, 50.0), *cancelled, *((1, s, v) for _, s, v in cancelled), equity=[100.0, 100.0], n_symbols=8
    )
    net = holdings.net_values()
    assert net[[0]].nnz == 1
    assert net[[1]].nnz == 0
    risk = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
    alone = ex_ante_risk(
        holdings_of((0, 1, 50.0), equity=[100.0], n_symbols=8), model.betas, model.residual_variance, model.covariance
    )
    assert_allclose(risk.ex_ante_vol, [alone.ex_ante_vol[0], 0.0], rtol=1e-12)
    assert_allclose(np.nansum(risk.contribution_vol[1:5]), 0.0, atol=1e-12)
    assert np.isnan(risk.marginal_vol[5:]).all()  # a book without risk has no gradient


@examples
@given(seeds)
def test_a_book_of_one_factor_etf_has_that_etfs_risk(seed: int):
    model = random_model(seed)
    holdings = holdings_of((0, 3, 1000.0), equity=[1000.0], n_symbols=8)
    risk = ex_ante_risk(holdings, model.betas, model.residual_variance, model.covariance)
    beta = model.betas[3]
    expected = np.sqrt(252 * (beta @ model.covariance @ beta + model.residual_variance[3]))
    assert_allclose(risk.ex_ante_vol, expected, rtol=1e-12)
    assert_allclose(risk.marginal_vol, expected, rtol=1e-12)
    assert_allclose(risk.contribution_share, 1.0, rtol=1e-12)


def test_no_positions_at_all():
    model = random_model(26)
    holdings = holdings_of(equity=[100.0], n_symbols=8)
    assert_array_equal(all_numbers(holdings, model), 0.0)
