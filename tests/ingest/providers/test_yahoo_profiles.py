"""The real yfinance against the loopback Yahoo: profiles, and the crumb that they need."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.providers.base import Answer, Outcome
from ingest.rows import Profile, SectorWeight
from tests.fakes.net import Reply, sample
from tests.fakes.yahoo import CHART, CRUMB, SUMMARY, raw
from tests.ingest.yahoo_market import LAST, ask, listing, provider

APPLE = {
    "assetProfile": {"sector": "Technology", "industry": "Consumer Electronics", "country": "United States"},
    "price": {"currency": "USD", "longName": "Apple Inc."},
    "summaryDetail": {"marketCap": 3_800_000_000_000, "beta": 1.109, "currency": "USD"},
}


def earnings(*moments: datetime) -> dict[str, object]:
    return {"earnings": {"earningsDate": [int(moment.timestamp()) for moment in moments]}}


@pytest.fixture
def apple(yahoo):
    yahoo.add(listing(name="Apple Inc."))
    # 1 May 2025, 20:30 in New York, is 2 May in Greenwich.
    dates = earnings(datetime(2025, 1, 30, 21, 30, tzinfo=UTC), datetime(2025, 5, 2, 0, 30, tzinfo=UTC))
    yahoo.modules["AAPL"] = {**APPLE, "calendarEvents": dates}
    return yahoo


def test_a_profile_is_one_request_and_what_is_not_said_is_none(net, apple):
    apple.add(listing("BRK-B", exchange="NYQ"))
    apple.modules["BRK-B"] = {"summaryDetail": {"beta": raw(0.7), "marketCap": {}, "currency": "USD"}}
    source = provider(today=LAST)
    reply = source.fetch_profiles(["AAPL", "BRK.B", "NOPE", "AAPL250620C00200000"])
    assert reply.profiles == [
        Profile(
            "AAPL",
            name="Apple Inc.",
            sector="Technology",
            industry="Consumer Electronics",
            country="United States",
            exchange="NMS",
            currency="USD",
            quote_type="EQUITY",
            market_cap=Decimal(3_800_000_000_000),
            beta=1.109,
            next_earnings_date=date(2025, 5, 1),
        ),
        Profile("BRK.B", exchange="NYQ", currency="USD", quote_type="EQUITY", beta=0.7),
    ]
    assert reply.answers == {
        "AAPL": Answer(Outcome.OK),
        "BRK.B": Answer(Outcome.OK),
        "NOPE": Answer(Outcome.NOT_FOUND, "Quote not found for symbol: NOPE"),
        "AAPL250620C00200000": Answer(Outcome.NOT_ASKED, "Yahoo has no history of options"),
    }
    assert net.count(SUMMARY) == 3 and source.usage.requests == len(net.log) == 5


def test_a_fund_without_a_profile_is_no_stranger(net, yahoo):
    net.fault(path=SUMMARY, reply=sample("yahoo_quoteSummary_no_fundamentals.404.json"))
    reply = provider().fetch_profiles(["SPY"])
    assert reply.answers == {"SPY": Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has no profile of it")}
    assert reply.profiles == []


@pytest.mark.parametrize(
    ("crumb", "requests"),
    [
        (Reply(200, "Too Many Requests", "text/plain"), 2),
        (Reply(200, "Edge: Too Many Requests", "text/html"), 2),
        (Reply(429, "", "text/html"), 2),
        (Reply(200, "<html>", "text/html"), 2),
        (Reply(200, "", "text/plain"), 2),
        (Reply(drop=True), 2),
    ],
)
def test_whatever_comes_in_place_of_a_crumb_is_not_kept(net, apple, crumb, requests):
    net.fault(path=CRUMB, times=1, reply=crumb)
    assert provider().fetch_profiles(["AAPL"]).answers == {"AAPL": Answer(Outcome.OK)}
    assert net.count(CRUMB) == requests


def test_while_there_is_no_crumb_nothing_that_needs_one_is_asked(net, apple):
    symbols = ["AAPL", *(apple.add(listing(f"S{n}")).symbol for n in range(8))]
    net.fault(path=CRUMB, times=math.inf, reply=Reply(200, "Too Many Requests", "text/plain"))
    source = provider(limited_seconds=60)
    assert {found.outcome for found in source.fetch_profiles(symbols).answers.values()} == {Outcome.RATE_LIMITED}
    assert net.count(CRUMB) == 1 and net.count(SUMMARY) == 0
    assert ask(source, *symbols).answers == dict.fromkeys(symbols, Answer(Outcome.OK))


def test_a_crumb_that_grows_stale_midway_is_replaced(net, apple):
    symbols = [apple.add(listing(f"S{n}")).symbol for n in range(12)]
    source = provider()
    assert ask(source, "AAPL").answers == {"AAPL": Answer(Outcome.OK)}
    apple.crumb, apple.cookie = "another.Crumb2", "d=ANOTHER"
    assert source.fetch_profiles(symbols).answers == dict.fromkeys(symbols, Answer(Outcome.OK))
    assert net.count(CHART) == 1 and net.count(SUMMARY) <= 12 + 4 + 1


def test_a_crumb_that_is_never_right_ends_the_asking(net, apple):
    symbols = [apple.add(listing(f"S{n}")).symbol for n in range(40)]
    net.fault(path=SUMMARY, times=math.inf, reply=sample("yahoo_invalid_crumb.401.json"))
    source = provider()
    reply = source.fetch_profiles(symbols)
    assert {found.outcome for found in reply.answers.values()} == {Outcome.REFUSED, Outcome.NOT_ASKED}
    assert reply.problems == ["not asked again in this run: it refused 4 cookies in a row (401 or 403)"]
    assert net.count(SUMMARY) <= 4 * 4


def test_trouble_with_a_profile_passes_like_any_other(net, apple):
    net.fault(path=SUMMARY, reply=Reply(502, "<html>", "text/html"))
    net.fault(path=SUMMARY, reply=Reply(drop=True))
    source = provider()
    assert source.fetch_profiles(["AAPL"]).answers == {"AAPL": Answer(Outcome.OK)}
    assert source.usage.retries == 2
    net.fault(path=SUMMARY, reply=Reply(body={"quoteSummary": {"result": [{"price": "?"}], "error": None}}))
    assert source.fetch_profiles(["AAPL"]).answers["AAPL"].outcome == Outcome.BAD_DATA


def test_the_sectors_of_funds_are_shares_of_the_whole_fund(net, yahoo):
    for fund in ("SPY", "AOR", "AGG"):
        yahoo.add(listing(fund, quote_type="ETF"))
    yahoo.add(listing("AAPL"))
    # as Yahoo writes them: shares of the stocks only, names in lower case, some figures with their text
    yahoo.modules["SPY"] = {
        "topHoldings": {
            "stockPosition": raw(0.9997),
            "sectorWeightings": [{"realestate": raw(0.0193)}, {"consumer_cyclical": 0.1057}, {"technology": 0.875}],
        }
    }
    yahoo.modules["AOR"] = {
        "topHoldings": {"stockPosition": 0.6, "bondPosition": 0.39, "sectorWeightings": [{"technology": 0.25}]}
    }
    yahoo.modules["AGG"] = {
        "topHoldings": {"stockPosition": 0.0, "bondPosition": 0.99, "sectorWeightings": [{"technology": 0.0}]}
    }
    reply = provider().fetch_fund_sectors(["SPY", "AOR", "AGG", "AAPL", "NOPE", "AAPL250620C00200000"])
    assert reply.weights == [
        SectorWeight("SPY", "Real Estate", Decimal("0.019294")),
        SectorWeight("SPY", "Consumer Cyclical", Decimal("0.105668")),
        SectorWeight("SPY", "Technology", Decimal("0.874737")),
        SectorWeight("AOR", "Technology", Decimal("0.15")),
    ]
    assert reply.answers == {
        "SPY": Answer(Outcome.OK),
        "AOR": Answer(Outcome.OK),
        "AGG": Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has no sectors of it"),
        "AAPL": Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has no holdings of it"),
        "NOPE": Answer(Outcome.NOT_FOUND, "Quote not found for symbol: NOPE"),
        "AAPL250620C00200000": Answer(Outcome.NOT_ASKED, "Yahoo has no history of options"),
    }
    assert net.count(SUMMARY) == 5
