"""Splits and dividends that Yahoo and FMP tell differently, over several nights through the real clients."""

import pytest

from tests.fakes.net import Reply
from tests.fakes.yahoo import CHART
from tests.ingest.market.real_nights import begin_nights
from tests.ingest.market.test_yahoo_histories import SPLIT_ON, is_true, wave

pytestmark = pytest.mark.filterwarnings("ignore")
FIRST, LAST = SPLIT_ON - 4, SPLIT_ON + 7


@pytest.fixture
def nights(conn, yahoo, fmp):
    return begin_nights(conn, yahoo, fmp)


def shown(nights, n, splits, fmps=None, **more):
    """Have both know the n-th session and what is told by then: splits by number, FMP's others if they are named."""
    sessions = nights.sessions

    def known(told):
        return {sessions[day]: ratio for day, ratio in told.items() if day <= n}

    nights.show(sessions[n], known(splits), **more)
    nights.show(sessions[n], known(splits if fmps is None else fmps), nights.fmp)


@pytest.mark.parametrize("fmp_on", [-1, 0, 1, 3])
def test_a_split_that_one_dates_on_another_day_counts_once(nights, fmp_on):
    nights.trade(wave(nights.sessions, 100, 4))
    for n in range(FIRST, LAST + 1):
        shown(nights, n, {SPLIT_ON: (4, 1)}, {SPLIT_ON + fmp_on: (4, 1)})
        nights.night(nights.sessions[n])
    is_true(nights, 100, 70, 400)
    assert nights.actions() == [(nights.sessions[SPLIT_ON], 4)]


@pytest.mark.parametrize("apart", [0, 1, -1, 4])
def test_a_dividend_that_one_dates_on_another_day_is_paid_once(nights, net, apart):
    sessions = nights.sessions
    nights.trade(wave(sessions, 50))
    for n in range(FIRST, LAST + 1):
        shown(nights, n, {})
        for app, on in ((nights.yahoo, SPLIT_ON), (nights.fmp, SPLIT_ON + apart)):
            app.listings["XYZ"].dividends |= {sessions[on]: 1.0} if n >= on else {}
        # Yahoo sometimes lacks a close that FMP has
        nights.yahoo.listings["XYZ"].bars |= {sessions[day]: None for day in (SPLIT_ON, SPLIT_ON + 1) if n < LAST}
        nights.night(sessions[n])
        assert sum(value for _, value in nights.actions("DIVIDEND")) <= 1
    assert nights.actions("DIVIDEND") == [(sessions[SPLIT_ON], 1)]


def test_rows_told_twice_in_one_reply_of_fmp_count_once(nights, net):
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, 4))
    split = {"symbol": "XYZ", "date": f"{sessions[SPLIT_ON]}", "numerator": 4, "denominator": 1, "splitType": None}
    paid = {"symbol": "XYZ", "date": f"{sessions[SPLIT_ON + 2]}", "dividend": 0.5, "adjDividend": 0.5}
    net.fault(r"stable/splits$", times=99, reply=Reply(body=[split, split]))
    net.fault(r"stable/dividends$", times=99, reply=Reply(body=[paid, paid]))
    shown(nights, LAST, {})
    del nights.yahoo.listings["XYZ"]
    nights.night(sessions[LAST])
    is_true(nights, 100, 70, 400)
    assert nights.actions() == [(sessions[SPLIT_ON], 4)]
    assert nights.actions("DIVIDEND") == [(sessions[SPLIT_ON + 2], 0.5)]


def test_yahoo_is_away_while_the_split_takes_place(nights, net):
    # FMP fills in closes as traded and reports the split; then Yahoo is back, restated
    nights.trade(wave(nights.sessions, 100, 4))
    for n in range(FIRST, LAST + 1):
        shown(nights, n, {SPLIT_ON: (4, 1)})
        if SPLIT_ON - 1 <= n <= SPLIT_ON + 2:
            net.fault(CHART, times=10**6, reply=Reply(500, "oops", "text/html"))
        elif n == SPLIT_ON + 3:
            net.reset()
            net.mount(r"\.yahoo\.com$", nights.yahoo)
            net.mount(r"financialmodelingprep\.com$", nights.fmp)
        nights.night(nights.sessions[n])
        assert nights.shares(100, nights.sessions[70]) == (400 if n >= SPLIT_ON else 100)
    is_true(nights, 100, 70, 400)
    assert nights.conn.execute("select count(*) from ops.price_restatements").fetchone() == (0,)


def test_yahoo_dates_a_split_five_sessions_early_and_fmp_has_the_closes(nights):
    # the split is announced for one day, executed five sessions later, and then corrected; FMP's closes are always as
    # traded
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, 4))
    for n in range(SPLIT_ON - 9, LAST + 1):
        told = SPLIT_ON - 5 if n <= SPLIT_ON else SPLIT_ON
        adjusted = dict.fromkeys(sessions[:SPLIT_ON], 0.25 if n >= SPLIT_ON else 1.0)
        shown(nights, n, {told: (4, 1)}, {SPLIT_ON: (4, 1)}, multiplied_by=adjusted)
        nights.night(sessions[n])
        for day, close in nights.closes().items():
            held = nights.shares(100, sessions[70], day) if day > sessions[70] else 100
            assert held == (400 if day >= sessions[SPLIT_ON] else 100), (n, day)
            assert close == pytest.approx(nights.true[day], rel=1e-5)
    is_true(nights, 100, 70, 400)
