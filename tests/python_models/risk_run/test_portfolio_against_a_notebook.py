"""Risk and stress of a book as an analyst would compute them in a notebook."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from python_models.statistics.stand_ins import uniform_draws
from tests.python_models.risk_book import (
    CRASH,
    SIXTY,
)
from tests.python_models.risk_run.rolled import DAYS, EXACT, FACTOR_ETFS, RidgeFit, Rolled, factors_of, frame
from warehouse.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


@dataclass(frozen=True)
class Notebook:
    """The sixty on one day as an analyst would put them together: net values, factors and ridge betas by symbol."""

    values: pd.Series
    equity: float
    returns: pd.DataFrame
    factors: pd.DataFrame
    betas: pd.DataFrame
    residual_variance: pd.Series
    residuals: dict[str, np.ndarray]

    @property
    def covered(self) -> list[str]:
        return list(self.betas.index)

    def volatility(self, weights: pd.Series) -> float:
        """252·(b'Fb + Σ w²σ²) with RiskMetrics weights, session by session."""
        complete = self.factors.dropna()
        ages = len(self.factors) - 1 - np.array([self.factors.index.get_loc(day) for day in complete.index])
        decay = 0.94**ages
        covariance = sum(
            weight / decay.sum() * np.outer(row, row) for weight, row in zip(decay, complete.to_numpy(), strict=True)
        )
        exposure = self.betas.T @ weights
        specific = sum(weight**2 * self.residual_variance[symbol] for symbol, weight in weights.items())
        return float(np.sqrt(252 * (exposure @ covariance @ exposure + specific)))


def notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date) -> Notebook:
    rows = frame(
        conn,
        "select held.symbol, held.market_value::float8, snapshots.equity_balance::float8 as equity"
        " from analytics.position_values as held inner join raw.portfolios using (portfolio_id)"
        " inner join analytics.portfolio_snapshots as snapshots using (portfolio_id)"
        " where name = %s and value_date = %s and snapshot_date = value_date and quantity <> 0",
        SIXTY,
        day,
    )
    values = rows.groupby("symbol")["market_value"].sum()
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    factors = factors_of(rolled, day)
    betas, residuals, residual_variance = {}, {}, {}
    for symbol in values.index:
        used = window[symbol].notna() & factors.notna().all(axis=1)
        if used.sum() < 60:
            continue
        fit = RidgeFit.of(factors[used], window.loc[used, symbol])
        betas[symbol], residuals[symbol] = fit.betas, fit.residuals
        residual_variance[symbol] = (fit.residuals**2).sum() / (used.sum() - 1 - factors.shape[1])
    return Notebook(
        values,
        float(rows["equity"].iloc[0]),
        window[values.index],
        factors,
        pd.DataFrame.from_dict(betas, orient="index", columns=list(factors)),
        pd.Series(residual_variance),
        residuals,
    )


def with_stand_ins(column: pd.Series, book: Notebook) -> pd.Series:
    """Where a young listing has no return, what its betas say and one of its own residuals at their full size."""
    symbol, column = str(column.name), column.copy()
    residuals = np.sort(book.residuals[symbol])
    size = np.sqrt(book.residual_variance[symbol] / (residuals**2).mean())
    for session in column.index[column.isna()]:
        draw = uniform_draws(symbol, np.array([session.toordinal()], dtype=np.uint64))[0]
        modelled = float(book.factors.loc[session] @ book.betas.loc[symbol])
        column[session] = modelled + size * residuals[int(draw * len(residuals))]
    return column


@pytest.mark.parametrize("day", DAYS)
def test_risk_of_the_book_is_that_of_a_notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    book = notebook(conn, rolled, day)
    weights = book.values[book.covered] / book.equity
    metrics = frame(
        conn,
        "select metrics.* from analytics.portfolio_risk_metrics as metrics"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        SIXTY,
        day,
    ).iloc[0]
    assert_allclose(metrics["ex_ante_vol"], book.volatility(weights), **EXACT)
    left_out = len(book.values) - len(book.covered)
    assert metrics["positions_without"] == left_out == (day == DAYS[2])  # COIN

    contributions = frame(
        conn,
        "select symbol, sum(contribution_vol) as contribution from analytics.position_risk_contributions"
        " inner join raw.positions using (position_id, portfolio_id) inner join raw.portfolios using (portfolio_id)"
        " where portfolios.name = %s and calculation_date = %s group by symbol",
        SIXTY,
        day,
    ).set_index("symbol")["contribution"]
    for symbol in book.covered[::12]:
        step = pd.Series(0.0, weights.index)
        step[symbol] = 1e-5
        slope = (book.volatility(weights + step) - book.volatility(weights - step)) / 2e-5
        assert_allclose(contributions[symbol], weights[symbol] * slope, rtol=1e-6, atol=1e-10)

    history = book.returns.apply(
        lambda column: with_stand_ins(column, book) if column.name in book.betas.index else column
    )
    pnl = (history.loc[:, history.notna().all()] * book.values).dropna(axis=1).sum(axis=1)
    quantile = np.quantile(pnl, 0.05)
    assert_allclose(metrics["var_95_1d"], -quantile, rtol=1e-8)
    assert_allclose(metrics["es_95_1d"], -pnl[pnl <= quantile].mean(), rtol=1e-8)
    assert_allclose(metrics["realized_vol_21d"], (pnl / book.equity).iloc[-21:].std() * np.sqrt(252), rtol=1e-8)


@pytest.mark.parametrize("day", DAYS)
def test_stress_tests_of_the_book_are_those_of_a_notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    book = notebook(conn, rolled, day)
    covariance = book.factors.cov()
    values = book.values[book.covered]
    found = frame(
        conn,
        "select results.* from analytics.stress_test_results as results"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        SIXTY,
        day,
    ).set_index("scenario_id")
    seed = pd.read_csv(SEEDS / "stress_test_scenarios.csv", parse_dates=["window_start", "window_end"])
    expected = [
        name for name, lines in seed.groupby("scenario_id") if not lines["window_end"].max() > pd.Timestamp(day)
    ]
    assert sorted(found.index) == expected
    for scenario in expected:
        lines = seed[seed["scenario_id"] == scenario]
        shocks = dict(zip(lines["factor"], lines["shock"], strict=True))
        is_replay = lines["category"].iloc[0] == "replay"
        if not is_replay and "Interest Rate" in shocks:
            change = shocks["Interest Rate"] / 10_000
            shocks["Interest Rate"] = -17.5 * change + 160 * change**2
        start, end = lines["window_start"].iloc[0], lines["window_end"].iloc[0]
        factors = list(book.factors)
        if start >= rolled.returns.index[0]:
            window = rolled.returns.loc[start + pd.Timedelta(days=1) : end, [FACTOR_ETFS[each] for each in factors]]
            grown = ((1 + window).prod() - 1)[window.notna().all()]
            shocks |= {
                factor: grown[FACTOR_ETFS[factor]] - (0.0 if factor in ("Market", "Interest Rate") else grown["SPY"])
                for factor in factors
                if FACTOR_ETFS[factor] in grown
            }
        moves = pd.Series(0.0, factors)
        moves.update(pd.Series(shocks))
        direct = (values * (book.betas @ moves).clip(lower=-1)).sum()
        assert_allclose(found.loc[scenario, "direct_pnl"], direct, rtol=1e-8)

        known = list(shocks)
        solved = np.linalg.lstsq(covariance.loc[known, known].to_numpy(), np.array(list(shocks.values())), rcond=None)[
            0
        ]
        others = [factor for factor in factors if factor not in shocks]
        if not is_replay and np.sqrt(np.array(list(shocks.values())) @ solved) > 60:
            assert "more than 60" in found.loc[scenario, "reason"]
            assert np.isnan(found.loc[scenario, "correlated_pnl"])
            continue
        moves[others] = covariance.loc[others, known].to_numpy() @ solved
        correlated = (values * (book.betas @ moves).clip(lower=-1)).sum()
        assert_allclose(found.loc[scenario, "correlated_pnl"], correlated, rtol=1e-8)
        for factor, dollars in (book.betas.T @ values * moves).items():
            assert_allclose(found.loc[scenario, "factor_impacts"][factor], dollars, rtol=1e-8, atol=1e-6)
    # on any day, every replay says what it would do to the book
    assert found.loc[[name for name in expected if name.startswith("replay")], "correlated_pnl"].notna().all()


def test_history_of_the_book_is_its_holdings_on_past_returns(conn: psycopg.Connection[Any], rolled: Rolled):
    """Sixty at the crash: every holding has all its returns, so pandas needs no stand-in."""
    values = dict(
        conn.execute(
            "select symbol, sum(market_value)::float8 from analytics.position_values"
            " inner join raw.portfolios using (portfolio_id) where name = %s and value_date = %s group by symbol",
            [SIXTY, CRASH],
        ).fetchall()
    )
    window = rolled.returns.loc[: CRASH.isoformat(), list(values)].iloc[-252:]
    assert window.notna().all().all()
    pnl = window @ pd.Series(values)
    quantile = np.quantile(pnl, 0.05)
    ((equity, volatility, var, shortfall),) = conn.execute(
        "select equity_balance::float8, realized_vol_63d, var_95_1d, es_95_1d from analytics.portfolio_risk_metrics"
        " inner join raw.portfolios using (portfolio_id) inner join analytics.portfolio_snapshots using (portfolio_id)"
        " where name = %s and calculation_date = %s and snapshot_date = calculation_date",
        [SIXTY, CRASH],
    )
    assert_allclose(var, -quantile, rtol=1e-9)
    assert_allclose(shortfall, -pnl[pnl <= quantile].mean(), rtol=1e-9)
    assert_allclose(volatility, (pnl / equity).iloc[-63:].std() * np.sqrt(252), rtol=1e-9)


def test_the_portfolio_s_own_returns_give_its_drawdown_and_beta(conn: psycopg.Connection[Any], rolled: Rolled):
    own = frame(
        conn,
        "select snapshot_date, daily_return::float8 from analytics.portfolio_snapshots"
        " inner join raw.portfolios using (portfolio_id) where name = %s and snapshot_date <= %s"
        " order by snapshot_date",
        SIXTY,
        CRASH,
    ).set_index("snapshot_date")["daily_return"]
    wealth = np.concatenate([[1.0], (1 + own).cumprod()])
    market = rolled.returns.loc[: CRASH.isoformat(), "SPY"].iloc[-90:]
    fit = sm.OLS(own.iloc[-90:].to_numpy(), sm.add_constant(market.to_numpy())).fit()
    ((drawdown, beta),) = conn.execute(
        "select max_drawdown, beta_portfolio_regression from analytics.portfolio_risk_metrics"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        [SIXTY, CRASH],
    )
    assert_allclose(drawdown, (wealth / np.maximum.accumulate(wealth) - 1).min(), rtol=1e-9)
    assert_allclose(beta, fit.params[1], **EXACT)
