"""Stress tests: the effect of a scenario on the factors, and the effect of the factors on every portfolio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Booleans, Floats, Integers, Texts, as_columns
from python_models.statistics.covariance import correlation_from_covariance
from python_models.statistics.factors import INTEREST_RATE, MARKET
from python_models.statistics.options import OptionPositions
from python_models.statistics.portfolio_risk import Holdings

LARGEST_SHOCK = 60.0
LARGEST_CONDITION_NUMBER = 1e6

NOTHING_SHOCKED = "no position has factor exposures"


@dataclass(frozen=True)
class Scenario:
    """A set of factor shocks.

    Attributes:
        scenario_id: the text that identifies it.
        shocks: factor to its return as a decimal (−0.2 is −20 %): total return for Market and Interest Rate, excess
            over the market for the style factors.
        rate_change: parallel shift of the yield curve in basis points, instead of a return of Interest Rate.
        is_replay: the shocks are those of market, rates and styles in a dated window. A sector without data in it gets
            its expectation given them, however large their moves.
    """

    scenario_id: str
    shocks: Mapping[str, float] = field(default_factory=dict[str, float])
    rate_change: float | None = None
    is_replay: bool = False


@dataclass(frozen=True)
class FactorShocks:
    """The effect of each scenario on each factor, as returns (n_scenarios, n_factors).

    `direct` has the shocked factors and zero elsewhere; `correlated` has the expected returns of the others as well. A
    row is NaN where `direct_reason` or `correlated_reason` (n_scenarios,) has a reason.
    """

    scenario_ids: tuple[str, ...]
    factors: tuple[str, ...]
    direct: Floats
    correlated: Floats
    direct_reason: Texts
    correlated_reason: Texts


@dataclass(frozen=True)
class StressResults:
    """Profit and loss of every portfolio in every scenario, dollars (n_portfolios, n_scenarios); losses are negative.

    `factor_impacts` (n_portfolios, n_scenarios, n_factors) and `nonlinear` (floor and options) add up to
    `correlated_pnl`, which less `direct_pnl` is `correlation_effect`; `stressed_equity` is equity +
    `correlated_pnl`. `positions_excluded` (n_portfolios,) counts positions that the scenarios do not touch: private
    ones and those without exposures. `reason` (n_portfolios, n_scenarios) says why something is NaN, "" where
    nothing is.
    """

    direct_pnl: Floats
    correlated_pnl: Floats
    correlation_effect: Floats
    stressed_equity: Floats
    factor_impacts: Floats
    nonlinear: Floats
    positions_excluded: Integers
    reason: Texts


@dataclass(frozen=True)
class _Conditions:
    """The data about factors that are shocked together from which the others' expectation follows.

    `shocked` and `others` are places; `correlation` and `deviation` (daily) are of the shocked ones and
    `towards_others` (n_others, n_shocked) is the covariance. `reason` says why nothing can be expected, "" if it can.
    """

    shocked: Integers
    others: Integers
    correlation: Floats
    deviation: Floats
    towards_others: Floats
    reason: str


def rate_change_return(basis_points: ArrayLike, *, duration: float, convexity: float) -> Floats:
    """Return of the bond ETF (TLT) when yields shift: −D·Δy + ½·C·Δy², Δy as a decimal (Fisher and Weil 1971).

    Args:
        basis_points: parallel shift, measured at the 10-year; positive when yields rise.
        duration: D in years.
        convexity: C in years².
    """
    change = np.asarray(basis_points, float) / 10_000.0
    return -duration * change + 0.5 * convexity * change**2


def replay_shocks(returns: ArrayLike, symbols: Sequence[str], chosen: Mapping[str, str]) -> dict[str, float]:
    """The returns of the factors over a past window.

    Market and Interest Rate: the compounded total return of their ETFs, Π(1 + r) − 1. A style factor: its ETF's
    compounded return minus the Market's.

    A factor is absent where one of its ETFs lacks a return in the window: the seed's constants replace it.

    Args:
        returns: daily total returns of the window's sessions alone (n_sessions, n_symbols).
        symbols: names of the columns.
        chosen: factor to ETF.
    """
    returns = as_columns(returns)
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    compounded = {
        factor: float(np.prod(1.0 + returns[:, columns[etf]]) - 1.0)
        for factor, etf in chosen.items()
        if etf in columns and len(returns) and np.isfinite(returns[:, columns[etf]]).all()
    }
    shocks: dict[str, float] = {}
    for factor, total in compounded.items():
        if factor in (MARKET, INTEREST_RATE):
            shocks[factor] = total
        elif MARKET in compounded:
            shocks[factor] = total - compounded[MARKET]
    return shocks


def factor_shocks(
    scenarios: Sequence[Scenario],
    factors: Sequence[str],
    covariance: ArrayLike,
    *,
    duration: float,
    convexity: float,
) -> FactorShocks:
    """Turn scenarios into returns of all factors.

    Factors that a scenario does not shock move by their conditional expectation given those that it does,
    Σ_os·Σ_ss⁻¹·s (Kupiec 1998). That is trusted no further than the data reach: where some factor is left unshocked,
    `correlated` is NaN, with the reason, if the shocks exceed 60 daily standard deviations (√(s'·Σ_ss⁻¹·s)) or Σ_ss as
    a correlation matrix has a condition number over 1e6. Where all are shocked nothing is expected, and there is no
    guard. A replay shocks all that could be known of its window: sectors that are left follow, whatever the size.

    Args:
        scenarios: to be applied.
        factors: names of the factors that symbols have exposures to. A scenario that shocks another has no result
            at all.
        covariance: equally weighted daily covariance of those factors (n_factors, n_factors), NaN where there is none.
        duration: of the bond ETF, for scenarios with a rate change.
        convexity: of the bond ETF.
    """
    factors = tuple(factors)
    covariance = np.asarray(covariance, float)
    shape = (len(scenarios), len(factors))
    direct, correlated = np.zeros(shape), np.zeros(shape)
    direct_reason: list[str] = []
    correlated_reason: list[str] = []

    # many scenarios shock the same factors
    @cache
    def conditions(shocked: tuple[int, ...]) -> _Conditions:
        return _condition_on(shocked, covariance)

    for row, scenario in enumerate(scenarios):
        shocks = dict(scenario.shocks)
        if scenario.rate_change is not None:
            shocks[INTEREST_RATE] = float(
                rate_change_return(scenario.rate_change, duration=duration, convexity=convexity)
            )
        missing = [factor for factor in shocks if factor not in factors]
        if missing:
            reason = expected_reason = f"no returns for factor {', '.join(missing)}"
            direct[row] = correlated[row] = np.nan
        else:
            reason = ""
            shocked = [factors.index(factor) for factor in shocks]
            direct[row, shocked] = list(shocks.values())
            largest = np.inf if scenario.is_replay else LARGEST_SHOCK
            given = conditions(tuple(shocked))
            correlated[row], expected_reason = _conditional_expectation(direct[row], given, largest)
        direct_reason.append(reason)
        correlated_reason.append(expected_reason)
    return FactorShocks(
        scenario_ids=tuple(scenario.scenario_id for scenario in scenarios),
        factors=factors,
        direct=direct,
        correlated=correlated,
        direct_reason=np.array(direct_reason, dtype=np.str_),
        correlated_reason=np.array(correlated_reason, dtype=np.str_),
    )


def stress_test(
    holdings: Holdings, betas: ArrayLike, shocks: FactorShocks, options: OptionPositions | None = None
) -> StressResults:
    """Apply factor shocks to all portfolios.

    A symbol's stressed return is Σ_f β_f·s_f, not below −100 %; a position's P&L is value × that return, so that a
    short gains what a long loses. Options are revalued by Black–Scholes at the stressed price of their underlying,
    volatility unchanged: P&L = units × (stressed model value − model value now). The linear part, value·β_f·s_f
    with an option at its delta-equivalent value, is attributed to the factors, the rest to `nonlinear`.

    Args:
        holdings: of all portfolios; positions without a symbol, a value or betas are not shocked, and counted.
        betas: joint (ridge) betas (n_symbols, n_factors) in the order of `shocks.factors`; NaN where a symbol has none.
        shocks: as `factor_shocks` returns them.
        options: the holdings' options; one without volatility (before its expiry) is not shocked, and counted.

    A portfolio without positions loses nothing; one whose positions are all excluded has no result (NaN).
    """
    betas = as_columns(betas)
    if betas.shape[1] != len(shocks.factors):
        raise ValueError(f"betas to {betas.shape[1]} factors, shocks of {len(shocks.factors)}")
    positions = holdings.covered(np.isfinite(betas).all(axis=1) & (betas.shape[1] > 0))
    is_option = np.zeros(len(positions), bool)
    if options is not None:
        is_option[options.position] = True
        positions[options.position] &= options.is_valued
    stocks = holdings.net_values(positions & ~is_option)
    exposure = holdings.net_values(positions) @ np.nan_to_num(betas)
    betas = np.nan_to_num(betas)

    def respond(factor_returns: Floats) -> tuple[Floats, Floats]:
        """Linear P&L by factor (n_portfolios, n_scenarios, n_factors), and the rest (n_portfolios, n_scenarios)."""
        linear = exposure[:, None, :] * factor_returns[None, :, :]
        symbol_returns = betas @ factor_returns.T
        floored = np.maximum(symbol_returns, -1.0)
        rest = stocks @ (floored - symbol_returns)
        if options is not None:
            rest = rest + _option_rest(holdings, options, positions, symbol_returns, floored)
        return linear, rest

    direct_linear, direct_rest = respond(shocks.direct)
    linear, rest = respond(shocks.correlated)
    nothing = ((holdings.count(positions) == 0) & ~holdings.is_empty)[:, None]
    no_direct = nothing | (shocks.direct_reason != "")
    no_correlated = nothing | (shocks.correlated_reason != "")
    direct_pnl = np.where(no_direct, np.nan, direct_linear.sum(axis=2) + direct_rest)
    factor_impacts = np.where(no_correlated[:, :, None], np.nan, linear)
    nonlinear = np.where(no_correlated, np.nan, rest)
    correlated_pnl = factor_impacts.sum(axis=2) + nonlinear
    return StressResults(
        direct_pnl=direct_pnl,
        correlated_pnl=correlated_pnl,
        correlation_effect=correlated_pnl - direct_pnl,
        stressed_equity=np.asarray(holdings.equity, float)[:, None] + correlated_pnl,
        factor_impacts=factor_impacts,
        nonlinear=nonlinear,
        positions_excluded=holdings.count(~positions),
        reason=np.where(nothing, NOTHING_SHOCKED, shocks.correlated_reason),
    )


def _condition_on(shocked: Sequence[int], covariance: Floats) -> _Conditions:
    """Prepare the expectation of the other factors, given those that are shocked together."""
    given = np.array(shocked, dtype=np.intp)
    among = covariance[np.ix_(given, given)]
    correlation = correlation_from_covariance(among)
    reason = ""
    if not np.isfinite(covariance).all():
        reason = "no covariance of the factors"
    elif not np.isfinite(correlation).all():
        reason = "a shocked factor has not moved"
    elif shocked and not (condition := np.linalg.cond(correlation)) <= LARGEST_CONDITION_NUMBER:
        reason = f"the shocked factors are nearly one (condition number {condition:.1e})"
    others = np.setdiff1d(np.arange(len(covariance)), shocked)
    return _Conditions(
        shocked=given,
        others=others,
        correlation=correlation,
        deviation=np.sqrt(np.diag(among)),
        towards_others=covariance[np.ix_(others, given)],
        reason=reason,
    )


def _conditional_expectation(shock: Floats, given: _Conditions, largest: float) -> tuple[Floats, str]:
    """Fill the factors that are not shocked with their expectation; NaN and a reason where it cannot be trusted.

    Shocks beyond `largest` daily standard deviations are not trusted.
    """
    if not len(given.others):
        return shock.copy(), ""
    nothing = np.full_like(shock, np.nan)
    if given.reason:
        return nothing, given.reason
    # solved in units of standard deviations, for which the condition number was checked
    sizes = shock[given.shocked] / given.deviation
    weights = np.linalg.solve(given.correlation, sizes)
    sigmas = float(np.sqrt(max(sizes @ weights, 0.0)))
    if sigmas > largest:
        rounded_up = math.ceil(sigmas * 10) / 10
        return nothing, f"the shocks are {rounded_up:.1f} daily standard deviations, more than {largest:g}"
    expected = shock.copy()
    expected[given.others] = given.towards_others @ (weights / given.deviation)
    return expected, ""


def _option_rest(
    holdings: Holdings, options: OptionPositions, positions: Booleans, symbol_returns: Floats, floored: Floats
) -> Floats:
    """P&L of options beyond delta × move, by portfolio and scenario (n_portfolios, n_scenarios)."""
    used = positions[options.position]
    position = options.position[used]
    symbol = holdings.symbol[position]
    revalued = options.revalued(floored[holdings.symbol[options.position]])[used]
    rest = revalued - holdings.value[position, None] * symbol_returns[symbol]
    return holdings.by_portfolio(position) @ rest
