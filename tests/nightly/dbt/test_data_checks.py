"""What the checks of the book find, on a book where something is wrong: each one's query, on the day it would run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ingest.fundamentals.due import is_due
from nightly.context import new_york_date
from nightly.dbt.runner import Dbt, NodeResult
from tests.nightly.small_nights import ROLLED_TO, copy_of

Find = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def book(server, first_night, night_settings):
    with copy_of(server, first_night[0], night_settings) as night:
        yield night


@pytest.fixture(scope="module")
def checked(book) -> dict[str, NodeResult]:
    """What the checks of the book say of one that is well."""
    invocation = Dbt(book.database, book.settings.home / "dbt")._results("test", [], ["--select", "path:tests/book"])
    return {result.name: result for result in invocation.results}


@pytest.fixture(scope="module")
def connection(book) -> Iterator[psycopg.Connection[Any]]:
    with book.database.connect() as conn:
        yield conn


@pytest.fixture
def find(checked, connection) -> Find:
    """Ask one check for its rows after these changes, which are taken back."""

    def find(name: str, *changes: str) -> list[dict[str, Any]]:
        with taken_back(connection):
            for change in changes:
                connection.execute(change)
            return connection.cursor(row_factory=dict_row).execute(checked[name].test.query).fetchall()

    return find


@contextmanager
def taken_back(conn: psycopg.Connection[Any]) -> Iterator[None]:
    with conn.transaction() as transaction:
        yield
        raise psycopg.Rollback(transaction)


def test_a_book_that_is_well_has_nothing_to_look_into_but_short_histories(checked):
    found = {name: result.failures for name, result in checked.items() if result.failures}
    assert set(found) <= {"holdings_without_beta", "holdings_without_sector"}, found
    assert all(result.description and result.test.stored_as for result in checked.values())


STALE = "update analytics.position_values set is_stale = true, price_date = {day} where symbol = 'AAA'"


def test_the_share_of_fresh_prices_is_of_the_book_and_not_of_its_lines(find):
    (row,) = find("fresh_prices_cover_the_book", STALE.format(day="'2024-02-13'"))
    # 100 AAA against 210 BBB at one price
    assert (row["symbol"], float(row["fresh_share"])) == ("AAA", pytest.approx(210 / 310, abs=1e-6))
    # a portfolio that was rolled less far counts as its own book
    income = "(select portfolio_id from raw.portfolios where name = 'Income')"
    (row,) = find(
        "fresh_prices_cover_the_book",
        STALE.format(day="'2024-02-13'"),
        f"update ops.roll_forward_state set last_session = '2024-02-13' where portfolio_id = {income}",
    )
    assert float(row["fresh_share"]) == pytest.approx(10 / 110, abs=1e-6)


def test_a_symbol_is_stale_from_ten_sessions_on(find):
    # 2024-01-31 is ten sessions before 2024-02-14
    (row,) = find("holdings_without_recent_price", STALE.format(day="'2024-01-31'"))
    assert (row["symbol"], row["sessions_without_price"], row["num_portfolios"]) == ("AAA", 10, 1)
    assert find("holdings_without_recent_price", STALE.format(day="'2024-02-01'")) == []
    (row,) = find("holdings_without_recent_price", STALE.format(day="null"))
    assert row["sessions_without_price"] is None


def test_a_jump_is_what_neither_split_nor_dividend_explains(find):
    def moved(total_return: str, day: str = "2024-02-13", *more: str) -> list[dict[str, Any]]:
        return find(
            "price_jumps_without_event",
            f"update analytics.daily_returns set total_return = {total_return}"
            f" where symbol = 'AAA' and value_date = '{day}'",
            *more,
        )

    (row,) = moved("-1.0 / 3")
    assert (row["symbol"], f"{row['value_date']}", float(row["percent_moved"])) == ("AAA", "2024-02-13", -33.3)
    assert len(moved("0.4")) == 1
    assert moved("0.39") == moved("-0.28") == []
    # jumps of weeks ago are looked at if they, or the close before, were loaded lately
    lately, before = "price_date = '2024-01-05'", "price_date = '2024-01-04'"
    long_loaded = "update raw.market_data_cache set loaded_at = loaded_at - interval '60 days' where not ({}) "
    assert len(moved("0.5", "2024-01-05")) == 1
    assert moved("0.5", "2024-01-05", long_loaded.format("price_date = '2024-01-30'")) == [], "long ago"
    assert len(moved("0.5", "2024-01-05", long_loaded.format(lately))) == 1
    assert len(moved("0.5", "2024-01-05", long_loaded.format(before))) == 1
    option = (
        "update raw.positions set investment_class = 'OPTIONS', underlying_symbol = 'BBB', option_type = 'CALL',"
        " strike_price = 1, expiration_date = '2025-01-17' where symbol = 'AAA'"
    )
    assert moved("9", "2024-02-13", option) == [], "options are leveraged"


def test_a_sector_is_known_when_the_benchmark_has_it_or_a_person_chose_it(find):
    def unknown(*changes: str) -> list[tuple[str, str]]:
        return [(row["symbol"], row["problem"]) for row in find("holdings_without_sector", *changes)]

    known = "update raw.company_profiles set sector = 'Energy'"
    odd = "update raw.company_profiles set sector = 'Widgets' where symbol = 'BBB'"
    assert unknown(known) == []
    assert unknown(known, odd) == [("BBB", "a sector that sector_map does not know")]
    assert unknown(known, "update raw.company_profiles set sector = null where symbol = 'BBB'") == [
        ("BBB", "a profile without a sector")
    ]
    assert unknown(known, "delete from raw.company_profiles where symbol = 'BBB'") == [("BBB", "no profile")]
    assert unknown(odd, "update raw.company_profiles set quote_type = 'ETF' where symbol = 'BBB'") == []
    chosen = "insert into raw.manual_sector_tags (position_id, sector, source) select position_id, 'Widgets', 'test'"
    assert unknown(odd, f"{chosen} from raw.positions where symbol = 'BBB'") == []


def test_rows_whose_owner_is_gone_are_found_in_every_table(find):
    gone = find("rows_without_owner", "update raw.portfolios set deleted_at = now() where name = 'Income'")
    found = {row["relation"] for row in gone}
    assert {
        *("position_values", "portfolio_snapshots", "portfolio_sector_exposures", "portfolio_factor_exposures"),
        *("portfolio_risk_metrics", "position_risk_contributions", "stress_test_results"),
    } <= found
    assert len(gone) == len({(row["relation"], row["owner_id"]) for row in gone})
    (row,) = [
        row
        for row in find("rows_without_owner", "update raw.positions set deleted_at = now() where symbol = 'AAA'")
        if row["relation"] == "position_values"
    ]
    assert row["key_column"] == "position_id"


def test_portfolios_that_lag_behind_are_named(find):
    def behind(*changes: str) -> set[str]:
        return {row["name"] for row in find("portfolios_left_behind", *changes)}

    assert behind("update ops.roll_forward_state set last_session = '2024-02-13'") == {"Growth", "Income"}, "their risk"
    new = "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source) values"
    assert behind(f"{new} (gen_random_uuid(), 'New', '2024-02-14', 1, 'test')") == {"New"}
    assert behind(f"{new} (gen_random_uuid(), 'Next', '2024-02-15', 1, 'test')") == set()


def test_holdings_that_the_models_say_nothing_of(find):
    (row,) = find("holdings_without_statistics", "delete from analytics.symbol_volatility where symbol = 'AAA'")
    assert (row["symbol"], row["is_without_beta"], row["is_without_volatility"]) == ("AAA", False, True)
    assert row["value_date"] == ROLLED_TO


@pytest.mark.parametrize(
    ("fetched", "reported", "overdue"),
    [
        (103, None, False),
        (104, None, True),
        (40, 6, False),
        (40, 7, True),
        (40, 41, False),
        (5, 5, False),
        (7, 7, True),
    ],
)
def test_fundamentals_are_overdue_three_days_after_they_fall_due(find, fetched, reported, overdue):
    """Days ago of the last fetch and of the report; overdue is what was due by the phase's own rule three days ago."""
    now = datetime.now(UTC)
    today = new_york_date(now)
    fetch = (
        "insert into ops.fetch_state (source, kind, symbol, last_success_at)"
        f" values ('yahoo', 'fundamentals', 'BBB', '{today - timedelta(fetched)} 12:00 America/New_York')"
    )
    statement = (
        "insert into raw.financial_statements (symbol, statement, frequency, period_end, line_items, source)"
        " values ('BBB', 'income', 'annual', '2023-12-31', '{}', 'yahoo')"
    )
    report = (
        "insert into raw.earnings_dates (symbol, earnings_date, as_of, source)"
        f" select 'BBB', current_day, current_day, 'yahoo' from (values (date '{today - timedelta(reported or 0)}'))"
        f" as days (current_day) where {reported is not None}"
    )
    found = find("fundamentals_overdue", fetch, statement, report)
    assert [row["symbol"] for row in found] == ["BBB"] * overdue
    due = is_due(
        today - timedelta(4),
        has_statements=True,
        fetched_on=today - timedelta(fetched),
        earnings_dates=[today - timedelta(reported)] if reported else [],
    )
    assert due is overdue


def test_fundamentals_that_nobody_has_are_not_waited_for(find):
    old = "update raw.positions set loaded_at = now() - interval '10 days'"
    asked = "insert into ops.fetch_state (source, kind, symbol, last_success_at, next_attempt_at, reason) values"
    other = f"{asked} ('yahoo', 'fundamentals', 'SPY', now(), null, null)"
    resting = f"{asked} ('yahoo', 'fundamentals', 'AAA', null, now() + interval '7 days', 'not found')"
    assert find("fundamentals_overdue", old) == [], "no source of fundamentals was ever asked"
    assert [row["symbol"] for row in find("fundamentals_overdue", old, other)] == ["AAA", "BBB"]
    (row,) = find("fundamentals_overdue", old, other, resting)
    assert (row["symbol"], row["because"]) == ("BBB", "none yet")
    assert find("fundamentals_overdue", other) == [], "they were loaded today"
