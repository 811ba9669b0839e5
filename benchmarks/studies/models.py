"""What each model would have forecast on every session of five years, and how that came out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies.books import FACTOR_ETFS, FIRST, LAST, SECTOR_ETFS, Books, Market
from benchmarks.studies.errors import Figure, figure
from python_models.statistics.backtest import tail_backtest
from python_models.statistics.betas import benchmark_betas
from python_models.statistics.conventions import quality_flags
from python_models.statistics.covariance import (
    COVARIANCE_MINIMUM,
    COVARIANCE_WINDOW,
    ewma_covariance,
    sample_covariance,
)
from python_models.statistics.factors import (
    MARKET,
    FactorReturns,
    choose_factor_etfs,
    factor_returns,
    ridge_exposures,
)
from python_models.statistics.portfolio_risk import scale_to_volatility, tail_risk
from python_models.statistics.regression import RidgeRegression, ridge
from python_models.statistics.stand_ins import fill_returns

Floats = NDArray[np.float64]

AHEAD = 21
# Months that are drawn together by the bootstrap, for figures that are made of months.
MONTHS = 3
# The penalties that cross-validation chooses from, for standardised factors over a year.
ALPHAS = np.logspace(-1, 3, 13)
REPLAYS = {
    "COVID": ("2020-02-19", "2020-03-23"),
    "2022": ("2021-12-31", "2022-10-24"),
    "rally": ("2020-03-23", "2020-06-08"),
}


@dataclass(frozen=True)
class FactorModel:
    """A joint ridge: whether sectors are among the factors, the penalty, and whether the market bears it too.

    Without an `alpha` each symbol has one of its own, by leave-one-out cross-validation: scikit-learn's `RidgeCV`.
    """

    with_sectors: bool
    alpha: float | None
    market_is_free: bool

    def factors(self, market: Market, row: int) -> FactorReturns:
        """Returns of the factors over the year up to a row."""
        etfs = FACTOR_ETFS | (SECTOR_ETFS if self.with_sectors else {})
        window = market.returns[list(dict.fromkeys(etfs.values()))].iloc[max(row - 251, 0) : row + 1]
        candidates = {factor: (etf,) for factor, etf in etfs.items()}
        chosen = choose_factor_etfs(window, list(window.columns), candidates, tuple(SECTOR_ETFS))
        return factor_returns(window, list(window.columns), chosen)

    def fit(self, returns: Floats, factors: FactorReturns) -> RidgeRegression:
        """Exposures of all columns of the same year of returns."""
        if self.alpha is None:
            return _cross_validated(returns, factors)
        if self.market_is_free:
            return ridge_exposures(returns, factors, alpha=self.alpha)
        penalties = np.full(len(factors.names), self.alpha)
        return ridge(returns, factors.values, penalties=penalties, window=252, minimum=60)


def _cross_validated(returns: Floats, factors: FactorReturns) -> RidgeRegression:
    """A ridge of each column (n_sessions, n_symbols) on the factors, with the penalty that its own sessions choose."""
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    usable = np.isfinite(factors.values).all(axis=1)
    present = np.isfinite(returns) & usable[:, None]
    n_sessions, (n_symbols, n_factors) = present.sum(axis=0), (returns.shape[1], len(factors.names))
    beta = np.full((n_symbols, n_factors), np.nan)
    intercept, r_squared, variance = (np.full(n_symbols, np.nan) for _ in range(3))
    # all targets that have the same sessions, at once
    patterns, group_of = np.unique(present, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        columns = np.flatnonzero(group_of == number)
        if rows.sum() < COVARIANCE_MINIMUM:
            continue
        scaler = StandardScaler().fit(factors.values[rows])
        x, y = scaler.transform(factors.values[rows]), returns[np.ix_(rows, columns)]
        fit = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, y)
        residuals = y - fit.predict(x).reshape(y.shape)
        beta[columns] = fit.coef_.reshape(len(columns), n_factors) / scaler.scale_
        intercept[columns] = fit.intercept_ - beta[columns] @ scaler.mean_
        squared = (residuals**2).sum(axis=0)
        variance[columns] = squared / (rows.sum() - 1 - n_factors)
        r_squared[columns] = 1.0 - squared / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    flags = quality_flags(n_sessions, minimum=COVARIANCE_MINIMUM, window=COVARIANCE_WINDOW)
    return RidgeRegression(beta, intercept, r_squared, variance, n_sessions, flags)


@dataclass(frozen=True)
class FactorStudy:
    """What a factor model explains of the month after each fit, and what it says of one-sector books.

    R² is the mean over stocks, and of all books' squared returns together; betas to Value and Growth move from month to
    month by `beta_moves` (root mean square, mean of the months). `bias` is of one-sector books (deviation of return /
    forecast, mean of the books), with the factor covariance that the models use, which decays, and with an equally
    weighted one (`bias_equal`).
    """

    r_squared_stocks: Figure
    r_squared_books: Figure
    bias: Figure
    bias_equal: Figure
    replay_errors: dict[str, Figure]
    beta_moves: Figure


def study_factors(market: Market, books: Books, model: FactorModel) -> FactorStudy:
    """Fit on the year before each month, and hold the betas against the month; the ex-ante volatility daily."""
    symbols = list(books.weights.index)
    weights, of_books = books.weights.to_numpy(), books.returns(market)
    returns = market.returns[symbols].to_numpy()
    stocks = np.isin(symbols, market.stocks)
    one_sector = books.kinds == "one sector"
    rows = range(market.place(FIRST) - 1, market.place(LAST))
    forecasts, equal = (np.full((len(rows), one_sector.sum()), np.nan) for _ in range(2))
    errors, totals, book_errors, book_totals, moves = ([] for _ in range(5))
    last = None
    for number, row in enumerate(rows):
        factors = model.factors(market, row)
        fit = model.fit(returns[max(row - 251, 0) : row + 1], factors)
        exposure = fit.beta.T @ weights[:, one_sector]
        specific = fit.residual_variance @ weights[:, one_sector] ** 2
        for into, covariance in ((forecasts, ewma_covariance), (equal, sample_covariance)):
            of_factors = (exposure * (covariance(factors.values).matrix @ exposure)).sum(axis=0)
            into[number] = np.sqrt(of_factors + specific)
        if number % AHEAD or row + AHEAD >= len(returns):
            continue
        actual = returns[row + 1 : row + 1 + AHEAD]
        expected = _factors_ahead(market, factors, row) @ fit.beta.T
        errors.append(((actual - expected) ** 2).sum(axis=0)[stocks])
        totals.append((actual**2).sum(axis=0)[stocks])
        theirs = of_books[row + 1 : row + 1 + AHEAD]
        book_errors.append(((theirs - expected @ weights) ** 2).sum(axis=0))
        book_totals.append((theirs**2).sum(axis=0))
        styles = fit.beta[stocks][:, [factors.names.index("Value"), factors.names.index("Growth")]]
        if last is not None:
            moves.append(np.square(styles - last).mean(axis=1))
        last = styles
    outcomes = of_books[rows.start + 1 : rows.stop + 1, one_sector]

    def bias_statistic(scaled: Floats) -> float:
        return float(scaled.std(axis=0, ddof=1).mean())

    return FactorStudy(
        r_squared_stocks=figure(
            lambda error, total: float(np.mean(1.0 - error.sum(axis=0) / total.sum(axis=0))),
            np.array(errors),
            np.array(totals),
            block=MONTHS,
        ),
        r_squared_books=figure(
            lambda error, total: float(1.0 - error.sum() / total.sum()),
            np.array(book_errors),
            np.array(book_totals),
            block=MONTHS,
        ),
        bias=figure(bias_statistic, outcomes / forecasts),
        bias_equal=figure(bias_statistic, outcomes / equal),
        replay_errors={
            # each replay happened only once, so only the books could have been others
            name: figure(_root_mean_square, _replay_misses(market, books, model, *span)[None, :], block=None)
            for name, span in REPLAYS.items()
        },
        beta_moves=figure(lambda each: float(np.sqrt(each.mean(axis=1)).mean()), np.array(moves), block=MONTHS),
    )


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _factors_ahead(market: Market, factors: FactorReturns, row: int) -> Floats:
    """Returns of the same factors in the month after a row."""
    etfs = FACTOR_ETFS | SECTOR_ETFS
    window = market.returns[[etfs[name] for name in factors.names]].iloc[row + 1 : row + 1 + AHEAD]
    spy = market.returns["SPY"].iloc[row + 1 : row + 1 + AHEAD].to_numpy()
    own = np.array([name in (MARKET, "Interest Rate") for name in factors.names])
    return window.to_numpy() - np.where(own, 0.0, spy[:, None])


def _replay_misses(market: Market, books: Books, model: FactorModel, start: str, end: str) -> Floats:
    """What a replay says one-sector books lose less what they did (n_books,), fractions of equity."""
    row, last = market.place(start), market.place(end)
    symbols = list(books.weights.index)
    factors = model.factors(market, row)
    fit = model.fit(market.returns[symbols].to_numpy()[max(row - 251, 0) : row + 1], factors)
    etfs = FACTOR_ETFS | SECTOR_ETFS
    compounded = (1.0 + market.returns.iloc[row + 1 : last + 1]).prod() - 1.0
    shocks = np.array(
        [
            compounded[etfs[name]] - (0.0 if name in (MARKET, "Interest Rate") else compounded["SPY"])
            for name in factors.names
        ]
    )
    chosen = books.weights.to_numpy()[:, books.kinds == "one sector"]
    said = np.maximum(fit.beta @ shocks, -1.0) @ chosen
    was = compounded[symbols].to_numpy() @ chosen
    return said - was


@dataclass(frozen=True)
class TailStudy:
    """How often one way of VaR was breached, and how far the losses were off, by year; what the test says of all.

    `z2` is the second statistic of Acerbi and Szekely (2014), mean of the books: below zero losses were worse than
    forecast.
    """

    breaches: dict[str, Figure]
    z2: dict[str, Figure]
    independence_rejected: Figure


def study_tails(market: Market, books: Books, *, scaled: bool) -> TailStudy:
    """One-day VaR and ES of every session, held against the next one."""
    of_books = books.returns(market)
    rows = range(market.place(FIRST) - 1, market.place(LAST))
    var, es = (np.full((len(rows), of_books.shape[1]), np.nan) for _ in range(2))
    for number, row in enumerate(rows):
        past = of_books[max(row - 502, 1) : row + 1]
        tail = tail_risk(scale_to_volatility(past) if scaled else past)
        var[number], es[number] = tail.var, tail.es
    outcomes = of_books[rows.start + 1 : rows.stop + 1]
    years = market.returns.index[rows.start + 1 : rows.stop + 1].str[:4]
    breached = outcomes < -var
    losses = np.where(breached, outcomes / es, 0.0)
    rejected = tail_backtest(outcomes, var).christoffersen_p_value < 0.05
    of_year = {year: years == year for year in dict.fromkeys(years)}
    return TailStudy(
        breaches={year: figure(lambda each: float(each.mean()), breached[of]) for year, of in of_year.items()},
        z2={year: figure(lambda each: float(1.0 + each.mean() / 0.05), losses[of]) for year, of in of_year.items()},
        independence_rejected=figure(lambda each: float(each.mean()), rejected[None, :], block=None),
    )


def study_betas(market: Market) -> dict[str, Figure]:
    """Root mean square of each beta less the OLS beta of the 63 sessions after it, over stocks and months."""
    returns, spy = market.returns[market.stocks].to_numpy(), market.returns["SPY"].to_numpy()
    misses: dict[str, list[Floats]] = {"beta (90 sessions)": [], "forecast_beta": []}
    for row in range(market.place(FIRST) - 1, market.place(LAST) - 63, AHEAD):
        now = benchmark_betas(returns[: row + 1], spy[: row + 1])
        came = benchmark_betas(returns[: row + 64], spy[: row + 64], window=63).raw_beta
        misses["beta (90 sessions)"].append(now.beta - came)
        misses["forecast_beta"].append(now.forecast_beta - came)
    return {name: figure(_root_mean_square, np.array(each), block=MONTHS) for name, each in misses.items()}


def study_stand_ins(market: Market, model: FactorModel, own_returns: int = 60) -> dict[str, Figure]:
    """VaR of single stocks of which all but the last returns are hidden, over their true VaR; mean of many.

    True is the VaR of all their own returns of the year.
    """
    symbols = market.stocks[::2]
    ratios: dict[str, list[Floats]] = {"betas alone": [], "with residual draws": []}
    for row in range(market.place("2019-06-03"), market.place(LAST), 63):
        window = market.returns[symbols].iloc[row - 251 : row + 1]
        days = [np.datetime64(day).item() for day in window.index]
        true = tail_risk(window.to_numpy()).var
        known = window.to_numpy(copy=True)
        known[:-own_returns] = np.nan
        factors = model.factors(market, row)
        fit = model.fit(known, factors)
        drawn = fill_returns(known, factors.values, fit, symbols, days, window=252)
        modelled = np.where(np.isfinite(known), known, factors.values @ fit.beta.T)
        ratios["with residual draws"].append(tail_risk(drawn).var / true)
        ratios["betas alone"].append(tail_risk(modelled).var / true)
    return {name: figure(lambda drawn: float(drawn.mean()), np.array(each), block=4) for name, each in ratios.items()}
