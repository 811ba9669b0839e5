import json
import math
from datetime import date
from decimal import Decimal

import pytest

from ingest.providers.base import ALL_PARTS, EARNINGS, STATEMENTS, Answer, Outcome, Part
from ingest.providers.limits import Deadline
from ingest.providers.yahoo_client import YahooClient, YahooPace
from ingest.providers.yahoo_fundamentals import YahooFundamentals
from ingest.rows import EarningsDate, Statement
from tests.fakes.company import LAST_REPORT, NEXT_REPORT, STATEMENTS_OF_YAHOO, TODAY, list_at_yahoo
from tests.fakes.net import Reply, Request, sample
from tests.fakes.yahoo import SUMMARY, TIMESERIES

PAGE = r"/calendar/earnings"
HASTY = YahooPace(workers=2, rounds=2, backoff_seconds=0.01, limited_seconds=0.01)


@pytest.fixture
def provider(yahoo) -> YahooFundamentals:
    list_at_yahoo(yahoo, "AAPL")
    return YahooFundamentals(YahooClient(1e6, Deadline.after(30), HASTY), TODAY)


def fetch(provider, *symbols, parts=ALL_PARTS):
    return provider.fetch_fundamentals(dict.fromkeys(symbols, parts))


def test_a_company_in_eight_requests(provider, yahoo, net):
    list_at_yahoo(yahoo, "BRK-B", currency="EUR")
    assert provider.probe() == Answer(Outcome.OK)
    net.log.clear()
    reply = fetch(provider, "AAPL", "BRK.B")
    assert reply.answers == {"AAPL": Answer(Outcome.OK), "BRK.B": Answer(Outcome.OK)}
    assert net.count() == 2 * 8
    assert len(reply.statements) == 2 * STATEMENTS_OF_YAHOO
    cash_flow = Part("cash_flow", "annual")
    assert [row for row in reply.statements if row[:3] == ("BRK.B", *cash_flow)][-1] == Statement(
        "BRK.B",
        *cash_flow,
        date(2026, 9, 30),
        "EUR",
        {"CapitalExpenditure": -3000000000, "FreeCashFlow": 27000000000, "OperatingCashFlow": 30000000000},
    )
    (estimate,) = (row for row in reply.estimates if row.symbol == "AAPL")
    # A fiscal year and its last quarter end on one day, and are kept apart.
    assert estimate.period_end == date(2026, 12, 31)
    assert {frequency: figures["earningsEstimate"]["avg"] for frequency, figures in estimate.estimates.items()} == {
        "quarterly": 2.6,
        "annual": 8.1,
    }
    assert estimate.estimates["annual"]["revenueEstimate"] == {
        "avg": 440000000000,
        "numberOfAnalysts": 27,
        "revenueCurrency": "USD",
    }
    # This also holds if the report is at 4:30 PM, which yfinance cannot read.
    assert [row for row in reply.earnings if row.symbol == "AAPL"] == [
        EarningsDate("AAPL", NEXT_REPORT, Decimal("2.6"), None),
        EarningsDate("AAPL", LAST_REPORT, Decimal("1.77"), Decimal("1.85")),
        EarningsDate("AAPL", date(2026, 7, 30), Decimal("1.43"), Decimal("1.57")),
    ]


def test_only_the_parts_that_are_wanted_are_asked_for(provider, net):
    reply = fetch(provider, "AAPL", parts={Part("income", "annual")})
    assert {(row.statement, row.frequency) for row in reply.statements} == {("income", "annual")}
    assert (net.count(TIMESERIES), net.count(SUMMARY), net.count(PAGE)) == (1, 0, 0)


def test_a_null_is_no_value_of_its_period_and_empties_nothing_else(provider, net):
    def with_nulls(request: Request) -> Reply:
        # The older quarter has an EPS but no revenue, and the newer one the reverse.
        reply = sample("yahoo_timeseries_null_point_breaks_yfinance.200.json")
        body = json.loads(reply.body) if isinstance(reply.body, str | bytes) else reply.body
        (revenue,) = body["timeseries"]["result"]
        eps = {"asOfDate": "2025-06-30", "currencyCode": "USD", "reportedValue": {"raw": 1.57}}
        series = {"timestamp": revenue["timestamp"], "quarterlyDilutedEPS": [eps, None], "quarterlyEBIT": [None, None]}
        return Reply(body={"timeseries": {"result": [revenue, series], "error": None}})

    net.fault(TIMESERIES, reply=with_nulls)
    reply = fetch(provider, "AAPL", parts={Part("income", "quarterly")})
    assert reply.answers["AAPL"].outcome == Outcome.OK
    assert [(row.period_end, row.line_items) for row in reply.statements] == [
        (date(2025, 6, 30), {"DilutedEPS": 1.57, "EBIT": None, "TotalRevenue": None}),
        (date(2025, 9, 30), {"DilutedEPS": None, "EBIT": None, "TotalRevenue": 102466000000}),
    ]


def test_what_cannot_be_read_is_bad_data_of_that_part_alone(provider, net):
    def broken(request: Request) -> Reply:
        name = request.arg("type").split(",")[0]
        return Reply(body={"timeseries": {"result": [{name: [{"asOfDate": "2026-09-30"}]}], "error": None}})

    net.fault(TIMESERIES, reply=broken)
    reply = fetch(provider, "AAPL")
    assert reply.answers["AAPL"].outcome == Outcome.BAD_DATA
    assert "annual income: KeyError: 'reportedValue'" in reply.answers["AAPL"].detail
    kinds = {Part(row.statement, row.frequency) for row in reply.statements}
    assert kinds == set(STATEMENTS) - {Part("income", "annual")}


def test_unknown_symbols_and_funds_have_none(provider, yahoo, net):
    list_at_yahoo(yahoo, "SPY")
    del yahoo.statements["SPY"], yahoo.modules["SPY"], yahoo.earnings["SPY"]
    reply = fetch(provider, "NOPE", "SPY")
    assert {symbol: answer.outcome for symbol, answer in reply.answers.items()} == {
        "NOPE": Outcome.NOT_FOUND,
        "SPY": Outcome.NOTHING_IN_RANGE,
    }
    assert (reply.statements, reply.estimates, reply.earnings) == ([], [], [])
    assert not net.count(f"{TIMESERIES}.*NOPE")


@pytest.mark.parametrize("fault", [{"status": 500, "body": "oops"}, {"body": '{"timeseries": {"res'}])
def test_after_a_failure_the_rest_is_asked_for_and_nothing_twice(provider, net, fault):
    net.fault(TIMESERIES, after=2, **fault)
    reply = fetch(provider, "AAPL")
    assert reply.answers == {"AAPL": Answer(Outcome.OK)}
    assert len(reply.statements) == STATEMENTS_OF_YAHOO
    assert net.count(TIMESERIES) == 6 + 1
    assert net.count(f"{SUMMARY}AAPL") == 1
    assert provider.usage.retries == 1


def test_too_many_requests_keep_what_came_and_say_so(provider, net):
    net.fault(TIMESERIES, after=2, times=math.inf, reply=sample("yahoo_any_ratelimited.429.txt"))
    reply = fetch(provider, "AAPL")
    assert reply.answers["AAPL"].outcome == Outcome.RATE_LIMITED
    assert {Part(row.statement, row.frequency) for row in reply.statements} == set(STATEMENTS[:2])
    assert len(reply.estimates) == 1


def test_without_the_page_of_earnings_dates_the_calendar_tells_the_next(provider, yahoo, net):
    fault = net.fault(PAGE, times=math.inf, status=404, body="gone", content_type="text/html")
    expected = [EarningsDate("AAPL", NEXT_REPORT, Decimal("2.6"), None)]
    assert fetch(provider, "AAPL", parts={EARNINGS}).earnings == expected
    fault.times = 0
    # If the page has no future date, that of the calendar is added.
    yahoo.earnings["AAPL"] = yahoo.earnings["AAPL"][1:]
    dates = [row.earnings_date for row in fetch(provider, "AAPL", parts={EARNINGS}).earnings]
    assert sorted(dates) == [date(2026, 7, 30), LAST_REPORT, NEXT_REPORT]


def test_the_sample_of_the_real_trend_is_read(provider, yahoo):
    body = sample("yahoo_quoteSummary_earningsTrend.200.json").body
    body = json.loads(body) if isinstance(body, str | bytes) else body
    yahoo.modules["AAPL"] = body["quoteSummary"]["result"][0]
    (estimate,) = fetch(provider, "AAPL").estimates
    assert estimate.estimates["quarterly"]["epsTrend"] == {
        "current": 2.65,
        "7daysAgo": 2.65,
        "30daysAgo": 2.5,
        "60daysAgo": 2.48,
        "epsTrendCurrency": "USD",
    }
