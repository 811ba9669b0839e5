"""The real yfinance against a loopback Yahoo in trouble: every symbol gets an answer, and the right one."""

import math
import time
from dataclasses import replace

import pytest

from ingest.providers.base import Answer, Outcome
from tests.fakes.market import Listing, random_walk, weekdays
from tests.fakes.net import Reply, sample
from tests.fakes.yahoo import CHART, CRUMB
from tests.ingest.yahoo_market import DAYS, FIRST, LAST, answer, ask, listing, provider

TOO_MANY = sample("yahoo_any_ratelimited.429.txt")
CHART_OK = sample("yahoo_chart_ok.200.json")


def crowd(yahoo, number: int) -> list[str]:
    """List so many symbols and return them."""
    return [yahoo.add(listing(f"S{n}")).symbol for n in range(number)]


@pytest.mark.parametrize(
    ("reply", "outcome", "requests"),
    [
        (sample("yahoo_chart_unknown.404.json"), "not found (No data found, symbol may be delisted)", 1),
        (sample("yahoo_chart_bad_range.400.json"), "nothing in range (Yahoo has no data of these days)", 1),
        (sample("yahoo_chart_no_rows_in_range.200.json"), "nothing in range (Yahoo has no session of these days)", 1),
        (Reply(200, {"chart": {"result": [], "error": None}}), "bad data (the answer is about no symbol)", 1),
        (Reply(200, {"finance": {"error": "?"}}), "bad data (the answer is about no symbol)", 1),
        (Reply(422, {"chart": {"result": None, "error": {"description": "Invalid"}}}), "bad data (Invalid)", 1),
        (TOO_MANY, "rate limited (Yahoo answers 429 Too Many Requests)", 3),
        (Reply(200, TOO_MANY.body, "text/html"), "rate limited (Yahoo answers 200 Too Many Requests)", 3),
        (Reply(403, "no", "text/html"), "refused (Yahoo answers 403 to its own cookie)", 3),
        (sample("yahoo_invalid_crumb.401.json"), "refused (Yahoo answers 401 to its own cookie)", 3),
        (Reply(500, "oops", "text/html"), "unreachable (Yahoo answers 500)", 3),
        (Reply(503, {"chart": None}), "unreachable (Yahoo answers 503)", 3),
        (Reply(200, "<html>", "text/html"), "unreachable (Yahoo answers 200 with a page and no data)", 3),
        (Reply(404, "<html>", "text/html"), "unreachable (Yahoo answers 404 with a page and no data)", 3),
        (Reply(200, CHART_OK.body[:900]), "unreachable (Yahoo's answer breaks off)", 3),
        (Reply(drop=True), "unreachable (ConnectionError: ", 3),
    ],
)
def test_each_kind_of_answer_has_its_outcome(net, yahoo, reply, outcome, requests):
    yahoo.add(listing())
    net.fault(path=CHART, times=math.inf, reply=reply)
    source = provider()
    found = ask(source)
    assert str(answer(found)).startswith(outcome)
    assert found.bars == [] and net.count(CHART) == requests and source.usage.retries == requests - 1


def test_a_timeout_is_out_of_reach(net, yahoo):
    yahoo.add(listing())
    net.fault(path=CHART, times=math.inf, delay=1.0)
    found = answer(ask(provider(timeout_seconds=0.2, rounds=2)))
    assert found.outcome == Outcome.UNREACHABLE and "Timeout" in found.detail


def test_the_password_of_a_proxy_is_not_told(net, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "socks9://user:hunter2@proxy.example:1080")
    found = answer(ask(provider(rounds=1)))
    assert found.outcome == Outcome.UNREACHABLE and "hunter2" not in str(found)


@pytest.mark.parametrize(
    "reply",
    [
        TOO_MANY,
        Reply(500, "oops", "text/html"),
        Reply(200, "<html>", "text/html"),
        Reply(200, CHART_OK.body[:900]),
        Reply(403, "no", "text/html"),
        Reply(drop=True),
    ],
)
def test_what_passes_is_asked_again_and_not_taken_from_a_cache(net, yahoo, reply):
    yahoo.add(listing())
    net.fault(path=CHART, times=1, reply=reply)
    source = provider()
    # A range that ended long ago, for which yfinance keeps the answers.
    assert answer(ask(source, first=FIRST, last=DAYS[5])) == Answer(Outcome.OK)
    assert net.count(CHART) == 2 and source.usage.retries == 1


def test_a_storm_midway_ends_the_asking_and_loses_no_symbol(net, yahoo):
    symbols = crowd(yahoo, 40)
    storm = net.fault(path=CHART, after=20, times=math.inf, reply=TOO_MANY)
    source = provider()
    reply = ask(source, *symbols)
    outcomes = [answer(reply, symbol) for symbol in symbols]
    assert [found.outcome for found in outcomes].count(Outcome.OK) == 20
    assert {found.outcome for found in outcomes} == {Outcome.OK, Outcome.RATE_LIMITED, Outcome.NOT_ASKED}
    reason = "it said 3 times in a row that it is asked too often (429)"
    assert answer(reply, "S39") == Answer(Outcome.NOT_ASKED, f"Yahoo is left alone in this run: {reason}")
    assert reply.problems == [f"not asked again in this run: {reason}"]
    assert net.count(CHART) <= 20 + 3 * 4  # three refusals in a row, with up to four more requests under way
    # Yahoo is not asked again in this run, and the reason is not reported twice. A later night has all symbols.
    asked = len(net.log)
    assert ask(source, "S39").problems == [] and len(net.log) == asked
    storm.times = 0
    assert {found.outcome for found in ask(provider(), *symbols).answers.values()} == {Outcome.OK}


def test_a_pause_that_yahoo_asks_for_is_kept(net, yahoo):
    yahoo.add(listing())
    net.fault(path=CHART, reply=Reply(429, TOO_MANY.body, "text/html", (("Retry-After", "1"),)))
    source, started = provider(), time.monotonic()
    assert answer(ask(source)) == Answer(Outcome.OK) and time.monotonic() - started >= 1


def test_after_the_deadline_nothing_is_asked(net, yahoo):
    symbols = crowd(yahoo, 30)
    ask(provider(), "S0")  # so that importing yfinance does not use up the time
    net.fault(path=CHART, times=math.inf, reply=lambda request: Reply(delay=0.4, body=yahoo(request).body))
    reply = ask(provider(seconds=2.0), *symbols)
    outcomes = [answer(reply, symbol).outcome for symbol in symbols]
    assert outcomes.count(Outcome.OK) >= 4 and answer(reply, "S29").detail == "the run's time for fetching is over"
    asked = len(net.log)
    assert answer(ask(provider(seconds=0))).outcome == Outcome.NOT_ASKED and len(net.log) == asked


def test_an_outage_does_not_cost_a_timeout_for_each_symbol(net, yahoo):
    symbols = crowd(yahoo, 60)
    outage = net.fault(path=CHART, times=math.inf, drop=True)
    reply = ask(provider(rounds=2), *symbols)
    assert net.count(CHART) <= 2 * (10 + 4)
    assert {found.outcome for found in reply.answers.values()} == {Outcome.UNREACHABLE, Outcome.NOT_ASKED}
    # An outage that ends between two rounds costs only the wait.
    outage.times = 12
    assert {found.outcome for found in ask(provider(), *symbols).answers.values()} == {Outcome.OK}


def test_an_answer_that_was_on_its_way_before_a_refusal_does_not_end_the_row(net, yahoo):
    symbols = crowd(yahoo, 12)
    net.fault(path=CHART, reply=lambda request: replace(yahoo(request), delay=0.1))
    net.fault(path=CHART, times=math.inf, reply=TOO_MANY)
    # The only answer comes between the first refusal and the second.
    reply = ask(provider(limited_seconds=0.4, workers=2), *symbols)
    assert [found.outcome for found in reply.answers.values()].count(Outcome.OK) == 1
    assert net.count(CHART) <= 1 + 3 * 2  # this answer, three refusals in a row, and up to two more under way


def test_prices_come_without_a_crumb_and_it_is_not_asked_for_each_symbol(net, yahoo):
    symbols = crowd(yahoo, 10)
    net.fault(path=CRUMB, times=math.inf, reply=Reply(200, "Too Many Requests", "text/plain"))
    reply = ask(provider(limited_seconds=30), *symbols)
    assert {found.outcome for found in reply.answers.values()} == {Outcome.OK}
    assert net.count(CRUMB) == 1 and net.count(CHART) == 10


def test_prices_come_where_the_hosts_of_cookies_are_blocked(net, yahoo):
    symbols = crowd(yahoo, 10)
    net.fault(host=r"^(fc|guce)\.yahoo\.com$", times=math.inf, drop=True)
    reply = ask(provider(), *symbols)
    assert {found.outcome for found in reply.answers.values()} == {Outcome.OK}
    assert net.count(CHART) == 10 and net.count(host="^fc") == net.count(host="^guce") == 1


def test_sixty_symbols_cost_sixty_requests(net, yahoo):
    _check_one_pass(net, yahoo, 60, sessions=10)


@pytest.mark.slow
def test_five_hundred_symbols_cost_five_hundred_requests(net, yahoo):
    _check_one_pass(net, yahoo, 500, sessions=8)


def _check_one_pass(net, yahoo, number, sessions):
    days = weekdays(DAYS[0], sessions)
    symbols = [yahoo.add(Listing(f"S{n}", random_walk(days, seed=n))).symbol for n in range(number)]
    source = provider()
    reply = ask(source, *symbols, "GONE", last=LAST)
    assert {answer(reply, symbol).outcome for symbol in symbols} == {Outcome.OK}
    assert answer(reply, "GONE").outcome == Outcome.NOT_FOUND
    assert len(reply.bars) == number * sessions
    assert net.count(CHART) == number + 1 and source.usage.requests == number + 3


@pytest.mark.slow
def test_no_symbol_is_lost_in_fifty_runs_of_bad_luck(net, yahoo):
    symbols = crowd(yahoo, 60)
    bad_luck = [Reply(500, "oops", "text/html"), Reply(200, "<html>", "text/html"), Reply(drop=True), TOO_MANY]
    for run in range(50):
        for n, reply in enumerate(bad_luck):
            net.fault(path=CHART, after=(run * 7 + n * 13) % 50, reply=reply)
        reply = ask(provider(), *symbols)
        assert {answer(reply, symbol).outcome for symbol in symbols} == {Outcome.OK}
        assert len(reply.bars) == len(symbols) * len(DAYS)
