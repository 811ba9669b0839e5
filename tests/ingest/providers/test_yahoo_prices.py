"""The real yfinance against the loopback Yahoo: what becomes of its rows."""

import struct
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ingest.providers.base import Answer, Outcome, Usage
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar
from tests.fakes.market import Bar, bars_of
from tests.fakes.yahoo import CHART
from tests.ingest.yahoo_market import DAYS, FIRST, LAST, answer, ask, closes, listing, provider, traded

D = Decimal


def test_bars_and_actions_in_one_request_a_symbol(net, yahoo):
    yahoo.add(listing(dividends={DAYS[3]: 0.25}))
    yahoo.add(listing("BRK-B"))
    source = provider()
    reply = ask(source, "AAPL", "BRK.B", first=DAYS[2], last=DAYS[4])
    assert sorted(reply.bars) == [
        PriceBar(symbol, DAYS[n], *[D(100 + n)] * 4, 1_000_000) for symbol in ("AAPL", "BRK.B") for n in (2, 3, 4)
    ]
    assert reply.actions == [CorporateAction("AAPL", DAYS[3], DIVIDEND, D("0.25"))]
    assert reply.answers == dict.fromkeys(("AAPL", "BRK.B"), Answer(Outcome.OK))
    assert reply.rejected == reply.problems == []
    assert net.paths(CHART) == {"/v8/finance/chart/AAPL": 1, "/v8/finance/chart/BRK-B": 1}
    assert source.usage == Usage(requests=4) and len(net.log) == 4  # the cookie and the crumb are two of the requests


def test_a_split_between_two_nights_leaves_every_close_as_it_was(yahoo):
    apple = yahoo.add(listing(dividends={DAYS[1]: 0.8}))
    before = ask(provider(today=DAYS[9]), first=FIRST, last=DAYS[9])
    apple.bars |= bars_of(dict.fromkeys(DAYS[10:], 27.5))
    apple.splits[DAYS[10]] = (4, 1)
    after = ask(provider(), first=FIRST, last=DAYS[9])
    assert after.bars == before.bars and len(after.bars) == 10
    # The split is after the last wanted session: its restatement is undone, and it is not reported.
    assert after.actions == before.actions == [CorporateAction("AAPL", DAYS[1], DIVIDEND, D("0.8"))]
    tonight = ask(provider(), first=DAYS[9], last=LAST)
    assert tonight.actions == [CorporateAction("AAPL", DAYS[10], SPLIT, D(4))]
    assert list(closes(tonight).values())[:2] == [109.0, 27.5]


def test_odd_ratios_come_back_to_the_cent(yahoo):
    splits = {DAYS[5]: (1, 3), DAYS[9]: (3, 2)}
    yahoo.add(listing(splits=splits, dividends={DAYS[2]: 0.3}))
    reply = ask(provider())
    assert closes(reply) == pytest.approx(traded(splits), abs=1e-6)
    assert {bar.volume for bar in reply.bars} == {1_000_000}
    actions = {(action.ex_date, action.action_type): float(action.value) for action in reply.actions}
    expected = {(DAYS[2], DIVIDEND): 0.3, (DAYS[5], SPLIT): 1 / 3, (DAYS[9], SPLIT): 1.5}
    assert actions == pytest.approx(expected, rel=1e-12)


def test_single_precision_is_not_taken_for_digits(yahoo):
    apple = yahoo.add(listing())
    as_yahoo_writes_it = struct.unpack("f", struct.pack("f", 124.81))[0]
    assert as_yahoo_writes_it != 124.81
    apple.bars = bars_of({DAYS[0]: 4 * as_yahoo_writes_it, DAYS[1]: 129.04, DAYS[2]: 0.1234567891})
    apple.splits[DAYS[1]] = (4, 1)
    assert [bar.close for bar in ask(provider()).bars] == [D("499.24"), D("129.04"), D("0.123457")]


def test_a_row_without_a_close_is_no_bar_and_its_dividend_counts(yahoo):
    apple = yahoo.add(listing(dividends={LAST: 0.9}))
    apple.bars[LAST] = apple.bars[DAYS[4]] = None
    reply = ask(provider())
    assert set(DAYS) - closes(reply).keys() == {DAYS[4], LAST}
    assert reply.actions == [CorporateAction("AAPL", LAST, DIVIDEND, D("0.9"))]
    only_the_last = ask(provider(), first=LAST)
    assert only_the_last.bars == [] and only_the_last.actions == reply.actions
    assert answer(only_the_last) == Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has no close of these days")


def test_what_is_missing_of_a_bar_is_none(yahoo):
    apple = yahoo.add(listing())
    apple.bars[DAYS[1]] = Bar(float("nan"), float("nan"), 99.0, 101.0, 10)
    assert ask(provider()).bars[1] == PriceBar("AAPL", DAYS[1], None, None, D(99), D(101), 10)


def test_a_running_session_is_left_out_and_a_second_row_of_the_last_one_is_not_another_session(yahoo):
    apple = yahoo.add(listing())
    new_york = ZoneInfo("America/New_York")
    today = LAST + timedelta(days=3)
    morning = datetime(today.year, today.month, today.day, 11, 12, tzinfo=new_york)
    yahoo.live["AAPL"] = (morning, Bar(1, 1, 1, 1.5, 10))
    assert set(closes(ask(provider(today=today)))) == set(DAYS)
    after_the_close = datetime(LAST.year, LAST.month, LAST.day, 16, 0, 1, tzinfo=new_york)
    yahoo.live["AAPL"] = (after_the_close, apple.bars[LAST]._replace(close=114.5))
    reply = ask(provider())
    assert len(reply.bars) == len(DAYS) and closes(reply)[LAST] == 114.5


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"currency": "GBp"}, "quoted in GBp, and only USD is handled"),
        ({"currency": "ZAc"}, "quoted in ZAc, and only USD is handled"),
        ({"currency": "EUR", "time_zone": "Europe/Paris"}, "quoted in EUR, and only USD is handled"),
        ({"currency": None}, "quoted in no currency, and only USD is handled"),
    ],
)
def test_only_what_is_quoted_in_dollars_is_taken(net, yahoo, fields, detail):
    yahoo.add(listing(**fields))
    for first in (FIRST, LAST + timedelta(days=1)):  # the same whether or not it has a session
        reply = ask(provider(today=LAST + timedelta(days=1)), first=first, last=LAST + timedelta(days=1))
        assert answer(reply) == Answer(Outcome.BAD_DATA, detail) and reply.bars == []
    assert net.count(CHART) == 2


def test_an_answer_about_another_symbol_is_refused(yahoo):
    yahoo.listings["FB"] = listing("META")
    assert answer(ask(provider(), "FB"), "FB") == Answer(Outcome.BAD_DATA, "Yahoo answers for META")


def test_a_dividend_in_another_currency_is_put_aside(yahoo):
    yahoo.add(listing(dividends={DAYS[3]: 0.25}))
    yahoo.dividend_currency["AAPL"] = "CAD"
    reply = ask(provider())
    assert reply.actions == [] and len(reply.bars) == len(DAYS)
    (row,) = reply.rejected
    assert row[:5] == ("yahoo", "corporate_actions", "AAPL", DAYS[3], "a dividend in CAD, and only USD is handled")
    yahoo.dividend_currency["AAPL"] = "USD"
    assert len(ask(provider()).actions) == 1


def test_a_spin_off_is_undone_and_multiplies_no_shares(yahoo):
    told = {DAYS[3]: (1175, 1000), DAYS[5]: (1281, 1000), DAYS[7]: (104, 100), DAYS[9]: (21, 20), DAYS[12]: (1, 150)}
    yahoo.add(listing("GE", splits=told))
    reply = ask(provider(), "GE")
    assert closes(reply, "GE") == pytest.approx(traded(told), abs=1e-4)
    splits = {action.ex_date: float(action.value) for action in reply.actions}
    assert splits == pytest.approx({DAYS[9]: 1.05, DAYS[12]: 1 / 150}, rel=1e-12)
    assert [(row.row_date, row.reason.partition(" ")[0]) for row in reply.rejected] == [
        (DAYS[3], "1175:1000"),
        (DAYS[5], "1281:1000"),
        (DAYS[7], "104:100"),
    ]
    assert f"`python run_nightly.py actions add GE {DAYS[3]} SPLIT 1.175`" in reply.rejected[0].reason


def test_distributed_capital_gains_are_dividends_counted_once(yahoo):
    yahoo.add(listing("FUND", quote_type="ETF", dividends={DAYS[3]: 0.25, DAYS[6]: 2.25}))
    yahoo.capital_gains["FUND"] = {DAYS[3]: 2.0, DAYS[6]: 2.0, DAYS[8]: 1.0}
    reply = ask(provider(), "FUND")
    assert {action.ex_date: action.value for action in reply.actions} == {
        DAYS[3]: D("2.25"),  # 0.25 + 2
        DAYS[6]: D("2.25"),  # includes the gains of 2
        DAYS[8]: D(1),
    }


def test_what_yahoo_is_never_asked_for(net, yahoo):
    source = provider()
    assert source.declines("AAPL250620C00200000") == "Yahoo has no history of options"
    assert [source.declines(symbol) for symbol in ("AAPL", "BRK.B", "^GSPC", "VOD.L")] == [None] * 4
    for symbol in ("my house", "aapl", "BRK-B", "A/B", "AAPL250699C00200000"):
        assert source.declines(symbol) == "it is not the symbol of a listing"
    reply = ask(source, "AAPL250620C00200000", "my house")
    assert {found.outcome for found in reply.answers.values()} == {Outcome.NOT_ASKED}
    assert len(net.log) == 0


def test_the_probe_is_an_ordinary_question(net, yahoo):
    assert provider().probe().outcome == Outcome.NOT_FOUND
    yahoo.add(listing("SPY"))
    assert provider().probe() == Answer(Outcome.OK)
