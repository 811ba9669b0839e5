import json
import logging
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from ingest.providers.base import Answer, Outcome, PriceReply, Usage, Want
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.providers.polygon import PolygonProvider
from ingest.rows import PriceBar
from tests.fakes.market import Bar, bars_of, weekdays
from tests.fakes.massive import KEY, FakeMassive
from tests.fakes.net import FakeNet, Reply, sample

TODAY = date(2026, 11, 23)
CALL, PUT = "AAPL270115C00150000", "AAPL270115P00152500"
WED, FRI = date(2026, 11, 18), date(2026, 11, 20)
WEEK = (date(2026, 11, 16), FRI)
HASTY = Pace(backoff_seconds=0.001, limited_seconds=0.001)
BARS = {WED: Bar(5.1, 5.4, 5.0, 5.25, 120), FRI: Bar(5.3, 5.9, 5.3, 5.8, 40)}
ON_TODAY = Reply(403, {"status": "NOT_AUTHORIZED", "message": "Attempted to request today's data before end of day."})


@pytest.fixture(autouse=True)
def every_word_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text


@pytest.fixture
def options(massive: FakeMassive) -> FakeMassive:
    massive.bars = {f"O:{CALL}": dict(BARS), f"O:{PUT}": dict(BARS)}
    return massive


def provider_of(
    key: str = KEY,
    base: str = "https://api.massive.com",
    seconds: float = 20,
    per_minute: float = 1e6,
    today: date = TODAY,
    pace: Pace = HASTY,
) -> PolygonProvider:
    return PolygonProvider(
        SecretStr(key), base, today, per_minute=per_minute, deadline=Deadline.after(seconds), pace=pace
    )


def fetch(provider: PolygonProvider, *symbols: str, first: date = WEEK[0], last: date = WEEK[1]) -> PriceReply:
    """Return the reply for some symbols and one range, which has the key in none of its parts."""
    reply = provider.fetch_prices([Want(symbol, first, last) for symbol in symbols])
    assert KEY not in repr(reply) + repr(vars(provider))
    assert list(reply.answers) == list(symbols)
    return reply


def test_bars_by_contract_on_their_new_york_dates(net: FakeNet, options: FakeMassive) -> None:
    provider = provider_of()
    reply = fetch(provider, CALL)
    assert reply.bars == [
        PriceBar(CALL, day, *(Decimal(str(price)) for price in bar[:4]), bar.volume) for day, bar in BARS.items()
    ]
    assert reply.answers == {CALL: Answer(Outcome.OK)}
    assert (reply.actions, reply.rejected, reply.problems) == ([], [], [])
    (request,) = net.log
    assert request.path == f"/v2/aggs/ticker/O:{CALL}/range/1/day/2026-11-16/2026-11-20"
    assert request.query == {"adjusted": ["false"], "sort": ["asc"], "limit": ["50000"]}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert provider.usage == Usage(1, 0)


def test_the_sample_reply_and_both_sides_of_the_clock_change(net: FakeNet, options: FakeMassive) -> None:
    net.fault(reply=sample("massive_aggs_option.200.json"))
    old = fetch(provider_of(), "AAPL230616C00150000", first=date(2023, 6, 1), last=date(2023, 6, 16))
    assert [(bar.price_date, bar.close) for bar in old.bars] == [
        (date(2023, 6, 13), Decimal("35.25")),
        (date(2023, 6, 15), Decimal("36.8")),
    ]
    days = weekdays(date(2026, 10, 26), 10)  # summer time ends on 2026-11-01
    options.bars[f"O:{CALL}"] = bars_of(dict.fromkeys(days, 5.0))
    reply = fetch(provider_of(), CALL, first=days[0], last=days[-1])
    assert [bar.price_date for bar in reply.bars] == days


def test_no_results_key_means_that_it_did_not_trade(net: FakeNet, options: FakeMassive) -> None:
    put = "AAPL230616P00020000"
    net.fault(reply=sample("massive_aggs_no_trades.200.json"))
    assert fetch(provider_of(), put).answers == {put: Answer(Outcome.NOTHING_IN_RANGE, "it did not trade")}
    assert fetch(provider_of(), CALL, last=WEEK[0]).answers[CALL].outcome == Outcome.NOTHING_IN_RANGE


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("AAPL", "Polygon is asked for options alone"),
        ("BRK.B", "Polygon is asked for options alone"),
        ("AAPL1230616C00037500", "an adjusted contract"),
        ("AAPL7270115C00150000", "an adjusted contract"),
        ("AAPL279915C00150000", "is no date"),
    ],
)
def test_what_is_not_for_it_is_declined_without_a_request(
    net: FakeNet, options: FakeMassive, symbol: str, reason: str
) -> None:
    provider = provider_of()
    assert reason in provider.declines(symbol)
    assert fetch(provider, symbol).answers == {symbol: Answer(Outcome.NOT_ASKED, provider.declines(symbol))}
    assert net.log == []
    assert provider.fetch_profiles([symbol]).profiles == []


def test_roots_that_are_not_their_underlying_are_options_all_the_same() -> None:
    assert [provider_of().declines(f"{root}270115C00150000") for root in ("BRKB", "SPXW", "F")] == [None] * 3


def test_contracts_are_asked_in_order_evenly_spaced_until_the_deadline(net: FakeNet, options: FakeMassive) -> None:
    """A turn each 0.2 s (less the safe share), and 0.5 s: three are asked, the others keep their place in the queue."""
    symbols = [PUT, CALL, *(f"AAPL270115C{strike:05d}000" for strike in range(200, 220))]
    provider = provider_of(per_minute=300, seconds=0.5)
    started = time.monotonic()
    reply = fetch(provider, *symbols)
    assert time.monotonic() - started < 4  # all of them would take 4.4 s
    asked = [request.path.split("/")[4].removeprefix("O:") for request in net.log]
    assert asked == symbols[: len(asked)]
    assert 1 <= len(asked) <= 3
    queued = Answer(Outcome.NOT_ASKED, "the run's time for fetching is over: queued for a later night")
    assert {reply.answers[symbol] for symbol in symbols[len(asked) :]} == {queued}
    assert provider.usage.requests == len(asked)


def test_too_many_requests_are_waited_for(net: FakeNet, options: FakeMassive) -> None:
    options.requests, options.seconds = 1, 0.1
    provider = provider_of(pace=HASTY._replace(limited_seconds=0.12))
    reply = fetch(provider, CALL, PUT)
    assert {answer.outcome for answer in reply.answers.values()} == {Outcome.OK}
    assert provider.usage == Usage(requests=3, retries=1)


@pytest.mark.parametrize("limited", [sample("massive_ratelimited.429.json"), Reply(429)], ids=["told", "empty"])
def test_a_single_429_is_asked_again(net: FakeNet, options: FakeMassive, limited: Reply) -> None:
    net.fault(reply=limited)
    assert fetch(provider_of(), CALL).answers[CALL].outcome == Outcome.OK


def test_a_storm_of_429s_leaves_the_rest_for_a_later_night(net: FakeNet, options: FakeMassive) -> None:
    net.fault(reply=sample("massive_ratelimited.429.json"), after=1, times=1e9)
    reply = fetch(provider_of(), CALL, PUT, "IBM270115C00150000")
    assert [answer.outcome for answer in reply.answers.values()] == [
        Outcome.OK,
        Outcome.RATE_LIMITED,
        Outcome.NOT_ASKED,
    ]
    (problem,) = reply.problems
    assert problem.startswith("not asked again in this run: it keeps failing, last with: rate limited (429 You've exc")
    assert len(net.log) == 4


def test_a_wrong_key_ends_the_run_for_it_with_one_line(net: FakeNet, options: FakeMassive) -> None:
    provider = provider_of(key="wrong")
    reply = fetch(provider, CALL, PUT)
    assert [answer.outcome for answer in reply.answers.values()] == [Outcome.REFUSED, Outcome.NOT_ASKED]
    assert reply.problems == ["not asked again in this run: the key is not valid (POLYGON_API_KEY)"]
    assert fetch(provider, CALL).problems == []
    assert len(net.log) == 1


def test_what_lies_before_the_plans_two_years_is_left_out(net: FakeNet, options: FakeMassive) -> None:
    """The plan refuses a range that begins too early; that is learned at once, for the contracts after it too."""
    edge = TODAY - timedelta(days=730)

    def plan(request: Any) -> Reply:
        first = date.fromisoformat(request.path.split("/")[-2])
        return sample("massive_timeframe.403.json") if first < edge else options(request)

    net.fault(reply=plan, times=1e9)
    reply = fetch(provider_of(), CALL, PUT, first=date(2023, 1, 3))
    kept = Answer(Outcome.OK, "the plan has only 2024-11-24 to 2026-11-20 of it")
    assert reply.answers == {CALL: kept, PUT: kept}
    assert len(reply.bars) == 4
    assert len(net.log) == 3


def test_a_range_that_the_plan_does_not_have_is_refused(net: FakeNet, options: FakeMassive) -> None:
    options.earliest = date(2024, 11, 22)
    old = {"first": date(2023, 1, 3), "last": date(2023, 6, 16)}
    reply = fetch(provider_of(), "AAPL230616C00150000", "AAPL230616C00155000", **old)
    assert {str(answer) for answer in reply.answers.values()} == {
        "refused (the plan does not include these dates, or not yet)"
    }
    assert len(net.log) == 1


@pytest.mark.parametrize("refusal", [ON_TODAY, sample("massive_timeframe.403.json")], ids=["not yet", "timeframe"])
def test_todays_bar_is_left_for_tomorrow_where_the_plan_refuses_it(
    net: FakeNet, options: FakeMassive, refusal: Reply
) -> None:
    net.fault(f"/{TODAY}$", reply=refusal, times=1e9)
    reply = fetch(provider_of(), CALL, PUT, last=TODAY)
    assert {answer.detail for answer in reply.answers.values()} == {"the plan has only 2026-11-16 to 2026-11-22 of it"}
    assert len(reply.bars) == 4
    assert len(net.log) == 3
    assert fetch(provider_of(), CALL, first=TODAY, last=TODAY).answers[CALL].outcome == Outcome.REFUSED


def test_options_that_the_plan_does_not_have_are_asked_for_once(net: FakeNet, options: FakeMassive) -> None:
    net.fault(reply=sample("massive_not_entitled.403.json"), times=1e9)
    reply = fetch(provider_of(), CALL, PUT)
    assert str(reply.answers[CALL]) == "refused (the plan does not include options)"
    assert reply.answers[PUT].outcome == Outcome.NOT_ASKED
    assert len(net.log) == len(reply.problems) == 1


def test_a_next_page_on_a_host_of_its_own_is_followed_with_the_key(net: FakeNet, options: FakeMassive) -> None:
    net.fault(body=_page(WED, 5.25) | {"next_url": "https://api.polygon.io/v2/more?cursor=1"})
    net.fault("/v2/more", body=_page(FRI, 5.8))
    reply = fetch(provider_of(), CALL)
    assert [bar.price_date for bar in reply.bars] == [WED, FRI]
    assert [(request.host, request.headers["authorization"]) for request in net.log] == [
        ("api.massive.com", f"Bearer {KEY}"),
        ("api.polygon.io", f"Bearer {KEY}"),
    ]


def test_a_next_page_on_a_foreign_host_is_not_asked_for(net: FakeNet, options: FakeMassive) -> None:
    net.mount("evil", lambda _: Reply(body=_page(FRI, 666)))
    net.fault(body=_page(WED, 5.25) | {"next_url": "https://evil.example/v2/more?cursor=1"}, times=2)
    reply = fetch(provider_of(), CALL, PUT)
    told = "the next page is on evil.example, not one of its hosts: not asked"
    assert reply.answers[CALL] == Answer(Outcome.BAD_DATA, told)
    assert reply.problems == [told]
    assert [(bar.symbol, bar.price_date) for bar in reply.bars] == [(CALL, WED), (PUT, WED)]
    assert net.count(host="evil") == 0


def test_pages_without_an_end_are_given_up(net: FakeNet, options: FakeMassive) -> None:
    net.fault(body=_page(WED, 5.25) | {"next_url": "https://api.massive.com/v2/more"}, times=1e9)
    assert fetch(provider_of(), CALL).answers[CALL] == Answer(Outcome.BAD_DATA, "more than 5 pages for one contract")


@pytest.mark.parametrize(
    ("reply", "outcome", "detail"),
    [
        (Reply(404, {"status": "NOT_FOUND", "message": "Data not found."}), Outcome.NOT_FOUND, "404 Data not found."),
        (Reply(403, {"message": "no"}), Outcome.REFUSED, "403 no"),
        (Reply(500, {"error": "oops"}), Outcome.UNREACHABLE, "500 oops"),
        (Reply(200, []), Outcome.BAD_DATA, "not what was asked for: 200 []"),
        (Reply(200, {"status": "ERROR", "error": "odd"}), Outcome.BAD_DATA, "not what was asked for: 200 odd"),
        (Reply(200, {"results": {}}), Outcome.BAD_DATA, "not the contract's bars"),
        (Reply(200, {"results": [1]}), Outcome.BAD_DATA, "its rows are not JSON objects"),
        (Reply(200, {"ticker": f"O:{PUT}", "results": []}), Outcome.BAD_DATA, "not the contract's bars"),
    ],
    ids=str,
)
def test_each_kind_of_trouble(net: FakeNet, options: FakeMassive, reply: Reply, outcome: Outcome, detail: str) -> None:
    fault = net.fault(reply=reply, times=1e9)
    provider = provider_of()
    answer = fetch(provider, CALL).answers[CALL]
    assert answer.outcome == outcome
    assert answer.detail.startswith(detail)
    fault.times = 0
    assert fetch(provider, CALL).answers[CALL].outcome == Outcome.OK


def test_rows_that_cannot_be_read_are_rejected_and_the_others_taken(net: FakeNet, options: FakeMassive) -> None:
    good, without_close = _row(WED, 5.25), _row(FRI, 5.8) | {"c": None}
    tuesday = _row(WED - timedelta(days=1), 5)
    bad = [without_close, good | {"t": "now"}, good | {"t": 10**30}, tuesday, tuesday | {"c": 6}]
    net.fault(body={"results": [good, *bad, good, _row(date(2026, 11, 13), 5)]})
    reply = fetch(provider_of(), CALL)
    assert [bar.price_date for bar in reply.bars] == [WED]
    assert [(row.row_date, row.reason) for row in reply.rejected] == [
        (FRI, "close: it is empty"),
        (None, "t: it is not a time"),
        (None, "t: it is not a time"),
        (WED - timedelta(days=1), "another row has this session differently"),
    ]
    assert json.dumps([row.payload for row in reply.rejected])
    net.fault(body={"results": [without_close]})
    assert fetch(provider_of(), CALL).answers[CALL] == Answer(Outcome.BAD_DATA, "1 rows could not be read")


def test_the_probe_says_whether_it_can_be_believed(net: FakeNet, options: FakeMassive) -> None:
    assert provider_of().probe() == Answer(Outcome.OK)
    assert len(net.log) == 1
    assert provider_of(key="wrong").probe() == Answer(Outcome.REFUSED, "the key is not valid (POLYGON_API_KEY)")
    options.bars.clear()
    assert provider_of().probe() == Answer(Outcome.BAD_DATA, "it says that AAPL has no options")


def _row(day: date, close: float) -> dict[str, Any]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York"))
    return {"t": int(midnight.timestamp() * 1000), "o": close, "h": close, "l": close, "c": close, "v": 10}


def _page(day: date, close: float) -> dict[str, Any]:
    return {"status": "OK", "results": [_row(day, close)]}
