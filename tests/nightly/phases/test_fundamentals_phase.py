"""Phase 1.5 in a night, from the fake of Yahoo, and what dbt's staging shows of it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from nightly.record import PhaseRecord
from tests.fakes.company import STATEMENTS_OF_YAHOO, list_at_yahoo
from tests.nightly.small_nights import ROLLED_TO, TONIGHT, Night

STATEMENT = (
    "select revenue, net_income, diluted_eps, total_assets from staging.stg_financial_statements"
    " where (symbol, statement, frequency, period_end) = ('AAA', 'income', 'annual', '2025-09-30')"
)


@pytest.fixture
def live_night(night: Night, yahoo) -> Night:
    """The rolled database with Yahoo after the folder of files, and AAPL for its probe."""
    for symbol in ("AAA", "BBB", "AAPL"):
        list_at_yahoo(yahoo, symbol)
    settings = night.settings.model_copy(
        update={"providers": f"{night.settings.providers},yahoo", "yahoo_per_minute": 100_000}
    )
    return Night(night.database, settings)


def phase(night: Night, **request) -> PhaseRecord:
    run = night.run(phases=("1.5",), **request)
    assert run.status == "succeeded", run.problems
    assert run.warnings == []
    return run.phases[0]


def test_what_is_due_is_fetched_and_staging_shows_it_typed_and_as_it_was_known(live_night, yahoo, net):
    fetched = phase(live_night)
    assert fetched.lines[0] == "2 of 2 symbols due"
    assert f"statements: {2 * STATEMENTS_OF_YAHOO} new, 0 new versions, 0 unchanged" in fetched.lines
    asked = net.count()
    assert fetched.counts["providers"][0]["requests"] == asked
    assert phase(live_night, now=TONIGHT + timedelta(hours=1)).lines == ["nothing due: 2 companies in the book"]
    assert net.count() == asked

    # An income statement has no totals of a balance sheet.
    assert live_night.rows(STATEMENT) == [(Decimal("1E+11"), Decimal("2.4E+10"), Decimal("1.6"), None)]
    assert live_night.rows(
        "select frequency, eps_estimate, revenue_analysts, currency from staging.stg_analyst_estimates"
        " where symbol = 'BBB' order by 1"
    ) == [("annual", Decimal("8.1"), 27, "USD"), ("quarterly", Decimal("2.6"), 27, "USD")]
    assert live_night.rows(
        "select earnings_date, eps_surprise from staging.stg_earnings_dates"
        " where symbol = 'AAA' and eps_actual is not null order by 1 desc limit 1"
    ) == [(date(2026, 10, 29), Decimal("0.08"))]

    # FMP's names fill the same columns. A restatement is the latest version, and the one before it is what was known
    # then.
    live_night.execute(
        "insert into raw.financial_statements values ('AAA', 'income', 'annual', '2025-09-30', '2024-03-01 12:00+00',"
        """ 'USD', '{"revenue": 99e9, "netIncome": "n/a", "epsDiluted": 1.5, "filingDate": "2025-11-01"}', 'fmp')"""
    )
    assert live_night.rows(STATEMENT) == [(99_000_000_000, None, Decimal("1.5"), None)]
    known = (
        "select revenue from staging.stg_statement_versions"
        " where (symbol, statement, frequency, period_end) = ('AAA', 'income', 'annual', '2025-09-30')"
        " and known_from <= %s and (known_until > %s or known_until is null)"
    )
    assert live_night.rows(known, *[date(2024, 2, 29)] * 2) == [(Decimal("1E+11"),)]
    assert live_night.rows(known, *[date(2024, 3, 2)] * 2) == [(99_000_000_000,)]
    assert live_night.rows(known, *[date(2024, 2, 14)] * 2) == []


def test_a_run_narrowed_to_a_portfolio_asks_for_its_companies(live_night):
    assert phase(live_night, portfolios=("Income",)).lines[0] == "1 of 1 symbol due"
    assert live_night.rows("select distinct symbol from raw.financial_statements") == [("BBB",)]


def test_nothing_is_asked_without_a_source_or_for_an_older_session(night, live_night, net):
    assert phase(night).lines == ["no source of fundamentals among AFTERCLOSE_PROVIDERS (yahoo; fmp with a key)"]
    later = phase(live_night, trade_date=ROLLED_TO, now=TONIGHT + timedelta(days=8))
    assert later.lines == ["nothing asked: sources report the fundamentals of today, and the run is about 2024-02-14"]
    assert net.count() == 0
