"""Sectors of a book and of its benchmark: funds looked through, and weights that change from a day on."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from tests.accounting_replay import Lot, Portfolio
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, position_id
from warehouse.sessions import sessions_between

INCEPTION, LAST = date(2024, 1, 2), date(2024, 1, 19)
SECOND_SET = date(2024, 1, 13)  # a Saturday: from the next session on
ENTRY = date(2024, 1, 4)
# A fund whose weights are rounded, one of stocks and bonds, one that a person has tagged, one without known weights,
# and a stock. The closes are such that no part of a value is a round number.
LOTS = (
    Lot("SPY", ENTRY, Decimal(7), Decimal(100)),
    Lot("SPY", date(2024, 1, 5), Decimal(3), Decimal(100)),
    Lot("MIX", ENTRY, Decimal(10), Decimal(50)),
    Lot("TAGGED", ENTRY, Decimal(1), Decimal(50)),
    Lot("UNKNOWN", ENTRY, Decimal(1), Decimal(50)),
    Lot("XOM", ENTRY, Decimal(-3), Decimal(50)),
    Lot("CALL", ENTRY, Decimal(-1), Decimal(5), underlying_symbol="SPY", option_type="CALL",
        strike_price=Decimal(90), expiration_date=date(2024, 6, 21)),
)  # fmt: skip
SPY = {"Technology": "0.333", "Energy": "0.333", "Healthcare": "0.333"}
WEIGHTS = [
    *(("SPY", sector, "2023-12-29", weight) for sector, weight in SPY.items()),
    ("SPY", "Information Technology", SECOND_SET, "1"),
    ("MIX", "Information Technology", "2023-06-30", "0.25"),
    ("MIX", "Technology", "2023-06-30", "0.15"),
    ("TAGGED", "Energy", "2023-06-30", "1"),
    ("NOTHING", "Energy", "2023-06-30", "0"),
]


@pytest.fixture(scope="module")
def book(copies) -> Iterator[Warehouse]:
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            days = sessions_between(conn, date(2023, 12, 15), LAST)
            closes = {lot.symbol: Decimal("101.03") if lot.symbol == "SPY" else Decimal("51.07") for lot in LOTS}
            load_market(conn, {symbol: dict.fromkeys(days, close) for symbol, close in closes.items()}, [])
            load_portfolios(conn, {"one": Portfolio(INCEPTION, Decimal(10_000), LOTS, (), (), ())})
            conn.cursor().executemany(
                "insert into raw.company_profiles (symbol, sector, source) values (%s, %s, 'test')",
                # a fund's profile may name its issuer's sector: what the fund holds counts
                [("XOM", "Energy"), ("SPY", "Financial Services"), ("NOTHING", "Energy")],
            )
            conn.execute(
                "insert into raw.manual_sector_tags (position_id, sector, source) values (%s, 'Gold', 'test')",
                [position_id("one", "TAGGED", ENTRY)],
            )
            load_weights(conn)
        warehouse.roll()
        yield warehouse


def load_weights(conn) -> None:
    conn.cursor().executemany(
        "insert into raw.fund_sector_weights (symbol, sector, as_of, weight, source) values (%s, %s, %s, %s, 'test')",
        WEIGHTS,
    )


def sectors(book: Warehouse, day: date) -> dict[str, tuple[Decimal, Decimal, int]]:
    """Value, value through funds and number of lots by sector, those with none left out."""
    found = book.rows(
        "select sector, market_value, through_funds, num_positions from analytics.portfolio_sector_exposures"
        " where value_date = %s",
        day,
    )
    return {sector: (value, funds, lots) for sector, value, funds, lots in found if value or lots}


def test_each_sector_has_its_part_and_says_how_much_is_through_funds(book: Warehouse):
    # SPY: 10 x 101.03 and a short call worth 100 x 51.07, a third in each of three sectors
    spy = Decimal("1010.3") - Decimal("5107")
    mix = Decimal("510.7")
    third = (spy / 3).quantize(Decimal("1e-10"))
    found = sectors(book, date(2024, 1, 12))
    exactly = {
        "Energy": (third - Decimal("153.21"), third, 1),
        "Health Care": (third, third, 0),
        "Information Technology": (third + mix * Decimal("0.4"), third + mix * Decimal("0.4"), 0),
        "Gold": (Decimal("51.07"), Decimal(0), 1),
        "Unclassified": (Decimal("51.07") + mix * Decimal("0.6"), mix * Decimal("0.6"), 1),
    }
    assert found.keys() == exactly.keys()
    for sector, (value, funds, lots) in exactly.items():
        assert abs(found[sector][0] - value) < Decimal("1e-9"), sector
        assert abs(found[sector][1] - funds) < Decimal("1e-9"), sector
        assert found[sector][2] == lots


def test_parts_add_up_to_the_last_digit(book: Warehouse):
    assert book.rows(
        "select count(*), bool_and(total = net_exposure) from analytics.portfolio_snapshots inner join ("
        " select value_date, sum(market_value) as total from analytics.portfolio_sector_exposures group by value_date"
        ") as summed on snapshot_date = value_date"
    ) == [(13, True)]
    assert book.rows(
        "select symbol, from_date::text, sum(weight), min(share_from), max(share_to) from analytics.fund_sectors"
        " group by symbol, from_date order by 1, 2"
    ) == [
        (symbol, since, 1, 0, 1)
        for symbol, since in (
            ("MIX", "-infinity"),
            ("SPY", "-infinity"),
            ("SPY", "2024-01-13"),
            ("TAGGED", "-infinity"),
        )
    ]


def test_a_set_counts_from_its_day_on_and_the_first_one_before_it_too(book: Warehouse):
    spy = Decimal("1010.3") - Decimal("5107")
    before, after = sectors(book, date(2024, 1, 12)), sectors(book, date(2024, 1, 16))
    assert "Health Care" in before and "Health Care" not in after
    assert after["Information Technology"][1] == spy + Decimal("510.7") * Decimal("0.4")


def test_a_fund_that_is_looked_through_has_no_sector_of_its_own(book: Warehouse):
    assert book.rows(
        "select symbol, name, source from analytics.position_sector_tags"
        " inner join analytics.sector_tags using (sector_tag_id)"
        " inner join analytics.positions using (position_id) order by symbol"
    ) == [("TAGGED", "Gold", "manual"), ("XOM", "Energy", "profile")]


def test_it_heals_from_the_day_of_the_set_on_and_is_as_if_rebuilt(book: Warehouse):
    update, second = "update raw.fund_sector_weights set", "symbol = 'SPY' and as_of = '2024-01-13'"
    for statement, since in (
        (f"{update} weight = 0.9 where {second}", date(2024, 1, 16)),
        (f"{update} source = 'other'", None),
        # the second set is now the first, so it also holds before its date
        (f"delete from raw.fund_sector_weights where not ({second})", ENTRY),
    ):
        book.execute(statement)
        book.roll()
        assert [day for (day,) in book.rows("select first_session from ops.roll_forward_window")] == (
            [since] if since else []
        )
    healed = book.content()
    book.rebuild()
    assert book.content() == healed
    book.execute("delete from raw.fund_sector_weights")
    book.roll()
    assert book.rows("select reason from ops.roll_forward_window") == [("SPY sector withdrawn",)]
    assert sectors(book, LAST)["Financials"][2] == 3  # by the profile, because nothing is known now about what it holds


def test_a_new_set_of_the_benchmarks_weights_counts_from_its_day_on(book: Warehouse):
    weights = (
        "select value_date, sum(benchmark_weight) filter (where sector = 'Energy'), sum(benchmark_weight),"
        " bool_and(active_weight = weight - benchmark_weight)"
        " from analytics.portfolio_sector_exposures group by value_date order by value_date"
    )
    before = book.rows(weights)
    book.execute(
        "insert into analytics.benchmark_sector_weights (effective_date, sector, weight, color)"
        " values ('2024-01-13', 'Energy', 0.6, '#000000'), ('2024-01-13', 'Materials', 0.4, '#000000')"
    )
    book.roll()
    assert book.rows("select reason from ops.roll_forward_window") == [("sector seeds changed",)]
    after = book.rows(weights)
    assert [row for row in after if row[0] <= date(2024, 1, 12)] == [
        row for row in before if row[0] <= date(2024, 1, 12)
    ]
    changed = [row for row in after if row[0] > date(2024, 1, 12)]
    assert changed == [(day, Decimal("0.6"), 1, True) for day, *_ in changed] and len(changed) == 4
    # a sector that the set lacks is there while it is held
    assert book.rows(
        "select distinct benchmark_weight from analytics.portfolio_sector_exposures"
        " where value_date > '2024-01-13' and sector not in ('Energy', 'Materials')"
    ) == [(0,)]
