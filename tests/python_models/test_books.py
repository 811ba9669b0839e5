"""Options on both sides of a split: the contract is the same, and so are its risk and what its fingerprint rests on."""

from datetime import date, timedelta
from uuid import UUID

import numpy as np
import pytest
from numpy.testing import assert_allclose

from python_models.books import Books, OptionTerms, make_books, underlying_facts
from python_models.read import Position, Underlyings
from python_models.statistics.options import black_scholes
from python_models.statistics.symbols import SymbolStatistics, symbol_statistics
from python_models.statistics.volatility import volatility

BOOK = UUID(int=1)
BEFORE, AFTER, TODAY = date(2020, 8, 3), date(2020, 8, 31), date(2020, 9, 1)
EXPIRY = date(2021, 1, 15)
# 4:1 on 2020-08-31; 134.18 of the new shares are 536.72 of the old
UNDERLYINGS = Underlyings(
    closes={("AAPL", TODAY): (TODAY, 134.18), ("AAPL", date(2020, 8, 28)): (date(2020, 8, 28), 499.23)},
    splits={"AAPL": [(AFTER, 4.0)]},
)


@pytest.fixture(scope="module")
def statistics() -> SymbolStatistics:
    """Of a market and a stock that moves with it."""
    random = np.random.default_rng(61)
    market = 0.01 * random.standard_normal(300)
    returns = np.column_stack([1.2 * market + 0.01 * random.standard_normal(300), market])
    sessions = [TODAY - timedelta(days=299 - place) for place in range(300)]
    return symbol_statistics(TODAY, ("AAPL", "SPY"), returns, volatility(returns), {"Market": ("SPY",)}, (), sessions)


def option(contracts: float, strike: float, entered: date, *, is_call: bool) -> Position:
    """Contracts of a lot, never priced, so that they are valued at the realized volatility."""
    return Position(
        BOOK, UUID(int=2), "AAPL", 100 * contracts, 10.0, None, 1000.0, True, is_call, strike, EXPIRY, entered, None
    )


def book_of(position: Position, statistics: SymbolStatistics) -> Books:
    nothing = np.empty((0, 1))
    return make_books(
        statistics, {BOOK: 1e6}, {BOOK: [position]}, UNDERLYINGS, OptionTerms(dividend_yield=0.0), nothing
    )


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("contracts", [10, -10])
def test_an_option_from_before_a_split_has_the_risk_of_its_adjusted_contract(
    statistics: SymbolStatistics, contracts: int, is_call: bool
):
    """Ten of strike 450 on old shares are forty of 112.50 on new ones."""
    old = book_of(option(contracts, 450.0, BEFORE, is_call=is_call), statistics)
    new = book_of(option(4 * contracts, 112.5, AFTER, is_call=is_call), statistics)
    years = (EXPIRY - TODAY).days / 365
    sigma = statistics.volatility.realized_vol_63d[0]
    delta = float(black_scholes(536.72, 450.0, years, sigma, is_call=is_call).delta)
    assert_allclose(old.holdings.value, delta * 536.72 * 100 * contracts, rtol=1e-12)
    assert_allclose(old.holdings.value, new.holdings.value, rtol=1e-12)
    moves = np.array([[-0.2, -0.05, 0.1]])
    assert old.options is not None and new.options is not None
    assert_allclose(old.options.revalued(moves), new.options.revalued(moves), rtol=1e-12)
    assert abs(old.holdings.value[0]) > 10_000


def test_what_a_fingerprint_rests_on_is_in_the_shares_of_the_strike():
    held = option(10, 450.0, BEFORE, is_call=True)._replace(price_date=date(2020, 8, 28))
    assert underlying_facts(held, UNDERLYINGS, TODAY)[:2] == (536.72, 499.23)
    later = held._replace(share_date=AFTER)
    assert underlying_facts(later, UNDERLYINGS, TODAY)[:2] == (134.18, 499.23 / 4)
