"""Option values against a textbook, an integral and real quotes; implied volatility against what went in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from python_models.statistics.options import (
    black_scholes,
    delta_equivalent_value,
    implied_volatility,
    option_volatility,
)
from tests.python_models.panels import MARKET_FOLDER, examples

CHAIN = MARKET_FOLDER.parent / "option_chain_2026_08.csv.gz"


def test_textbook_values():
    # Hull, Options, Futures, and Other Derivatives: S 42, K 40, r 10 %, σ 20 %, half a year; call 4.76, put 0.81
    value, delta = black_scholes(42, 40, 0.5, 0.2, is_call=[True, False], rate=0.1)
    assert_allclose(value, [4.7594, 0.8086], atol=5e-5)
    assert_allclose(delta, [0.7791, -0.2209], atol=5e-5)
    # the same book's index option: S 930, K 900, r 8 %, q 3 %, σ 20 %, two months; call 51.83
    assert_allclose(
        black_scholes(930, 900, 2 / 12, 0.2, is_call=True, rate=0.08, dividend_yield=0.03).value, 51.83, atol=0.005
    )


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize(
    ("spot", "strike", "years", "volatility"), [(100, 90, 0.25, 0.3), (50, 80, 2.0, 0.6), (10, 10, 0.01, 0.1)]
)
def test_value_is_the_discounted_mean_of_the_payoff(is_call, spot, strike, years, volatility):
    rate, dividend_yield = 0.04, 0.01

    def payoff(z: float) -> float:
        drift = (rate - dividend_yield - volatility**2 / 2) * years
        final = spot * np.exp(drift + volatility * np.sqrt(years) * z)
        return max(final - strike if is_call else strike - final, 0.0) * norm.pdf(z)

    kink = (np.log(strike / spot) - (rate - dividend_yield - volatility**2 / 2) * years) / (volatility * np.sqrt(years))
    expected = np.exp(-rate * years) * sum(
        quad(payoff, *part, epsabs=1e-13)[0] for part in ((-12, np.clip(kink, -12, 12)), (np.clip(kink, -12, 12), 12))
    )
    value, delta = black_scholes(
        spot, strike, years, volatility, is_call=is_call, rate=rate, dividend_yield=dividend_yield
    )
    assert_allclose(value, expected, rtol=1e-8)
    step = spot * 1e-4
    up, down = black_scholes(
        [spot + step, spot - step], strike, years, volatility, is_call=is_call, rate=rate, dividend_yield=dividend_yield
    ).value
    assert_allclose(delta, (up - down) / (2 * step), atol=1e-5)


market = {
    "spot": st.floats(5, 500),
    "moneyness": st.floats(0.5, 2.0),
    "years": st.floats(1 / 365, 3),
    "rate": st.floats(-0.01, 0.08),
    "dividend_yield": st.floats(0, 0.06),
}


@examples
@given(volatility=st.floats(0.01, 3), **market)
def test_put_call_parity(spot, moneyness, years, rate, dividend_yield, volatility):
    strike = spot * moneyness
    value, delta = black_scholes(
        spot, strike, years, volatility, is_call=[True, False], rate=rate, dividend_yield=dividend_yield
    )
    forward = spot * np.exp(-dividend_yield * years) - strike * np.exp(-rate * years)
    assert_allclose(value[0] - value[1], forward, atol=1e-10 * (spot + strike))
    assert_allclose(delta[0] - delta[1], np.exp(-dividend_yield * years), rtol=1e-12)
    assert (value >= np.maximum([forward, -forward], 0) - 1e-10 * spot).all()


@examples
@given(volatility=st.floats(0.02, 5), is_call=st.booleans(), **market)
def test_implied_volatility_gives_the_price_back(spot, moneyness, years, rate, dividend_yield, volatility, is_call):
    terms = {"is_call": is_call, "rate": rate, "dividend_yield": dividend_yield}
    strike = spot * moneyness
    price = black_scholes(spot, strike, years, volatility, **terms).value
    implied = implied_volatility(price, spot, strike, years, **terms)
    floor = black_scholes(spot, strike, years, 0.0, **terms).value
    if price - floor < 1e-9 * spot:
        return  # no time value is left to read
    assert_allclose(black_scholes(spot, strike, years, implied, **terms).value, price, rtol=1e-12, atol=1e-12 * spot)
    vega = black_scholes(spot, strike, years, volatility + 1e-4, **terms).value - price
    if vega > 1e-6 * spot * 1e-4:
        expected = brentq(
            lambda v: black_scholes(spot, strike, years, v, **terms).value - price, 1e-4, 10, xtol=1e-14, rtol=1e-14
        )
        assert_allclose(implied, [expected, volatility], rtol=1e-6)


def test_a_price_that_no_volatility_explains_has_none():
    spot, strike, years = 100.0, 80.0, 0.5
    prices = np.array([19.0, 20.0, 100.0, 101.0, 0.0, -1.0, np.nan])
    assert np.isnan(implied_volatility(prices, spot, strike, years, is_call=True)).all()
    assert np.isnan(implied_volatility(25.0, spot, strike, 0.0, is_call=True))
    assert np.isnan(implied_volatility(25.0, spot, strike, -0.1, is_call=True))
    assert np.isnan(implied_volatility(25.0, np.nan, strike, years, is_call=True))
    assert np.isnan(implied_volatility(81.0, spot, strike, years, is_call=False))


def test_deep_in_the_money_keeps_the_digits_that_matter():
    price = black_scholes(100.0, 50.0, 0.5, 0.45, is_call=True).value
    assert_allclose(implied_volatility(price, 100.0, 50.0, 0.5, is_call=True), 0.45, rtol=1e-8)


def test_expired_and_certain_options_are_worth_their_intrinsic_value():
    value, delta = black_scholes(
        [110.0, 90.0, 100.0, 110.0, 90.0],
        100.0,
        [0.0, 0.0, 0.0, -1.0, 0.0],
        np.nan,
        is_call=[True, True, True, True, False],
    )
    assert_array_equal(value, [10.0, 0.0, 0.0, 10.0, 10.0])
    assert_array_equal(delta, [1.0, 0.0, 0.0, 1.0, -1.0])
    assert_allclose(black_scholes(100.0, 95.0, 1.0, 0.0, is_call=True, rate=0.05).value, 100 - 95 * np.exp(-0.05))
    assert np.isnan(black_scholes(100.0, 95.0, 1.0, np.nan, is_call=True).value)


def test_a_worthless_underlying():
    value, delta = black_scholes(0.0, 50.0, 0.5, 0.4, is_call=[True, False], rate=0.04)
    assert_allclose(value, [0.0, 50 * np.exp(-0.02)], rtol=1e-14)
    assert_allclose(delta, [0.0, -1.0])


def test_volatility_falls_back_on_what_the_underlying_did():
    implied = implied_volatility([6.0, 0.0, 0.0], 100.0, 100.0, 0.25, is_call=True)
    used = option_volatility(implied, np.array([0.2, 0.35, np.nan]))
    assert_allclose(used[1:], [0.35, np.nan])
    assert_allclose(black_scholes(100.0, 100.0, 0.25, used[0], is_call=True).value, 6.0)


def test_a_long_put_counts_as_a_short_underlying():
    # 3 contracts of 100 shares, delta −0.4, spot 50: −6,000 dollars; sold calls likewise
    assert_allclose(delta_equivalent_value([-0.4, 0.4], 50.0, [300.0, -300.0]), [-6000.0, -6000.0])


def test_real_quotes_imply_the_published_volatilities():
    """A chain of AAPL and NVDA with the publisher's implied volatilities, agreed with to 1 % of the volatility.

    Theirs are those of the ask price without rate or dividends, the expiry counted to the end of its day: found by
    trying, as nothing else brings them within the width of the quotes. Early exercise is then worth nothing, so that
    the European value serves. Left out: quotes without a bid, the last week, where the hours of the day matter, and
    deltas beyond 0.05 and 0.95, where a cent of price is many points of volatility. One in twenty may be further off:
    quotes that moved between their look at the option and at the stock.
    """
    if not CHAIN.is_file():
        pytest.skip(f"the option chain is not here: {Path(CHAIN)}")
    chain = pd.read_csv(CHAIN)
    snapshot = pd.Timestamp(chain["snapshot_utc"].iloc[0]).normalize()
    days = (pd.to_datetime(chain["expiration"]) - snapshot).dt.days
    kept = (days > 6) & (chain["bid"] > 0) & chain["delta"].abs().between(0.05, 0.95)
    chain, days = chain[kept], days[kept]
    implied = implied_volatility(
        chain["ask"], chain["underlying_price"], chain["strike"], (days + 1) / 365, is_call=chain["type"] == "call"
    )
    error = np.abs(implied / chain["iv"] - 1)
    assert len(error) > 700
    assert error.median() < 0.001
    assert error.quantile(0.95) < 0.01
