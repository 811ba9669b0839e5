"""The collection of fundamentals on a real database, from the fakes of Yahoo and FMP."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from ingest.fundamentals import collection as fundamentals
from ingest.fundamentals.chain import fundamentals_chain
from ingest.fundamentals.collection import collect_fundamentals
from ingest.fundamentals.store import write_earnings, write_statements
from ingest.providers.base import Outcome
from ingest.providers.fmp_client import FmpClient
from ingest.providers.fmp_fundamentals import FmpFundamentals
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.providers.yahoo_client import YahooClient, YahooPace
from ingest.providers.yahoo_fundamentals import YahooFundamentals
from ingest.rows import EarningsDate, Statement
from ingest.sources.aliases import Alias, Aliased
from ingest.sources.clients import Clients
from tests.fakes import fmp as fmp_app
from tests.fakes.company import LAST_REPORT, NEXT_REPORT, STATEMENTS_OF_YAHOO, TODAY, list_at_fmp, list_at_yahoo
from tests.fakes.net import sample
from tests.fakes.yahoo import SUMMARY, TIMESERIES
from tests.ingest.market_book import Book, define_factors
from warehouse.settings import load_settings

TRADE_DATE = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
TABLES = ("financial_statements", "analyst_estimates", "earnings_dates", "company_profiles")


def yahoo_provider(today: date = TODAY, seconds: float = 30) -> YahooFundamentals:
    pace = YahooPace(workers=2, rounds=2, backoff_seconds=0.01, limited_seconds=0.01)
    return YahooFundamentals(YahooClient(1e6, Deadline.after(seconds), pace), today)


def fmp_provider(today: date = TODAY) -> FmpFundamentals:
    pace = Pace(backoff_seconds=0.001, limited_seconds=0.001)
    base = "https://financialmodelingprep.com/stable"
    client = FmpClient(SecretStr(fmp_app.KEY), base, per_minute=1e6, deadline=Deadline.after(30), pace=pace)
    return FmpFundamentals(client, today)


@pytest.fixture
def book(conn) -> Book:
    define_factors(conn, "MTUM")
    return Book(conn, "2026-01-02")


@pytest.fixture
def apple(conn, book, yahoo, fmp):
    """AAPL in the book and at Yahoo; FMP knows nobody but its canary."""
    hold(conn, book, "AAPL")
    list_at_yahoo(yahoo, "AAPL")
    list_at_fmp(fmp, "AAPL")


def hold(conn, book: Book, symbol: str, quote_type: str | None = "EQUITY") -> None:
    book.lot(symbol, "2026-01-02")
    conn.execute(
        "insert into raw.company_profiles (symbol, quote_type, source) values (%s, %s, 'test')", [symbol, quote_type]
    )


def collect(conn, days: int = 0, providers=None, **options):
    """Collect so many days after the first night."""
    today, now = TODAY + timedelta(days), NOW + timedelta(days)
    providers = [yahoo_provider(today)] if providers is None else providers
    return collect_fundamentals(conn, providers, TRADE_DATE, today=today, now=now, **options)


def rows(conn, query, *parameters):
    return conn.execute(query, parameters).fetchall()


def places(conn):
    """Return where each row lies and which transaction wrote it: the same again, nothing has been written."""
    return {table: rows(conn, f"select ctid::text, xmin::text from raw.{table} order by 1") for table in TABLES}


def test_the_first_night_an_unchanged_one_and_a_restatement(conn, apple, yahoo, net):
    far = date(2027, 12, 28)
    yahoo.earnings["AAPL"][0] = ("December 28, 2027 at 4:30 PM EST", 2.6, None, None)
    first = collect(conn)
    assert first.statements[:3] == (STATEMENTS_OF_YAHOO, 0, 0)
    assert (first.due, first.missed, first.warnings()) == (1, [], [])
    assert rows(conn, "select distinct first_seen_at, source, currency from raw.financial_statements") == [
        (NOW, "yahoo", "USD")
    ]
    assert rows(conn, "select next_earnings_date from raw.company_profiles") == [(far,)]
    written, asked = places(conn), net.count()

    # Nothing is due on the next night.
    again = collect(conn, days=1)
    assert (again.due, net.count(), places(conn)) == (0, asked, written)
    assert again.lines() == ["nothing due: 1 company in the book"]

    # After a hundred days everything is asked for again. Equal values are left alone, also where only the noise
    # differs.
    for series in yahoo.statements["AAPL"].values():
        series |= {day: 27e9 for day, value in series.items() if value == 26999999999.999996}
    unchanged = collect(conn, days=100)
    assert net.count() > asked
    assert unchanged.statements[:3] == (0, 0, STATEMENTS_OF_YAHOO)
    assert (unchanged.estimates.unchanged, unchanged.earnings.unchanged) == (1, 3)
    assert places(conn) == written

    # One figure of one period is restated: there is one new version, and the old one is still what was known then.
    yahoo.statements["AAPL"]["annualNetIncome"]["2025-09-30"] = 23e9
    restated = collect(conn, days=200)
    assert restated.statements[:3] == (0, 1, STATEMENTS_OF_YAHOO - 1)
    assert restated.statements.restated == ("AAPL",)
    assert "restated: AAPL" in restated.lines()
    known_on = """
        select line_items ->> 'NetIncome' from (
            select *, lead(first_seen_at) over (
                partition by symbol, statement, frequency, period_end order by first_seen_at
            ) as replaced_at
            from raw.financial_statements
        ) as versions
        where
            (statement, frequency, period_end) = ('income', 'annual', '2025-09-30')
            and first_seen_at <= %s and (replaced_at > %s or replaced_at is null)
    """
    days = (50, 199, 200)
    assert [rows(conn, known_on, NOW + timedelta(day), NOW + timedelta(day)) for day in days] == [
        [("24000000000",)],
        [("24000000000",)],
        [("23000000000",)],
    ]


def test_estimates_move_their_date_only_when_they_change(conn, apple, yahoo):
    collect(conn)
    yahoo.modules["AAPL"]["earningsTrend"]["trend"][0]["earningsEstimate"]["avg"] = {"raw": 2.7}
    report = collect(conn, days=100)
    assert report.estimates.updated == 1
    assert rows(conn, "select as_of from raw.analyst_estimates") == [(TODAY + timedelta(100),)]
    assert rows(conn, "select distinct as_of from raw.earnings_dates") == [(TODAY,)]


def test_a_report_makes_it_due_three_days_later(conn, apple, yahoo, net):
    collect(conn)
    days_until = (NEXT_REPORT - TODAY).days
    assert collect(conn, days=days_until + 2).due == 0
    yahoo.earnings["AAPL"][0] = ("January 28, 2027 at 4 PM EST", 2.6, 2.7, 3.8)
    yahoo.earnings["AAPL"].insert(0, ("April 29, 2027 at 4 PM EDT", 1.9, None, None))
    assert collect(conn, days=days_until + 3).due == 1
    assert rows(conn, "select eps_actual from raw.earnings_dates where earnings_date = %s", NEXT_REPORT) == [
        (Decimal("2.7"),)
    ]
    assert rows(conn, "select next_earnings_date from raw.company_profiles") == [(date(2027, 4, 29),)]
    assert collect(conn, days=days_until + 4).due == 0
    # A fresher profile knows that the next report was moved forward.
    conn.execute("update raw.company_profiles set next_earnings_date = %s", [NEXT_REPORT + timedelta(10)])
    assert collect(conn, days=days_until + 12).due == 0
    assert collect(conn, days=days_until + 13).due == 1


@pytest.mark.parametrize("statement", ["income", "all"])
def test_a_half_filled_newest_quarter_is_asked_for_until_it_is_whole(conn, apple, yahoo, statement):
    # three days after the report the new quarter has its EPS, but no revenue and nothing else
    items = {"TotalRevenue", "NetIncome"} if statement == "income" else set()
    collect(conn)
    days = (NEXT_REPORT - TODAY).days + 3
    yahoo.earnings["AAPL"][0] = ("January 28, 2027 at 4 PM EST", 2.6, 2.7, 3.8)
    yahoo.earnings["AAPL"].insert(0, ("April 29, 2027 at 4 PM EDT", 1.9, None, None))
    series = yahoo.statements["AAPL"]
    known = {name: dict(points) for name, points in series.items()}
    for name, points in series.items():
        if name.startswith("quarterly") and name.removeprefix("quarterly") not in items:
            points["2026-12-31"] = 1.0
    if statement == "all":
        for name in [name for name in series if name.startswith("quarterly") and name != "quarterlyDilutedEPS"]:
            series[name] = known[name]
    assert collect(conn, days=days).due == 1
    items_of = """
        select (array_agg(line_items order by first_seen_at desc))[1] ->> 'TotalRevenue'
        from raw.financial_statements where (statement, frequency, period_end) = ('income', 'quarterly', '2026-12-31')
    """
    assert rows(conn, items_of) == [(None,)]
    # each night, while the quarter is half filled
    assert collect(conn, days=days + 1).due == 1
    assert collect(conn, days=days + 2).due == 1
    for name in series:
        if name.startswith("quarterly"):
            series[name]["2026-12-31"] = 5.0
    assert collect(conn, days=days + 3).due == 1
    assert rows(conn, items_of) == [("5",)]
    assert collect(conn, days=days + 4).due == 0


def test_one_that_stays_half_filled_is_asked_for_weekly(conn, apple, yahoo):
    collect(conn)
    days = (NEXT_REPORT - TODAY).days + 3
    yahoo.earnings["AAPL"][0] = ("January 28, 2027 at 4 PM EST", 2.6, 2.7, 3.8)
    yahoo.statements["AAPL"]["quarterlyDilutedEPS"]["2026-12-31"] = 2.7
    due = [collect(conn, days=days + more).due for more in range(30)]
    assert due == [1] * 15 + [int((more - 14) % 7 == 0) for more in range(15, 30)]


def test_a_date_that_was_moved_goes_and_today_stays(conn, apple):
    def say(*days: date, actual=None):
        return write_earnings(conn, [(EarningsDate("AAPL", day, None, actual), "yahoo") for day in days], TODAY)

    say(date(2026, 7, 30), LAST_REPORT, TODAY, NEXT_REPORT)
    # Only the calendar answers: past dates and today's stay, and the expected date has moved.
    assert say(date(2027, 2, 2)).deleted == 1
    stored = "select earnings_date from raw.earnings_dates order by 1"
    assert rows(conn, stored) == [(date(2026, 7, 30),), (LAST_REPORT,), (TODAY,), (date(2027, 2, 2),)]
    # The whole list answers: October's report was a day later than expected.
    later = LAST_REPORT + timedelta(1)
    assert say(date(2026, 7, 30), later, date(2027, 2, 2)).deleted == 2
    assert rows(conn, stored) == [(date(2026, 7, 30),), (later,), (date(2027, 2, 2),)]
    assert rows(conn, "select next_earnings_date from raw.company_profiles") == [(date(2027, 2, 2),)]


def test_who_has_no_fundamentals_is_not_asked_for(conn, book, yahoo, net):
    hold(conn, book, "SPY", "ETF")
    hold(conn, book, "XXX", None)
    book.lot("My House", investment_class="PRIVATE")
    report = collect(conn)
    assert net.count() == 0
    assert report.skipped == {"ETF: no company": 1, "no profile says what it is": 1}
    assert report.lines() == [
        "nothing due: 0 companies in the book, 1 skipped (ETF: no company), 1 skipped (no profile says what it is)"
    ]


def test_options_count_by_their_underlying_and_a_run_may_be_narrowed(conn, apple, book, yahoo):
    other = Book(conn, "2026-01-02")
    hold(conn, other, "MSFT")
    conn.execute("insert into raw.company_profiles (symbol, quote_type, source) values ('KO', 'EQUITY', 'test')")
    other.option("KO270115C00060000", "KO", "2027-01-15", "2026-01-02")
    for symbol in ("MSFT", "KO"):
        list_at_yahoo(yahoo, symbol)
    assert collect(conn, portfolio_ids=[other.portfolio_id]).due == 2
    assert rows(conn, "select distinct symbol from raw.financial_statements order by 1") == [("KO",), ("MSFT",)]
    assert collect(conn).due == 1


def test_what_is_not_available_is_a_skip_and_asked_for_less_and_less_often(conn, apple, book, net):
    hold(conn, book, "NOPE")
    report = collect(conn, providers=[yahoo_provider(), fmp_provider()])
    assert (report.unavailable, report.missed, report.warnings()) == (["NOPE"], [], [])
    assert "not available, asked for less and less often: NOPE" in report.lines()
    state = "select source, consecutive_failures from ops.fetch_state where symbol = 'NOPE' order by 1"
    assert rows(conn, state) == [("fmp", 1), ("yahoo", 1)]
    asked = net.count()
    tonight = collect(conn, providers=[yahoo_provider(), fmp_provider()])
    assert (tonight.due, tonight.unavailable, net.count()) == (1, ["NOPE"], asked)
    assert [tally.resting for tally in tonight.providers] == [1, 1]
    collect(conn, days=1)
    assert rows(conn, state) == [("fmp", 1), ("yahoo", 2)]


def test_fmp_gives_what_yahoo_does_not_get_to_and_yahoo_takes_it_over(conn, apple, net):
    storm = net.fault(TIMESERIES, after=1, times=math.inf, reply=sample("yahoo_any_ratelimited.429.txt"))
    report = collect(conn, providers=[yahoo_provider(), fmp_provider()])
    assert [(tally.label, tally.got) for tally in report.providers] == [("yahoo", 1), ("fmp", 1)]
    assert rows(
        conn,
        "select source, statement, frequency, count(*) from raw.financial_statements group by 1, 2, 3 order by 1, 2, 3",
    ) == [
        ("fmp", "balance", "annual", 1),
        ("fmp", "balance", "quarterly", 1),
        ("fmp", "cash_flow", "annual", 1),
        ("fmp", "cash_flow", "quarterly", 1),
        ("fmp", "income", "quarterly", 1),
        ("yahoo", "income", "annual", 4),
    ]
    assert report.missed == report.partly == []
    assert collect(conn).due == 0
    # Only Yahoo is configured, and it fails: what came stays, and the rest is due again.
    storm.times = 0
    conn.execute("delete from ops.fetch_state")
    net.fault(TIMESERIES, after=3, times=math.inf, reply=sample("yahoo_any_ratelimited.429.txt"))
    partly = collect(conn)
    assert [symbol for symbol, _ in partly.partly] == ["AAPL"]
    assert "yahoo: rate limited" in partly.partly[0][1]
    assert collect(conn).due == 1


def test_a_period_stays_with_the_first_source_that_has_it(conn):
    def statement(**items):
        return Statement("AAPL", "income", "annual", date(2026, 9, 30), "USD", items)

    def write(source, **items):
        return write_statements(conn, [(statement(**items), source)], NOW, ["yahoo", "fmp"])[:4]

    assert write("fmp", revenue=1) == (1, 0, 0, 0)
    assert write("yahoo", TotalRevenue=1) == (0, 1, 0, 0)
    assert write("fmp", revenue=1) == (0, 0, 0, 1)
    # 1.0 is 1, in whichever order the items come; and two versions of one moment keep their order.
    assert write("yahoo", TotalRevenue=1.0) == (0, 0, 1, 0)
    assert write("yahoo", TotalRevenue=2) == (0, 1, 0, 0)
    # An item that is missing tonight is no restatement, and the next version keeps it.
    assert write("yahoo", TotalRevenue=None, Other=None) == (0, 0, 1, 0)
    assert write("yahoo", TotalRevenue=None, NetIncome=1) == (0, 1, 0, 0)
    versions = "select line_items from raw.financial_statements order by first_seen_at"
    assert [items for (items,) in rows(conn, versions)] == [
        {"revenue": 1},
        {"TotalRevenue": 1},
        {"TotalRevenue": 2},
        {"TotalRevenue": 2, "NetIncome": 1},
    ]


def test_a_source_that_fails_its_probe_is_not_asked_nor_believed(conn, apple, net):
    net.fault(SUMMARY, times=math.inf, status=503, body="maintenance")
    report = collect(conn, providers=[yahoo_provider(), fmp_provider()])
    assert [(tally.asked, tally.got) for tally in report.providers] == [(0, 0), (1, 1)]
    assert ("yahoo", "not asked for fundamentals: unreachable (Yahoo answers 503)") in report.warnings()
    assert not net.count(TIMESERIES)
    assert rows(conn, "select source from ops.fetch_state") == [("fmp",)]


def test_what_time_did_not_allow_is_queued(conn, apple, net):
    report = collect(conn, providers=[yahoo_provider(seconds=0)])
    assert (report.queued, report.unavailable, net.count()) == (["AAPL"], [], 0)
    assert "queued for the next night: 1 (AAPL)" in report.lines()
    assert rows(conn, "select count(*) from ops.fetch_state") == [(0,)]


def test_a_killed_run_goes_on_where_it_was(conn, apple, book, yahoo, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done == 1:
            raise Killed

    hold(conn, book, "MSFT")
    list_at_yahoo(yahoo, "MSFT")
    monkeypatch.setattr(fundamentals, "BATCH_SIZE", 1)
    with pytest.raises(Killed):
        collect(conn, progress=kill)
    assert collect(conn).due == 1
    assert rows(conn, "select symbol, count(*) from raw.financial_statements group by 1 order by 1") == [
        ("AAPL", STATEMENTS_OF_YAHOO),
        ("MSFT", STATEMENTS_OF_YAHOO),
    ]


def test_the_sources_are_those_of_the_setting_that_have_a_key():
    def labels(providers: str, key: str | None = None):
        settings = load_settings().model_copy(
            update={"providers": providers, "fmp_api_key": SecretStr(key) if key else None}
        )
        chain = fundamentals_chain(Clients(settings, Deadline.after(1)), today=TODAY)
        return [provider.label for provider in chain]

    assert labels("files:somewhere,polygon") == []
    assert labels("yahoo,fmp,polygon") == ["yahoo"]
    assert labels("FMP, yahoo", key="k") == ["fmp", "yahoo"]


def test_a_symbol_is_asked_for_by_the_name_that_it_has_now(yahoo):
    aliases = [
        Alias("OLD", "yahoo", "AAPL", date.min, date.max),
        Alias("FB", "yahoo", "META", date.min, date(2022, 6, 8)),
    ]
    list_at_yahoo(yahoo, "AAPL")
    provider = Aliased(yahoo_provider(), aliases)
    reply = provider.fetch_fundamentals(dict.fromkeys(("OLD", "AAPL", "FB"), fundamentals.ALL_PARTS))
    assert {symbol: answer.outcome for symbol, answer in reply.answers.items()} == {
        "OLD": Outcome.OK,
        "AAPL": Outcome.OK,
        "FB": Outcome.NOT_FOUND,
    }
    assert sum(row.symbol == "OLD" for row in reply.statements) == STATEMENTS_OF_YAHOO
