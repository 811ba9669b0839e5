from datetime import date
from decimal import Decimal

import pytest
from pydantic import SecretStr

from ingest.providers.base import ALL_PARTS, STATEMENTS, Answer, Outcome, Part
from ingest.providers.fmp_client import FmpClient
from ingest.providers.fmp_fundamentals import FmpFundamentals
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.rows import EarningsDate, Statement
from tests.fakes.company import LAST_REPORT, NEXT_REPORT, TODAY, list_at_fmp
from tests.fakes.fmp import KEY
from tests.fakes.net import Reply, sample

HASTY = Pace(backoff_seconds=0.001, limited_seconds=0.001)
BASE = "https://financialmodelingprep.com/stable"


def provider_of(key: str = KEY) -> FmpFundamentals:
    client = FmpClient(SecretStr(key), BASE, per_minute=1e6, deadline=Deadline.after(20), pace=HASTY)
    return FmpFundamentals(client, TODAY)


def fetch(provider, *symbols, parts=ALL_PARTS):
    return provider.fetch_fundamentals(dict.fromkeys(symbols, parts))


@pytest.fixture
def provider(fmp) -> FmpFundamentals:
    list_at_fmp(fmp, "AAPL")
    return provider_of()


def test_a_company_in_its_parts(provider, fmp, net):
    list_at_fmp(fmp, "BRK-B", currency="EUR")
    assert provider.probe() == Answer(Outcome.OK)
    net.log.clear()
    reply = fetch(provider, "BRK.B")
    assert reply.answers == {"BRK.B": Answer(Outcome.OK)}
    assert net.count() == 6 + 2 + 1
    assert {Part(row.statement, row.frequency) for row in reply.statements} == set(STATEMENTS)
    assert reply.statements[0] == Statement(
        "BRK.B",
        "income",
        "annual",
        date(2026, 9, 26),
        "EUR",
        {
            "filingDate": "2026-10-30",
            "period": "FY",
            "revenue": 416161000000,
            "netIncome": 112010000000,
            "epsDiluted": 7.46,
        },
    )
    # Estimates reach to 2034, the furthest first. The nearest periods without a report are kept.
    assert [(row.period_end.year, row.estimates) for row in reply.estimates] == [
        (year, {"annual": {"epsAvg": year / 1000}}) for year in (2026, 2027, 2028, 2029)
    ]
    assert reply.earnings == [
        EarningsDate("BRK.B", NEXT_REPORT, Decimal("2.6"), None),
        EarningsDate("BRK.B", LAST_REPORT, Decimal("1.77"), Decimal("1.85")),
    ]


def test_only_the_parts_that_are_wanted_are_asked_for(provider, net):
    fetch(provider, "AAPL", parts={Part("cash_flow", "quarterly")})
    assert [request.path for request in net.log] == ["/stable/cash-flow-statement"]


def test_a_free_plan_is_asked_for_as_many_rows_as_it_has(provider, fmp, net):
    fmp.largest_limit = 5
    assert fetch(provider, "AAPL").answers == {"AAPL": Answer(Outcome.OK)}
    # After one refusal, later requests ask for less.
    assert net.count() == 9 + 1


def test_what_the_plan_leaves_out_is_told_once_and_is_no_trouble_of_the_company(provider, fmp, net):
    list_at_fmp(fmp, "MSFT")
    fmp.restricted = {"analyst-estimates"}
    refused = Reply(
        402, "Premium Query Parameter: 'Special Endpoint : This value set for 'period' is not available", ""
    )
    net.fault("/balance-sheet-statement", after=1, reply=refused)
    reply = fetch(provider, "AAPL", "MSFT")
    assert {answer.outcome for answer in reply.answers.values()} == {Outcome.OK}
    assert "the plan leaves out quarterly balance: the plan does not include this value of period" in reply.problems
    assert sum("analyst-estimates" in problem for problem in reply.problems) == 1
    assert (net.count("/analyst-estimates"), net.count("/balance-sheet-statement")) == (1, 3)


def test_a_gated_symbol_costs_one_request(provider, fmp, net):
    fmp.premium = {"AAPL"}
    assert fetch(provider, "AAPL").answers["AAPL"].outcome == Outcome.REFUSED
    assert net.count() == 1


def test_nothing_is_nothing_and_a_quota_is_trouble(provider, fmp):
    assert fetch(provider, "NOPE").answers["NOPE"].outcome == Outcome.NOTHING_IN_RANGE
    fmp.quota_left, fmp.when_spent = 2, sample("fmp_quota_as_200.200.json")
    reply = fetch(provider, "AAPL")
    assert reply.answers["AAPL"].outcome == Outcome.RATE_LIMITED
    assert len(reply.statements) == 2


def test_a_wrong_key_fails_the_probe_and_is_in_no_message(fmp):
    answer = provider_of("another-key").probe()
    assert answer.outcome == Outcome.REFUSED
    assert "another-key" not in str(answer)
