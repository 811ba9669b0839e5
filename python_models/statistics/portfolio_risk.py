"""Risk of whole portfolios: exposures, ex-ante volatility and who contributes to it, historical losses, drawdown.

All portfolios of a date are handled at once: their positions are parallel arrays (`Holdings`), netted per symbol
into one sparse matrix, and a result has one entry for each portfolio. A missing result is NaN, with a reason beside it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from python_models.statistics.conventions import (
    Booleans,
    Floats,
    Integers,
    Texts,
    annualise_variance,
    as_columns,
    divide,
)
from python_models.statistics.covariance import EWMA_DECAY
from python_models.statistics.options import OptionPositions

RISK_WINDOW = 252
RISK_MINIMUM = 60
TAIL = 0.05
SCALE_MINIMUM = 21

EQUITY_NOT_POSITIVE = "equity is not positive"
NOTHING_COVERED = "no position has a beta"
NO_FACTOR_COVARIANCE = "too few sessions with all factor returns for a factor covariance"
TOO_FEW_SESSIONS = f"fewer than {RISK_MINIMUM} sessions with returns of the holdings"

# Lots that cancel leave a rounding error; a net value below this share of a symbol's gross value counts as zero.
_CANCELLED = 1e-12


@dataclass(frozen=True)
class Holdings:
    """The positions of all portfolios on one date, as parallel arrays (n_positions,).

    Attributes:
        portfolio: row of each position's portfolio, 0 to n_portfolios − 1.
        symbol: column of its symbol in the panel (an option's is its underlying's), −1 where it has none (private).
        value: dollars, negative for a short; an option's delta-equivalent value, NaN where that is unknown.
        equity: dollars of each portfolio (n_portfolios,).
        n_symbols: columns of the panel.
    """

    portfolio: Integers
    symbol: Integers
    value: Floats
    equity: Floats
    n_symbols: int

    @property
    def n_portfolios(self) -> int:
        """Number of portfolios, those without positions included."""
        return len(self.equity)

    @cached_property
    def has_equity(self) -> Booleans:
        """Which portfolios have a positive equity, so that weights mean something (n_portfolios,)."""
        return np.asarray(self.equity) > 0

    @cached_property
    def is_empty(self) -> Booleans:
        """Which portfolios hold no position at all (n_portfolios,): cash, whose risk is zero."""
        return np.bincount(self.portfolio, minlength=self.n_portfolios) == 0

    def covered(self, symbols: Booleans) -> Booleans:
        """Return which positions (n_positions,) have a value and one of `symbols` (n_symbols,)."""
        return (self.symbol >= 0) & np.isfinite(self.value) & np.append(symbols, False)[self.symbol]

    def count(self, positions: Booleans) -> Integers:
        """Count the marked positions of each portfolio (n_portfolios,)."""
        return np.bincount(self.portfolio[positions], minlength=self.n_portfolios)

    def by_portfolio(self, position: Integers) -> csr_array:
        """A matrix that sums rows of the given positions by portfolio (n_portfolios, n_given)."""
        place = (self.portfolio[position], np.arange(len(position)))
        return csr_array((np.ones(len(position)), place), shape=(self.n_portfolios, len(position)))

    def net_values(self, positions: Booleans | None = None) -> csr_array:
        """Net dollars (n_portfolios, n_symbols) of the marked positions, or of all that have a symbol and a value.

        What cancels is absent, so a long and a short of the same thing leave no trace.
        """
        used = self.covered(np.ones(self.n_symbols, bool))
        if positions is not None:
            used &= positions
        shape = (self.n_portfolios, self.n_symbols)
        place = (self.portfolio[used], self.symbol[used])
        net = csr_array((self.value[used], place), shape=shape)
        gross = csr_array((np.abs(self.value[used]), place), shape=shape)
        net.sum_duplicates()
        gross.sum_duplicates()
        net.data[np.abs(net.data) <= _CANCELLED * gross.data] = 0.0
        net.eliminate_zeros()
        return net


@dataclass(frozen=True)
class PortfolioExposures:
    """Exposure of each portfolio to each factor of one model; arrays (n_portfolios, n_factors).

    `dollar` = Σ value·beta over the positions that have one, `value` = dollar / equity. `covered` and `without`
    count positions. Where `reason` is not empty, `value` is NaN, and so is `dollar` unless the reason is the
    equity.
    """

    dollar: Floats
    value: Floats
    covered: Integers
    without: Integers
    reason: Texts


@dataclass(frozen=True)
class ExAnteRisk:
    """Expected risk of each portfolio from the factor model, annual, as decimals of equity.

    (n_portfolios,): `factor_variance` and `specific_variance` add up to `ex_ante_vol`²; `positions_without` counts
    positions left out for want of a beta; `reason` says why there is no number, "" where there is. (n_positions,):
    `marginal_vol` (∂vol/∂weight), `contribution_vol` = weight × marginal, which add up to `ex_ante_vol`, and
    `contribution_share`, which add up to one; NaN for positions left out.
    """

    factor_variance: Floats
    specific_variance: Floats
    ex_ante_vol: Floats
    positions_without: Integers
    reason: Texts
    marginal_vol: Floats
    contribution_vol: Floats
    contribution_share: Floats


@dataclass(frozen=True)
class BookHistory:
    """The P&L of today's holdings on past sessions, dollars (n_sessions, n_portfolios), oldest first.

    `linear` has options at their delta, `revalued` has each of them valued anew. NaN on sessions for which some holding
    has neither a return nor a stand-in.
    """

    linear: Floats
    revalued: Floats


@dataclass(frozen=True)
class TailRisk:
    """One-day historical losses of each portfolio in dollars (n_portfolios,): positive is a loss, negative a gain."""

    var: Floats
    es: Floats
    reason: Texts


def portfolio_exposures(holdings: Holdings, betas: ArrayLike) -> PortfolioExposures:
    """Dollar and equity-relative exposure of every portfolio to every factor of a model.

    dollar = Σ value_i·β_i over positions with a beta; value = dollar / equity, the portfolio's beta. Positive:
    gains when the factor rises. Positions are never given a beta of zero for want of one: they are counted in
    `without`. A portfolio without positions has zero exposure; one whose positions all lack a beta has none (NaN).

    Args:
        holdings: of all portfolios.
        betas: (n_symbols, n_factors), or (n_symbols,) for one factor; NaN where a symbol has none.
    """
    betas = as_columns(betas)
    known = np.isfinite(betas)
    dollar = holdings.net_values() @ np.where(known, betas, 0.0)
    covered = np.empty(dollar.shape, dtype=np.int64)
    for factor, symbols in enumerate(known.T):
        covered[:, factor] = holdings.count(holdings.covered(symbols))
    total = np.bincount(holdings.portfolio, minlength=holdings.n_portfolios)[:, None]
    nothing = (covered == 0) & (total > 0)
    dollar[nothing] = np.nan
    equity = np.where(holdings.has_equity, holdings.equity, np.nan)[:, None]
    return PortfolioExposures(
        dollar=dollar,
        value=divide(dollar, equity),
        covered=covered,
        without=total - covered,
        reason=_reasons((nothing, NOTHING_COVERED), (~holdings.has_equity[:, None], EQUITY_NOT_POSITIVE)),
    )


def ex_ante_risk(
    holdings: Holdings, betas: ArrayLike, residual_variance: ArrayLike, factor_covariance: ArrayLike
) -> ExAnteRisk:
    """Volatility that the factor model expects of every portfolio, and each position's part in it.

    vol² = 252·(b'Fb + Σ w_i²·σ²_i), b = Σ w_i·β_i (Sharpe 1963; Rosenberg 1974), w_i a symbol's net value / equity.
    By Euler's theorem vol = Σ w_i·∂vol/∂w_i, with ∂vol/∂w_i = 252·(β_i'Fb + w_i·σ²_i) / vol (Litterman 1996):
    several positions in one symbol have the same marginal and share its contribution by value, so that splitting
    one changes nothing.

    Args:
        holdings: of all portfolios.
        betas: joint (ridge) betas (n_symbols, n_factors); NaN where a symbol has none, and its positions are left out.
        residual_variance: daily variance of each symbol's residuals (n_symbols,).
        factor_covariance: daily (n_factors, n_factors), NaN where there is none.

    A portfolio without positions has zero; its marginals, like those of any book without risk, are not defined (NaN).
    """
    betas = as_columns(betas)
    residual_variance = np.asarray(residual_variance, float)
    factor_covariance = np.asarray(factor_covariance, float)
    positions = holdings.covered(np.isfinite(betas).all(axis=1) & np.isfinite(residual_variance))
    nothing = (holdings.count(positions) == 0) & ~holdings.is_empty
    no_covariance = not np.isfinite(factor_covariance).all()
    known = holdings.has_equity & ~nothing & (holdings.is_empty | (not no_covariance))
    equity = np.where(known, holdings.equity, np.nan)

    net = holdings.net_values(positions)
    exposure = net @ np.nan_to_num(betas) / equity[:, None]
    # without a covariance only portfolios without positions have a number, and theirs is zero whatever it is
    # added up factor by factor: the last bits of a matrix product depend on how many other portfolios there are
    along = (exposure[:, :, None] * np.nan_to_num(factor_covariance)).sum(axis=1)
    factor_variance = annualise_variance((along * exposure).sum(axis=1))
    specific_variance = annualise_variance(net.power(2) @ np.nan_to_num(residual_variance) / equity**2)
    volatility = np.sqrt(factor_variance + specific_variance)

    portfolio, symbol = holdings.portfolio, np.where(positions, holdings.symbol, 0)
    weight = holdings.value / equity[portfolio]
    own = residual_variance[symbol] * _net_of_symbol(holdings, positions) / equity[portfolio]
    gradient = annualise_variance((betas[symbol] * along[portfolio]).sum(axis=1) + own)
    marginal = np.where(positions, divide(gradient, volatility[portfolio]), np.nan)
    return ExAnteRisk(
        factor_variance=factor_variance,
        specific_variance=specific_variance,
        ex_ante_vol=volatility,
        positions_without=holdings.count(~positions),
        reason=_reasons(
            (~holdings.has_equity, EQUITY_NOT_POSITIVE),
            (nothing, NOTHING_COVERED),
            (~holdings.is_empty & no_covariance, NO_FACTOR_COVARIANCE),
        ),
        marginal_vol=marginal,
        contribution_vol=weight * marginal,
        contribution_share=divide(weight * marginal, volatility[portfolio]),
    )


def book_history(
    holdings: Holdings,
    returns: ArrayLike,
    has_beta: Booleans,
    options: OptionPositions | None = None,
    *,
    window: int = RISK_WINDOW,
) -> BookHistory:
    """P&L that today's holdings would have made on past sessions: Σ value_i·r_it (Hendricks 1996).

    A holding that lacks a return within the last `window` sessions, stand-ins counted, is left out of all sessions, so
    that one and the same book is measured throughout. Options are revalued at their underlying's return
    (`OptionPositions.revalued`); one that has no value is left out likewise.

    Args:
        holdings: of all portfolios.
        returns: daily returns (n_sessions, n_symbols) up to the date, stand-ins (`stand_ins.fill_returns`) among them.
        has_beta: the symbols (n_symbols,) that stand-ins could be made for; nothing else may lack a return.
        options: the holdings' options.
        window: sessions on which a holding must have returns or a beta.
    """
    returns = as_columns(returns)
    usable = np.isfinite(returns[-window:]).all(axis=0) | has_beta
    positions = holdings.covered(usable)
    net = holdings.net_values(positions)
    held = np.unique(net.indices)
    linear = (net[:, held] @ returns[:, held].T).T
    linear[:, (holdings.count(positions) == 0) & ~holdings.is_empty] = np.nan
    if options is None:
        return BookHistory(linear, linear)
    used = positions[options.position] & options.is_valued
    position = options.position[used]
    moves = np.maximum(returns[:, holdings.symbol[options.position]], -1.0).T
    beyond = options.revalued(moves)[used] - holdings.value[position, None] * moves[used]
    return BookHistory(linear, linear + (holdings.by_portfolio(position) @ beyond).T)


def scale_to_volatility(pnl: ArrayLike, *, decay: float = EWMA_DECAY, minimum: int = SCALE_MINIMUM) -> Floats:
    """Bring past P&L to today's volatility: p_t·σ_T / σ_t (Hull and White 1998).

    σ² is the exponentially weighted mean of the squared P&L, weights `decay`^age: σ_t² of the sessions before t, the
    forecast for t, and σ_T² of all of them, the forecast for the next session.

    Args:
        pnl: (n_sessions, n_portfolios), oldest first.
        decay: weight of a session relative to the next one.
        minimum: sessions with a P&L before t below which there is no σ_t.

    NaN policy: sessions without a P&L are left out, and still age those before them. NaN where there is no σ_t, or a
    P&L out of nothing; no P&L stays none, as in a book of cash.
    """
    pnl = as_columns(pnl)
    known = np.isfinite(pnl)
    squares = np.where(known, pnl * pnl, 0.0)
    total, weight = np.zeros(pnl.shape[1]), np.zeros(pnl.shape[1])
    before = np.empty_like(pnl)
    for session, (square, is_known) in enumerate(zip(squares, known, strict=True)):
        before[session] = divide(total, weight)
        total = decay * total + square
        weight = decay * weight + is_known
    enough = np.cumsum(known, axis=0) - known >= minimum
    scaled = pnl * np.sqrt(divide(divide(total, weight), np.where(enough, before, np.nan)))
    return np.where(enough & (pnl == 0), 0.0, scaled)


def tail_risk(
    pnl: ArrayLike, *, tail: float = TAIL, window: int = RISK_WINDOW, minimum: int = RISK_MINIMUM
) -> TailRisk:
    """Historical value at risk and expected shortfall of one day, in the units of `pnl` (dollars).

    VaR = −(the `tail` quantile of P&L, by linear interpolation); ES = −(mean of the P&L at or below that quantile)
    (Artzner, Delbaen, Eber and Heath 1999; Acerbi and Tasche 2002). Positive is a loss; not clipped, so a book that
    gained on its worst days has a negative one. ES ≥ VaR always.

    Args:
        pnl: (n_sessions, n_portfolios); the last `window` sessions are used, those with NaN are not.
        tail: probability, 0.05 for the 95 % level.
        window: sessions looked at.
        minimum: sessions with a P&L below which there is no number.
    """
    pnl = as_columns(pnl, window)
    known = np.isfinite(pnl)
    observations = known.sum(axis=0)
    enough = observations >= minimum
    quantile = np.full(pnl.shape[1], np.nan)
    # a complete history, as nearly all are, needs no sorting around gaps
    complete = enough & (observations == len(pnl))
    quantile[complete] = np.quantile(pnl[:, complete], tail, axis=0)
    for column in np.flatnonzero(enough & ~complete):
        quantile[column] = np.quantile(pnl[known[:, column], column], tail)
    beyond = known & (pnl <= quantile)
    shortfall = divide(np.where(beyond, pnl, 0.0).sum(axis=0), beyond.sum(axis=0))
    return TailRisk(
        var=0.0 - quantile,
        es=np.where(enough, 0.0 - shortfall, np.nan),
        reason=_reasons((~enough, TOO_FEW_SESSIONS)),
    )


def drawdowns(daily_returns: ArrayLike) -> Floats:
    """Deepest fall so far from a peak, of chain-linked daily returns: min over s ≤ t of W_s / max(1, W_1, …, W_s) − 1.

    The value before the first return counts as a peak. Zero or negative, a decimal; the last row is the maximum
    drawdown of the whole series, row t that of a portfolio seen on session t.

    Args:
        daily_returns: (n_sessions, n_portfolios) from inception; a missing one counts as no change.
    """
    daily_returns = as_columns(daily_returns)
    wealth = np.cumprod(1.0 + np.where(np.isfinite(daily_returns), daily_returns, 0.0), axis=0)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=0), 1.0)
    return np.minimum.accumulate(wealth / peak - 1.0, axis=0)


def _net_of_symbol(holdings: Holdings, positions: Booleans) -> Floats:
    """Net dollars of all marked positions in the same portfolio and symbol, at each position (n_positions,)."""
    key = holdings.portfolio * (holdings.n_symbols + 1) + holdings.symbol
    _, group = np.unique(key, return_inverse=True)
    net = np.bincount(group, weights=np.where(positions, holdings.value, 0.0))
    return net.astype(np.float64)[group]


def _reasons(*cases: tuple[ArrayLike, str]) -> Texts:
    """Name the first case that holds, "" where none does."""
    conditions = np.broadcast_arrays(*(np.asarray(condition, bool) for condition, _ in cases))
    return np.select(conditions, [text for _, text in cases], "")
