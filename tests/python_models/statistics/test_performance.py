"""Performance against empyrical-reloaded and pyxirr, and by hand.

Where the conventions part: our downside deviation divides by n − 1, as all deviations here do, empyrical's by n, and so
Sortino's ratio differs by the root of (n − 1) / n; empyrical's excess Sharpe ratio is of a day, our information ratio
of a year. empyrical knows no money-weighted return: that is held against pyxirr, which dates a flow by its day and has
no start of it, so that a contribution is given to it as of the day before.
"""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from python_models.statistics.performance import annual, drawdown, money_weighted, performance
from tests.python_models.panels import MARKET_FOLDER, real_panel

EXACT = {"rtol": 1e-9, "atol": 1e-9}
RATE = 0.03
N_BOOKS = 20


@pytest.fixture(scope="module")
def empyrical():
    """The library, which still asks for a name that numpy 2 has no more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "NINF", -np.inf, raising=False)
        import empyrical

        yield empyrical


@pytest.fixture(scope="module")
def books() -> tuple[pd.DataFrame, pd.Series]:
    """The daily returns of 20 random books of real stocks over a random stretch up to 2023, and of SPY."""
    if not MARKET_FOLDER.is_dir():
        pytest.skip(f"real market data is not here: {MARKET_FOLDER}")
    frame = real_panel("2023-12-29", has_all_symbols=False).frame.iloc[-1_500:]
    whole = frame[frame.columns[frame.notna().all()]]
    random = np.random.default_rng(17)
    held = {}
    for number in range(N_BOOKS):
        symbols = random.choice(whole.columns, random.integers(1, 15), replace=False)
        weights = random.normal(1 / len(symbols), 0.4 / len(symbols), len(symbols))
        # sometimes in a drawdown, sometimes in cash
        held[number] = (whole[symbols] * weights).sum(axis=1) * random.choice([1, 1, 1, 0], len(whole))
    return pd.DataFrame(held), whole["SPY"]


@pytest.mark.parametrize("n_sessions", [2, 21, 252, 1_500])
def test_agrees_with_empyrical_on_real_books(empyrical, books, n_sessions: int):
    returns, benchmark = (each.iloc[-n_sessions:] for each in books)
    ours = performance(returns, np.tile(benchmark.to_numpy()[:, None], N_BOOKS), rate=RATE)
    daily_rate = RATE / 252
    per_sample = np.sqrt(n_sessions / (n_sessions - 1))
    for book in returns:
        own = returns[book]
        theirs = {
            "twr": empyrical.cum_returns_final(own),
            "volatility": empyrical.annual_volatility(own),
            "downside_deviation": empyrical.downside_risk(own) * per_sample,
            "sharpe": empyrical.sharpe_ratio(own, daily_rate),
            "sortino": empyrical.sortino_ratio(own) / per_sample,
            "calmar": empyrical.calmar_ratio(own),
            "tracking_error": empyrical.annual_volatility(own - benchmark),
            "information_ratio": empyrical.excess_sharpe(own, benchmark) * np.sqrt(252),
            "beta": empyrical.beta(own, benchmark),
            "alpha": empyrical.alpha(own, benchmark, daily_rate),
            "up_capture": empyrical.up_capture(own, benchmark),
            "down_capture": empyrical.down_capture(own, benchmark),
            "best_day": own.max(),
            "worst_day": own.min(),
            "positive_days": (own > 0).mean(),
        }
        for name, their in theirs.items():
            our = getattr(ours, name)[book]
            if not np.isfinite(their):
                # here an infinite ratio counts as none
                assert np.isnan(our), (book, name, our, their)
            elif name in ("beta", "alpha", "up_capture", "down_capture") and n_sessions == 2:
                # a line through two points, or one: empyrical asks for more
                continue
            else:
                assert_allclose(our, their, **EXACT, err_msg=f"{name} of book {book}")
        assert_allclose(ours.drawdown.depth[book], empyrical.max_drawdown(own), **EXACT)


def test_the_money_weighted_return_agrees_with_pyxirr_on_real_books(books):
    import pyxirr

    returns, _ = books
    random = np.random.default_rng(18)
    start = date(2021, 3, 1)
    end_value, of, flows, left, expected, lengths = [], [], [], [], [], []
    for book in returns:
        length = int(random.integers(20, 900))
        grown = returns[book].iloc[-length:].to_numpy()
        days = [start + timedelta(days=round(place * 365 / 252)) for place in range(1, length + 1)]
        value, cash = 100_000.0, [(start, -100_000.0)]
        for place, earned in enumerate(grown):
            day = days[place]
            amount = random.choice([0, 0, 0, 1]) * random.normal(500, 2_000)
            if amount > 0:
                value += amount
                cash.append((day - timedelta(days=1), -amount))
            value *= 1 + earned
            if amount < 0:
                value += amount
                cash.append((day, -amount))
        for day, amount in cash[1:]:
            of.append(book)
            flows.append(-amount)
            left.append((days[-1] - day).days)
        end_value.append(value)
        lengths.append((days[-1] - start).days)
        expected.append(pyxirr.xirr([*(day for day, _ in cash), days[-1]], [*(a for _, a in cash), value]))
    ours, several = money_weighted(
        np.full(N_BOOKS, 100_000.0), end_value, lengths, of=np.array(of), flows=flows, days_left=left
    )
    assert not several.any()
    assert_allclose((1 + ours) ** (365 / np.array(lengths)) - 1, expected, **EXACT)


def test_without_flows_the_money_earns_what_the_time_does():
    ours, several = money_weighted(
        [100, 0, 100], [120, 5, 0], [30, 30, 30], of=np.array([1]), flows=[4], days_left=[30]
    )
    assert_allclose(ours[:2], [0.2, 0.25])  # 120/100; 5 of 4 paid in at the start
    assert np.isnan(ours[2])  # everything is lost: there is no growth to find
    assert not several.any()


def test_several_rates_are_none():
    # 100 in, 230 out, 132 in: at 10 % and at 20 % a period of the three
    ours, several = money_weighted([100], [0], [2], of=np.array([0, 0]), flows=[-230, 132], days_left=[1, 0])
    assert np.isnan(ours[0])
    assert several[0]


def test_a_fall_by_hand():
    #          1    1.1   0.99        1.1 again      0.55   0.605
    returns = np.array([0.1, -0.1, 1 / 9, 0.0, -0.5, 0.1])[:, None]
    fall = drawdown(returns)
    assert_allclose(fall.depth, -0.5)
    assert (fall.start[0], fall.trough[0], fall.end[0]) == (3, 4, 6)  # the last session at the peak; not back yet
    fall = drawdown(returns[:4])
    assert_allclose(fall.depth, -0.1)
    assert (fall.start[0], fall.trough[0], fall.end[0]) == (0, 1, 2)


def test_the_first_close_is_a_peak_and_a_book_that_only_rises_has_no_fall():
    fall = drawdown(np.array([[-0.2, 0.1], [0.25, 0.1]]))
    assert_allclose(fall.depth, [-0.2, 0])
    assert_array_equal(np.column_stack([fall.start, fall.trough, fall.end]), [[-1, 0, 1], [-1, -1, -1]])


def test_what_is_not_defined_is_missing_and_never_zero():
    missing = np.nan
    returns = np.array([[missing, 0.01, 0.02, 0.01], [missing, missing, 0.02, 0.02], [missing, missing, 0.02, -0.01]])
    benchmark = np.array([[0.01, 0.01, missing, 0.01], [0.02, missing, missing, 0.01], [0.01, 0.01, missing, 0.01]])
    found = performance(returns, benchmark)
    assert_allclose(found.twr, [missing, 0.01, 1.02**3 - 1, 1.01 * 1.02 * 0.99 - 1])
    assert_allclose(found.volatility, [missing, missing, 0, np.std([0.01, 0.02, -0.01], ddof=1) * 252**0.5])
    assert_array_equal(np.isnan(found.sharpe), [True, True, True, False])  # nothing varies in the third
    assert_array_equal(np.isnan(found.sortino), [True, True, True, False])
    assert_array_equal(np.isnan(found.calmar), [True, True, True, False])
    assert_array_equal(np.isnan(found.beta), [True] * 4)  # no pair, one, none, and a benchmark that does not vary
    assert_allclose(found.positive_days, [missing, 1, 1, 2 / 3])
    assert_array_equal(np.isnan(found.down_capture), [True] * 4)
    assert_allclose(found.drawdown.depth, [missing, 0, 0, -0.01], atol=1e-15)


def test_a_session_without_a_return_is_left_out_of_all_but_the_chain(books):
    returns, benchmark = books
    series, market = returns[0].to_numpy()[-60:], benchmark.to_numpy()[-60:]
    holes = series.copy()
    holes[[5, 17, 40]] = np.nan
    kept = np.isfinite(holes)
    with_holes, without = (
        performance(own[:, None], other[:, None], rate=RATE)
        for own, other in ((holes, market), (series[kept], market[kept]))
    )
    for name in (
        "twr",
        "volatility",
        "downside_deviation",
        "sharpe",
        "sortino",
        "calmar",
        "beta",
        "alpha",
        "up_capture",
    ):
        assert_allclose(getattr(with_holes, name), getattr(without, name), rtol=1e-12)


def test_a_number_does_not_depend_on_which_other_portfolios_there_are(books):
    returns, benchmark = books
    market = np.tile(benchmark.to_numpy()[:, None], N_BOOKS)
    together = performance(returns, market, rate=RATE)
    alone = performance(returns[[7]], market[:, :1], rate=RATE)
    for name in ("twr", "volatility", "downside_deviation", "sharpe", "calmar", "tracking_error", "beta", "alpha"):
        assert getattr(together, name)[7] == getattr(alone, name)[0]


def test_a_year_has_365_days():
    assert_allclose(annual([0.21, 0.21, -1.5], [730, 365, 730]), [0.1, np.nan, np.nan])
