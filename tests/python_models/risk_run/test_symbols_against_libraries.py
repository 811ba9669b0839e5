"""Statistics of symbols: the tables against statsmodels, scikit-learn and pandas."""

from datetime import date
from typing import Any

import numpy as np
import psycopg
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.stats import pearsonr

from tests.python_models.risk_book import (
    END,
)
from tests.python_models.risk_run.rolled import DAYS, EXACT, RidgeFit, Rolled, factors_of, frame, held_symbols
from tests.real_book import SYMBOLS

SPREADS = {
    "Growth-Value": ("VUG", "VTV"),
    "Momentum": ("MTUM", "SPY"),
    "Size": ("IWM", "SPY"),
    "Quality": ("QUAL", "SPY"),
}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("table", "benchmark"), [("symbol_market_betas", "SPY"), ("symbol_interest_rate_betas", "TLT")]
)
def test_betas_are_those_of_statsmodels(
    conn: psycopg.Connection[Any], rolled: Rolled, day: date, table: str, benchmark: str
):
    found = frame(conn, f"select * from analytics.{table} where calculation_date = %s", day).set_index("symbol")
    window = rolled.returns.loc[: day.isoformat()].iloc[-90:]
    compared = 0
    for symbol in held_symbols(rolled, day):
        both = window[[symbol]].assign(benchmark=window[benchmark]).dropna()
        row = found.loc[symbol]
        assert row["observations"] == len(both)
        if len(both) < 30:
            assert row["quality_flag"] == "insufficient_history" and np.isnan(row["beta"])
            continue
        fit = sm.OLS(both[symbol].to_numpy(), sm.add_constant(both["benchmark"].to_numpy())).fit()
        assert_allclose(row["raw_beta"], fit.params[1], **EXACT)
        assert_allclose(row["beta"], np.clip(fit.params[1], -5, 5), **EXACT)
        assert_allclose(row["alpha"], fit.params[0], **EXACT)
        assert_allclose(row["r_squared"], fit.rsquared, **EXACT)
        if symbol != benchmark:
            assert_allclose(row["std_error"], fit.bse[1], **EXACT)
            assert_allclose(row["p_value"], fit.pvalues[1], **EXACT)
        compared += 1
    assert compared >= 60
    # options count as their underlyings, and what has no price has no beta
    assert set(found.index) - set(held_symbols(rolled, day)) == ({"ZZZZ"} if day > date(2021, 6, 1) else set())


@pytest.mark.parametrize("day", DAYS)
def test_spread_betas_are_those_of_statsmodels(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(
        conn,
        "select symbol, factor, beta, r_squared, observations from analytics.symbol_factor_exposures"
        " where calculation_date = %s and model = 'spread'",
        day,
    ).set_index(["symbol", "factor"])
    window = rolled.returns.loc[: day.isoformat()].iloc[-180:]
    for symbol in held_symbols(rolled, day):
        for factor, (long, short) in SPREADS.items():
            both = window[[symbol]].assign(spread=window[long] - window[short]).dropna()
            row = found.loc[(symbol, factor)]
            assert row["observations"] == len(both)
            if len(both) < 60:
                assert np.isnan(row["beta"])
                continue
            fit = sm.OLS(both[symbol].to_numpy(), sm.add_constant(both["spread"].to_numpy())).fit()
            assert_allclose((row["beta"], row["r_squared"]), (fit.params[1], fit.rsquared), **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_ridge_betas_are_those_of_scikit_learn(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(
        conn,
        "select symbol, factor, beta, r_squared, observations from analytics.symbol_factor_exposures"
        " where calculation_date = %s and model = 'ridge'",
        day,
    )
    betas = found.pivot(index="symbol", columns="factor", values="beta")
    fits = found.groupby("symbol")[["r_squared", "observations"]].first()
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    factors = factors_of(rolled, day)
    assert set(betas.columns) == set(factors.columns)
    for symbol in held_symbols(rolled, day):
        rows = window[symbol].notna() & factors.notna().all(axis=1)
        assert fits.loc[symbol, "observations"] == rows.sum()
        if rows.sum() < 60:
            assert betas.loc[symbol].isna().all()
            continue
        fit = RidgeFit.of(factors[rows], window.loc[rows, symbol])
        assert_allclose(betas.loc[symbol, list(factors)].to_numpy(float), fit.betas, **EXACT)
        assert_allclose(fits.loc[symbol, "r_squared"], fit.r_squared, **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_volatilities_are_those_of_pandas(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(conn, "select * from analytics.symbol_volatility where calculation_date = %s", day).set_index(
        "symbol"
    )
    symbols = held_symbols(rolled, day)
    past = rolled.returns.loc[: day.isoformat(), symbols]
    for column, sessions, minimum in (("realized_vol_21d", 21, 14), ("realized_vol_63d", 63, 42)):
        expected = past.rolling(sessions, min_periods=minimum).std().iloc[-1] * np.sqrt(252)
        assert_allclose(found.loc[symbols, column].to_numpy(float), expected.to_numpy(), **EXACT)
    squares = past**2
    weighted = sum(
        weight * squares.rolling(sessions, min_periods=minimum).mean().iloc[-1]
        for weight, sessions, minimum in ((0.3, 5, 3), (0.4, 21, 14), (0.3, 252, 126))
    )
    assert_allclose(found.loc[symbols, "expected_vol_21d"].to_numpy(float), np.sqrt(252 * weighted), **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_pairs_held_together_have_the_correlations_of_pandas(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(conn, "select * from analytics.pairwise_correlations where calculation_date = %s", day)
    window = rolled.returns.loc[: day.isoformat()].iloc[-90:]
    expected = window.corr(min_periods=30)
    held = [symbol for symbol in held_symbols(rolled, day) if symbol in SYMBOLS]
    together = {(first, second) for first in held for second in held if first < second}
    odds = ["KO", "MSFT"]
    odds += ["ZZZZ"] if day >= date(2021, 6, 1) else []
    odds += ["AAPL", "SPY"] if day == END else []  # through options
    together |= {(first, second) for first in odds for second in odds if first < second}
    pairs = list(zip(found["symbol_1"], found["symbol_2"], strict=True))
    assert set(pairs) == together and len(pairs) == len(together)
    known = found[found["symbol_2"] != "ZZZZ"]
    values = [expected.loc[pair] for pair in zip(known["symbol_1"], known["symbol_2"], strict=True)]
    assert_allclose(known["correlation"].to_numpy(float), values, **EXACT)
    assert found[found["symbol_2"] == "ZZZZ"]["correlation"].isna().all()
    for _, row in known.dropna().iloc[::97].iterrows():
        both = window[[row["symbol_1"], row["symbol_2"]]].dropna()
        assert row["observations"] == len(both)
        assert_allclose(row["p_value"], pearsonr(*both.to_numpy().T).pvalue, **EXACT)
