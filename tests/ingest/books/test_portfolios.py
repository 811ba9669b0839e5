import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.book import NOTHING_KNOWN, assemble
from ingest.books.files import read_folder
from ingest.books.portfolios import load_folder, load_positions_file
from warehouse.bulk import MergeCounts
from warehouse.errors import BadInput, UserError

BOOK = {
    "portfolios.csv": """
name,starting_equity,inception_date,currency
Growth,"$1,000,000.00",2021-01-04,USD
Income,500000,2021-06-01,
""",
    "positions.csv": """
portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,\
Underlying Symbol,Strike Price,Expiration Date,Option Type,Exit Date,Exit Price Per Share
Growth,AAPL,100,129.41,2021-01-04,,,,,,,
Growth,AAPL,50,120,2021-03-04,,,,,,,
Growth,tsla,(20),900,2021-02-01,,,,,,2021-12-01,"1,100"
Growth,,-2,5.5,2021-01-05,,AAPL,130,2021-03-19,CALL,,
Growth,Acme Fund iv,10,1000,2020-01-06,PRIVATE,,,,,,
Growth,Acme Fund iv,5,1100,2021-05-03,PRIVATE,,,,,,
Income,BRK.B,40,280,2021-06-01,,,,,,,
""",
    "closes.csv": """
portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees
Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1
Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1
Growth,O:AAPL210319C00130000,2021-01-05,2021-02-01,1,8,
Income,brk.b,2021-06-01,2021-07-01,5,279,0
Growth,AAPL,2021-01-04,2021-03-01,10,127.79,1
""",
    "capital_flows.csv": """
portfolio,date,type,amount
Growth,2021-02-01,CONTRIBUTION,"$10,000.00"
Growth,2021-02-01,contribution,10000
Growth,2021-03-01,WITHDRAWAL,2500.55
Income,2021-05-31,CONTRIBUTION,1
Income,2021-05-28,CONTRIBUTION,1
""",
    "manual_prices.csv": """
portfolio,symbol,date,price
Growth,Acme Fund iv,2021-03-31,1050
Growth,Acme Fund iv,2021-06-30,0
""",
    "sector_tags.csv": """
portfolio,symbol,entry_date,sector
Growth,Acme Fund iv,2020-01-06,Real Estate
Growth,aapl,2021-01-04,Consumer Staples
""",
}


@pytest.fixture
def write(tmp_path):
    """Write a folder of portfolio files: the book, but for the files given (None: absent)."""

    def write_folder(**changed: str | None) -> Path:
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        for name, text in {**BOOK, **{f"{stem}.csv": text for stem, text in changed.items()}}.items():
            (folder / name).unlink(missing_ok=True)
            if text is not None:
                (folder / name).write_text(text.lstrip("\n"), encoding="utf-8")
        return folder

    return write_folder


def rows(conn, query: str) -> list[tuple]:
    return conn.execute(query).fetchall()


def everything(conn) -> dict[str, list[tuple]]:
    """All rows with the transaction that wrote them, and the length of the change log."""
    tables = (
        "portfolios",
        "positions",
        "position_realized_events",
        "equity_changes",
        "cash_items",
        "manual_prices",
        "manual_sector_tags",
    )
    found = {table: rows(conn, f"select xmin::text, * from raw.{table} as row order by row::text") for table in tables}
    return {**found, "changes": rows(conn, "select count(*) from ops.input_changes")}


def problems(conn, folder: Path) -> list[str]:
    before = everything(conn)
    with pytest.raises(BadInput) as refusal:
        load_folder(conn, folder)
    assert everything(conn) == before
    *found, summary = refusal.value.problems
    assert summary.startswith("nothing was loaded: ")
    return found


def test_a_folder_is_loaded(conn, write):
    report = load_folder(conn, write())
    assert report.counts == {
        "portfolios": MergeCounts(fetched=2, inserted=2),
        "positions": MergeCounts(fetched=7, inserted=7),
        "closes": MergeCounts(fetched=5, inserted=5),
        "flows": MergeCounts(fetched=5, inserted=5),
        "marks": MergeCounts(fetched=4, inserted=4),
        "tags": MergeCounts(fetched=2, inserted=2),
    }
    assert rows(
        conn, "select name, starting_equity, inception_date, currency, deleted_at from raw.portfolios order by 1"
    ) == [
        ("Growth", Decimal(1_000_000), date(2021, 1, 4), "USD", None),
        ("Income", Decimal(500_000), date(2021, 6, 1), "USD", None),
    ]
    assert rows(
        conn,
        "select symbol, entry_date::text, position_type, quantity::int, investment_class, exit_date::text,"
        ' exit_price::int from raw.positions order by symbol collate "C", entry_date',
    ) == [
        ("AAPL", "2021-01-04", "LONG", 100, "PUBLIC", None, None),
        ("AAPL", "2021-03-04", "LONG", 50, "PUBLIC", None, None),
        ("AAPL210319C00130000", "2021-01-05", "SC", -2, "OPTIONS", None, None),
        ("Acme Fund iv", "2020-01-06", "LONG", 10, "PRIVATE", None, None),
        ("Acme Fund iv", "2021-05-03", "LONG", 5, "PRIVATE", None, None),
        ("BRK.B", "2021-06-01", "LONG", 40, "PUBLIC", None, None),
        ("TSLA", "2021-02-01", "SHORT", -20, "PUBLIC", "2021-12-01", 1100),
    ]
    assert rows(
        conn,
        "select underlying_symbol, option_type, strike_price::int, expiration_date::text from raw.positions"
        " where investment_class = 'OPTIONS'",
    ) == [("AAPL", "CALL", 130, "2021-03-19")]
    assert rows(
        conn,
        "select symbol, trade_date::text, sequence, quantity_closed::int, close_price, fees::int"
        " from raw.position_realized_events join raw.positions using (position_id) order by symbol, sequence",
    ) == [
        ("AAPL", "2021-02-01", 1, 10, Decimal("134.14"), 1),
        ("AAPL", "2021-02-01", 2, 10, Decimal("134.14"), 1),
        ("AAPL", "2021-03-01", 3, 10, Decimal("127.79"), 1),
        ("AAPL210319C00130000", "2021-02-01", 1, 1, 8, 0),
        ("BRK.B", "2021-07-01", 1, 5, 279, 0),
    ]
    assert rows(conn, "select change_type, amount from raw.equity_changes order by amount, change_type") == [
        ("CONTRIBUTION", Decimal(1)),
        ("CONTRIBUTION", Decimal(1)),
        ("WITHDRAWAL", Decimal("2500.55")),
        ("CONTRIBUTION", Decimal(10_000)),
        ("CONTRIBUTION", Decimal(10_000)),
    ]
    assert rows(
        conn,
        "select entry_date::text, price_date::text, price::int"
        " from raw.manual_prices join raw.positions using (position_id) order by 1, 2",
    ) == [
        ("2020-01-06", "2021-03-31", 1050),
        ("2020-01-06", "2021-06-30", 0),
        ("2021-05-03", "2021-03-31", 1050),
        ("2021-05-03", "2021-06-30", 0),
    ]
    assert rows(
        conn, "select symbol, sector from raw.manual_sector_tags join raw.positions using (position_id) order by symbol"
    ) == [("AAPL", "Consumer Staples"), ("Acme Fund iv", "Real Estate")]
    assert rows(conn, "select distinct source from raw.position_realized_events") == [("closes.csv",)]


def test_a_second_load_writes_nothing(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    report = load_folder(conn, write())
    assert everything(conn) == before
    assert report.changed == 0
    assert report.lines()[0].endswith("book: nothing has changed")


def test_the_same_facts_written_otherwise_change_nothing(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    # Columns and rows in another order, other spellings of numbers; the closes of one lot keep their order.
    lines = BOOK["positions.csv"].strip().split("\n")
    turned = [
        ",".join(reversed(line.replace('"1,100"', "1100.0").split(","))) for line in (lines[0], *reversed(lines[1:]))
    ]
    report = load_folder(
        conn,
        write(
            portfolios="# by mail\nINCEPTION DATE,Name,Starting Equity\n2021-06-01,Income,5e5\n2021-01-04,Growth,1e6\n",
            positions="\n".join(turned),
        ),
    )
    assert report.changed == 0
    assert everything(conn) == before


def test_the_report(conn, write):
    folder = write()
    assert load_folder(conn, folder).lines() == [
        f"{folder}: loaded",
        "  portfolios       2 read: 2 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  positions        7 read: 7 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  closes           5 read: 5 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  flows            5 read: 5 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  marks            4 read: 4 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  tags             2 read: 2 inserted, 0 updated, 0 unchanged, 0 deleted",
        # Monday 2021-05-31 was Memorial Day: a flow on it counts on 06-01, the inception. Friday's comes before it.
        "  'Income': 1 flow before the inception on 2021-06-01 will be ignored",
    ]


def test_a_file_that_is_no_portfolio_file_is_named(conn, write):
    folder = write()
    (folder / "position.csv").write_text("portfolio\n")
    assert load_folder(conn, folder).lines()[-1].startswith("  not read: position.csv (")


# Replacing

PORTFOLIO_HEADER = "name,starting_equity,inception_date\n"
POSITION_HEADER = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class\n"
CLOSE_HEADER = "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees\n"
FLOW_HEADER = "portfolio,date,type,amount\n"
MARK_HEADER = "portfolio,symbol,date,price\n"
TAG_HEADER = "portfolio,symbol,entry_date,sector\n"
ABSENT = {"closes": None, "capital_flows": None, "manual_prices": None, "sector_tags": None}


def test_a_file_replaces_its_kind_for_the_portfolios_it_names(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER + "Growth,900000,2021-01-04\n",
            positions=POSITION_HEADER + "Income,BRK.B,40,280,2021-06-01,\n",
            closes=CLOSE_HEADER + "Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1\n",
            capital_flows=FLOW_HEADER + "Income,2021-07-01,WITHDRAWAL,7\n",
            manual_prices=None,
            sector_tags=None,
        ),
    )
    assert report.counts == {
        "portfolios": MergeCounts(fetched=1, updated=1),
        "positions": MergeCounts(fetched=1, unchanged=1),
        "closes": MergeCounts(fetched=1, unchanged=1, deleted=3),
        "flows": MergeCounts(fetched=1, inserted=1, deleted=2),
    }
    assert rows(
        conn, "select name, count(*) from raw.portfolios join raw.positions using (portfolio_id) group by 1 order by 1"
    ) == [("Growth", 6), ("Income", 1)]
    assert rows(conn, "select name, starting_equity::int from raw.portfolios order by 1") == [
        ("Growth", 900_000),
        ("Income", 500_000),
    ]
    assert rows(
        conn, "select (select count(*) from raw.manual_prices), (select count(*) from raw.manual_sector_tags)"
    ) == [(4, 2)]


def test_only_what_differs_is_written(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    report = load_folder(conn, write(positions=BOOK["positions.csv"].replace("AAPL,50,120", "AAPL,50,121")))
    assert report.counts["positions"] == MergeCounts(fetched=7, updated=1, unchanged=6)
    after = everything(conn)
    assert [len(set(before[table]) - set(after[table])) for table in before] == [0, 1, 0, 0, 0, 0, 0, 1]
    assert rows(
        conn, "select input, symbol, from_date::text, what from ops.input_changes order by change_id desc limit 1"
    ) == [("position", "AAPL", "2021-03-04", "restated")]


def test_a_close_added_to_one_lot_leaves_the_others_alone(conn, write):
    load_folder(conn, write())
    first, *rest = BOOK["closes.csv"].strip().split("\n")
    added = "\n".join([first, "Growth,AAPL,2021-03-04,2021-04-01,1,123,0", *rest])
    assert load_folder(conn, write(closes=added)).counts["closes"] == MergeCounts(fetched=6, inserted=1, unchanged=5)


def test_equal_closes_and_flows_count_as_often_as_they_occur(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            closes=BOOK["closes.csv"].replace("Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1\n", "", 1),
            capital_flows=BOOK["capital_flows.csv"] + "Growth,2021-02-01,CONTRIBUTION,10000\n",
        ),
    )
    assert report.counts["flows"] == MergeCounts(fetched=6, inserted=1, unchanged=5)
    # The later close of the lot moves up in the order.
    assert report.counts["closes"] == MergeCounts(fetched=4, updated=1, unchanged=3, deleted=1)


def test_what_goes_with_a_removed_lot_is_told(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            **ABSENT,
            positions=POSITION_HEADER + "Growth,AAPL,50,120,2021-03-04,\nGrowth,MSFT,1,200,2021-03-04,\n",
        ),
    )
    assert report.counts["positions"] == MergeCounts(fetched=2, inserted=1, unchanged=1, deleted=5)
    assert report.lost == {"closes": 4, "marks": 2, "tags": 2}
    assert report.lines()[3:4] == ["  lots that are no longer in the file took with them: 4 closes, 2 marks, 2 tags"]
    assert rows(conn, "select count(*) from raw.position_realized_events") == [(1,)]


def test_marks_stay_with_their_symbol_when_its_lots_change(conn, write):
    load_folder(conn, write())
    # One lot's entry date is corrected, another lot is added; nobody sends the marks again.
    corrected = BOOK["positions.csv"].replace("2020-01-06,PRIVATE", "2020-01-07,PRIVATE")
    added = "Growth,Acme Fund iv,1,1200,2021-07-01,PRIVATE,,,,,,\n"
    report = load_folder(conn, write(**ABSENT, positions=corrected + added))
    assert (report.marks_spread, report.lost) == (4, {"closes": 0, "marks": 0, "tags": 1})
    assert rows(
        conn,
        "select entry_date::text, count(*) from raw.manual_prices join raw.positions using (position_id)"
        " group by 1 order by 1",
    ) == [("2020-01-07", 2), ("2021-05-03", 2), ("2021-07-01", 2)]
    before = everything(conn)
    assert load_folder(conn, write(**ABSENT, positions=corrected + added)).changed == 0
    assert everything(conn) == before


def test_a_file_without_rows_replaces_nothing(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER,
            positions=POSITION_HEADER,
            closes=CLOSE_HEADER,
            capital_flows=FLOW_HEADER,
            manual_prices=MARK_HEADER,
            sector_tags=TAG_HEADER,
        ),
    )
    assert report.changed == 0


def test_closes_marks_and_tags_of_lots_that_are_loaded_already(conn, write):
    load_folder(conn, write(**ABSENT))
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER,
            positions=POSITION_HEADER + "Income,BRK.B,40,280,2021-06-01,\n",
            closes=CLOSE_HEADER + "Growth,tsla,2021-02-01,2021-03-01,5,675,\n",
            manual_prices=MARK_HEADER + "Growth,Acme Fund iv,2021-03-31,1\n",
            sector_tags=TAG_HEADER + "Growth,TSLA,2021-02-01,Energy\n",
        ),
    )
    assert {kind: counts.inserted for kind, counts in report.counts.items()} == {
        "portfolios": 0,
        "positions": 0,
        "closes": 1,
        "flows": 5,
        "marks": 2,
        "tags": 1,
    }


def test_a_deleted_portfolio_comes_back_when_it_is_listed(conn, write):
    load_folder(conn, write())
    conn.execute("update raw.portfolios set deleted_at = now() where name = 'Income'")
    conn.execute("update raw.positions set deleted_at = now() where symbol = 'BRK.B'")
    report = load_folder(conn, write())
    assert (report.counts["portfolios"].updated, report.counts["positions"].updated) == (1, 1)
    assert rows(
        conn,
        "select (select count(*) from raw.portfolios where deleted_at is not null),"
        " (select count(*) from raw.positions where deleted_at is not null)",
    ) == [(0, 0)]


def test_a_deleted_portfolio_that_is_not_listed_is_refused(conn, write):
    load_folder(conn, write())
    conn.execute("update raw.portfolios set deleted_at = now() where name = 'Income'")
    folder = write(
        **{**ABSENT, "capital_flows": FLOW_HEADER + "Income,2021-07-01,CONTRIBUTION,1\n"},
        portfolios=PORTFOLIO_HEADER + "Growth,1000000,2021-01-04\n",
        positions=POSITION_HEADER,
    )
    assert problems(conn, folder) == [
        "capital_flows.csv:2: portfolio: 'Income' is deleted: list it in portfolios.csv to bring it back"
    ]


def test_portfolios_and_lots_that_others_made_keep_their_identifiers_or_are_replaced(conn, write):
    conn.execute(
        """
        insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)
        values ('00000000-0000-0000-0000-000000000001', 'Growth', '2021-01-04', 1000000, 'api');
        insert into raw.positions (
            position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date,
            investment_class, source
        )
        values (
            '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001',
            'AAPL', 'LONG', 100, 129.41, '2021-01-04', 'PUBLIC', 'api'
        );
        """
    )
    report = load_folder(conn, write())
    assert report.counts["portfolios"] == MergeCounts(fetched=2, inserted=1, unchanged=1)
    assert report.counts["positions"] == MergeCounts(fetched=7, inserted=7, deleted=1)
    assert load_folder(conn, write()).changed == 0


def test_hostile_names_are_text(conn, write):
    names = ["=cmd|' /C calc'!A0", "x'); drop table raw.positions; --", '"quoted" 100% \\N', "Ünïcode ☂", "\\."]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    folder = write(
        **ABSENT,
        portfolios=PORTFOLIO_HEADER + "".join(f"{name},1000,2021-01-04\n" for name in quoted),
        positions=POSITION_HEADER + "".join(f"{name},{name},1,1,2021-01-04,PRIVATE\n" for name in quoted),
    )
    load_folder(conn, folder)
    found = rows(conn, "select name, symbol from raw.portfolios join raw.positions using (portfolio_id)")
    assert sorted(found) == sorted(zip(names, names, strict=True))
    assert load_folder(conn, folder).changed == 0


# Refusing


def test_every_problem_of_every_file_at_once_and_nothing_loaded(conn, write):
    folder = write(
        portfolios=PORTFOLIO_HEADER + "Growth,1OO,2021-01-04\nIncome,1,1989-12-29\nIncome,1,2021-06-01\n",
        positions=POSITION_HEADER
        + "Growth,AAPL,0,1,2021-01-04,\nNobody,AAPL,1,1,2021-01-04,\n"
        + "Growth,AAPL,1,1,2021-01-04,\nGrowth,X Y,1,1,soon,\n",
        closes=CLOSE_HEADER
        + "Growth,MSFT,2021-01-04,2021-02-01,1,1,0\nGrowth,AAPL,2021-01-04,2021-01-05,0,1,-1\n"
        + "Income,AAPL,2021-01-04,2021-02-01,1,1,0\n",
        capital_flows=FLOW_HEADER + "Growth,2021-02-30,GIFT,-5\nNobody,2021-02-01,WITHDRAWAL,1\n",
        manual_prices="portfolio,symbol,date\nGrowth,AAPL,2021-01-05\n",
        sector_tags=TAG_HEADER + "Growth,AAPL,2021-01-04\n",
    )
    assert problems(conn, folder) == [
        "portfolios.csv:2: starting_equity: '1OO' is not a number: write it like 1234.50",
        "portfolios.csv:3: inception_date: 1989-12-29 is too early: 1990-01-03 at the earliest",
        "portfolios.csv:4: name: a second portfolio 'Income' (the first is on line 3): keep one",
        "positions.csv:2: Quantity: must not be zero: write how many it is, or leave the row out",
        "positions.csv:3: portfolio: 'Nobody' is neither in portfolios.csv nor loaded already: list it there",
        "positions.csv:4: Symbol: a second lot of AAPL entered 2021-01-04 in 'Growth' (the first is on line 2):"
        " merge them",
        "positions.csv:5: Entry Date: 'soon' is not a date written YYYY-MM-DD",
        "positions.csv:5: Symbol: 'X Y' is not a symbol (letters, digits and . - ^ = / _, at most 32 of them)",
        "closes.csv:3: quantity_closed: must be above zero, not 0: correct it, or leave the row out",
        "closes.csv:3: fees: must not be negative: -1",
        "closes.csv:4: symbol: 'Income' holds no 'AAPL': correct it, or add its lot",
        "capital_flows.csv:2: date: 2021-02-30 is not a day of the calendar: correct it",
        "capital_flows.csv:2: type: 'GIFT' is not one of CONTRIBUTION, WITHDRAWAL",
        "capital_flows.csv:2: amount: must be above zero, not -5: correct it, or leave the row out",
        "capital_flows.csv:3: portfolio: 'Nobody' is neither in portfolios.csv nor loaded already: list it there",
        "manual_prices.csv:1: price: the column is missing: add it to the header and to each row",
        "sector_tags.csv:2: row: has 3 cells where the header has 4: each column needs its cell, empty or not",
    ]


def test_what_points_nowhere(conn, write):
    load_folder(conn, write())
    folder = write(
        positions=POSITION_HEADER
        + "Growth,AAPL,1,1,2021-01-04,\nGrowth,House,1,1,2021-01-04,PRIVATE\nGrowth,MSFT,bad,1,2021-01-04,\n",
        closes=CLOSE_HEADER
        + "Growth,GOOG,2021-01-04,2021-02-01,1,1,0\n"  # not held
        + "Growth,AAPL,2021-01-05,2021-02-01,1,1,0\n"  # no such lot
        + "Growth,AAPL,2021-01-04,2021-01-01,1,1,0\n"  # before its entry
        + "Growth,MSFT,2021-01-04,2021-02-01,1,1,0\n"  # its lot has a problem of its own
        + "Growth,MSFT,2021-01-05,2021-02-01,1,1,0\n"  # not that lot
        + "Growth,TSLA,2021-02-01,2021-03-01,1,1,0\n"  # loaded, but the file replaces it
        + "Income,BRK.B,2021-06-01,2021-07-01,1,1,0\n"  # loaded, and still there
        + "Income,BRK.B,2021-06-02,2021-07-01,1,1,0\n",
        capital_flows=None,
        manual_prices=MARK_HEADER
        + "Growth,AAPL,2021-03-31,1\nGrowth,house,2021-03-31,1\nGrowth,House,2021-03-31,1\nGrowth,House,2021-03-31,2\n",
        sector_tags=TAG_HEADER
        + "Growth,AAPL,2021-01-04,Energy\nGrowth,aapl,2021-01-04,Energy\nGrowth,House,2020-01-04,Energy\n",
    )
    assert problems(conn, folder) == [
        "positions.csv:4: Quantity: 'bad' is not a number: write it like 1234.50",
        "closes.csv:2: symbol: 'Growth' holds no 'GOOG': correct it, or add its lot",
        "closes.csv:3: entry_date: no lot of AAPL in 'Growth' was entered on 2021-01-05 but on 2021-01-04",
        "closes.csv:4: trade_date: 2021-01-01 lies before the entry on 2021-01-04: correct one of them",
        "closes.csv:7: symbol: 'Growth' holds no 'TSLA': correct it, or add its lot",
        "closes.csv:9: entry_date: no lot of BRK.B in 'Income' was entered on 2021-06-02 but on 2021-06-01",
        "manual_prices.csv:2: symbol: AAPL in 'Growth' is priced by the market: leave the row out",
        "manual_prices.csv:3: symbol: 'Growth' holds no 'house': correct it, or add its lot",
        "manual_prices.csv:5: date: says again what line 4 says: keep one",
        "sector_tags.csv:3: symbol: says again what line 2 says: keep one",
        "sector_tags.csv:4: entry_date: no lot of House in 'Growth' was entered on 2020-01-04 but on 2021-01-04",
    ]


def found_without_a_database(folder: Path) -> list[str]:
    files = read_folder(folder)
    assemble(files, NOTHING_KNOWN)
    return list(map(str, files.problems))


@pytest.mark.parametrize("name", ["portfolios", "positions"])
def test_a_missing_file_is_one_problem(write, name):
    assert found_without_a_database(write(**{name: None})) == [
        f"{name}.csv:1: file: cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(("name", "column"), [("portfolios", "name"), ("positions", "Symbol"), ("closes", "portfolio")])
def test_a_column_that_is_misspelt_is_the_only_problem(write, name, column):
    assert found_without_a_database(write(**{name: BOOK[f"{name}.csv"].replace(column, "Colum", 1)})) == [
        f"{name}.csv:1: Colum: is not a column of this file: remove it, or give it the name of one",
        f"{name}.csv:1: {column}: the column is missing: add it to the header and to each row",
    ]


def test_a_row_whose_key_cannot_be_read_may_be_any_lot(write):
    positions = POSITION_HEADER + "Growth,AAPL,1,1,someday,\nGrowth,MSFT,1,1\n"
    closes = CLOSE_HEADER + "Growth,AAPL,2021-01-04,2021-02-01,1,1,0\nIncome,AAPL,2021-01-04,2021-02-01,1,1,0\n"
    assert found_without_a_database(write(**{**ABSENT, "closes": closes}, positions=positions)) == [
        "positions.csv:2: Entry Date: 'someday' is not a date written YYYY-MM-DD",
        "positions.csv:3: row: has 4 cells where the header has 6: each column needs its cell, empty or not",
    ]


def test_no_folder(conn, tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        load_folder(conn, tmp_path / "nowhere")


def test_a_failure_in_the_last_file_takes_the_first_back(conn, write):
    conn.execute("alter table raw.manual_sector_tags add check (sector <> 'Real Estate')")
    before = everything(conn)
    with pytest.raises(UserError, match="manual_sector_tags"):
        load_folder(conn, write())
    assert everything(conn) == before


# One position file

POSITION_FILE = """\
# exported 2021-06-30
Entry Date,Symbol,Quantity,Entry Price Per Share
2021-01-05,AAPL,"1,000",$131.01
2021-01-04,BRK-B,-10,228.50
"""


@pytest.fixture
def position_file(tmp_path) -> Path:
    file = tmp_path / "export.csv"
    file.write_text(POSITION_FILE)
    return file


def test_a_position_file(conn, position_file):
    report = load_positions_file(conn, position_file, "Mine", Decimal(250_000))
    assert report.lines() == [
        f"{position_file}: loaded",
        "  portfolios       1 read: 1 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  positions        2 read: 2 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  inception: 2021-01-04, the earliest entry date in the file (--inception DATE sets another)",
    ]
    assert rows(conn, "select name, inception_date, starting_equity, source from raw.portfolios") == [
        ("Mine", date(2021, 1, 4), 250_000, "export.csv")
    ]
    assert rows(conn, "select symbol, quantity, position_type from raw.positions order by symbol") == [
        ("AAPL", 1000, "LONG"),
        ("BRK.B", -10, "SHORT"),
    ]
    assert load_positions_file(conn, position_file, "Mine", Decimal(250_000)).changed == 0


def test_a_position_file_replaces_positions_and_sets_the_inception(conn, position_file):
    load_positions_file(conn, position_file, "Mine", Decimal(250_000))
    load_positions_file(conn, position_file, "Yours", Decimal(1))
    position_file.write_text(POSITION_FILE.replace("2021-01-04,BRK-B,-10,228.50\n", ""))
    report = load_positions_file(conn, position_file, "Mine", Decimal(250_000), date(2021, 3, 1))
    assert report.counts == {
        "portfolios": MergeCounts(fetched=1, updated=1),
        "positions": MergeCounts(fetched=1, unchanged=1, deleted=1),
    }
    assert rows(conn, "select name, inception_date from raw.portfolios order by name") == [
        ("Mine", date(2021, 3, 1)),
        ("Yours", date(2021, 1, 4)),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "Symbol,Quantity,Entry Price Per Share,Entry Date\n",
            ["export.csv:1: file: holds no position: give it rows, or pass the file that has them"],
        ),
        ("", ["export.csv:1: header: the file is empty: its first line must name the columns Symbol, Quantity, "]),
        (
            "Symbol,Quantity,Entry Price Per Share,Entry Date\nA,1,1,1985-01-02\n",
            ["export.csv:1: inception: 1985-01-02 is too early: pass --inception with 1990-01-03 or later"],
        ),
        (
            "Symbol,Quantity,Entry Price Per Share,Entry Date\nA,x,1,2021-01-04\nB,1,-1,2021-01-04\n",
            [
                "export.csv:2: Quantity: 'x' is not a number: write it like 1234.50",
                "export.csv:3: Entry Price Per Share: must not be negative: -1",
            ],
        ),
    ],
)
def test_a_position_file_that_is_refused(conn, position_file, content, expected):
    position_file.write_text(content)
    before = everything(conn)
    with pytest.raises(BadInput) as refusal:
        load_positions_file(conn, position_file, "Mine", Decimal(1))
    *found, _ = refusal.value.problems
    assert len(found) == len(expected)
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=True))
    assert everything(conn) == before


def test_a_large_book_takes_seconds(conn, write):
    lots = [(f"P{i % 20}", f"S{i % 97}", date(2000, 1, 1) + timedelta(days=i // 2)) for i in range(10_000)]
    closes = (f"{portfolio},{symbol},{day},2021-01-05,1,2.5,0\n" for portfolio, symbol, day in lots)
    folder = write(
        **{**ABSENT, "closes": CLOSE_HEADER + "".join(closes)},
        portfolios=PORTFOLIO_HEADER + "".join(f"P{i},1000,2021-01-04\n" for i in range(20)),
        positions=POSITION_HEADER + "".join(f"{portfolio},{symbol},1,1,{day},\n" for portfolio, symbol, day in lots),
    )
    started = time.process_time()
    assert load_folder(conn, folder).counts["closes"].inserted == 10_000
    # Rows one at a time, or a search through all lots for each close, take far longer.
    assert time.process_time() - started < 8


def test_a_lot_that_is_loaded_anew_has_its_symbols_asked_for_again(conn, write):
    load_folder(conn, write())

    def leave_alone():
        conn.execute("delete from ops.fetch_state")
        conn.execute(
            "insert into ops.fetch_state (source, kind, symbol, consecutive_failures, next_attempt_at)"
            " select 'yahoo', 'prices', symbol, 4, now() + interval '30 days'"
            " from unnest(array['AAPL', 'TSLA', 'BRK.B']) as symbol"
        )
        return lambda: rows(conn, "select symbol from ops.fetch_state order by 1")

    left = leave_alone()
    load_folder(conn, write())
    assert left() == [("AAPL",), ("BRK.B",), ("TSLA",)]
    # another quantity, and another underlying's option
    changed = BOOK["positions.csv"].replace("tsla,(20)", "tsla,(25)").replace(",AAPL,130,", ",AAPL,131,")
    load_folder(conn, write(positions=changed, closes=None))
    assert left() == [("BRK.B",)]


# Cash items and benchmarks

CASH_ITEM_HEADER = "portfolio,date,type,amount\n"


def test_cash_items_are_loaded_with_their_sign(conn, write):
    folder = write(
        cash_items=CASH_ITEM_HEADER
        + "Growth,2021-02-01,INTEREST,25\nGrowth,2021-02-01,interest,25.00\nGrowth,2021-03-01,FEE,(40)\n"
        + 'Growth,2021-03-02,BORROW,-12.50\nIncome,2021-07-01,TAX,"-$1,000"\nIncome,2021-05-28,OTHER,3\n'
    )
    report = load_folder(conn, folder)
    assert report.counts["cash_items"] == MergeCounts(fetched=6, inserted=6)
    assert rows(conn, "select item_type, amount from raw.cash_items order by item_date, item_type, amount") == [
        ("INTEREST", 25),
        ("INTEREST", 25),
        ("FEE", -40),
        ("BORROW", Decimal("-12.5")),
        ("OTHER", 3),
        ("TAX", -1000),
    ]
    assert "  'Income': 1 cash item before the inception on 2021-06-01 will be ignored" in report.lines()
    assert "  cash items       6 read: 6 inserted, 0 updated, 0 unchanged, 0 deleted" in report.lines()
    assert load_folder(conn, folder).changed == 0
    report = load_folder(conn, write(cash_items=CASH_ITEM_HEADER + "Growth,2021-02-01,INTEREST,25\n"))
    assert report.counts["cash_items"] == MergeCounts(fetched=1, unchanged=1, deleted=3)


def test_a_cost_without_a_minus_is_pointed_at(conn, write):
    report = load_folder(
        conn,
        write(
            cash_items=CASH_ITEM_HEADER
            + "Growth,2021-02-01,FEE,25\nGrowth,2021-02-02,FEE,25\nGrowth,2021-02-02,TAX,-5\n"
            + "Income,2021-07-01,OTHER,1\n"
        ),
    )
    assert [note for note in report.notes if "above zero" in note] == [
        "'Growth': 2 FEE above zero in cash_items.csv will be counted as income: write a cost with a minus"
    ]


def test_cash_items_that_are_none(conn, write):
    folder = write(cash_items=CASH_ITEM_HEADER + "Growth,2021-02-01,DIVIDEND,0\nNobody,2021-02-01,FEE,\n")
    assert problems(conn, folder) == [
        "cash_items.csv:2: type: 'DIVIDEND' is not one of INTEREST, FEE, TAX, BORROW, OTHER",
        "cash_items.csv:2: amount: must not be zero: write how many it is, or leave the row out",
        "cash_items.csv:3: amount: is empty: fill it in, or leave the row out",
        "cash_items.csv:3: portfolio: 'Nobody' is neither in portfolios.csv nor loaded already: list it there",
    ]


def test_a_portfolio_is_compared_with_its_benchmark_or_spy(conn, write):
    benchmarks = "select name, benchmark from raw.portfolios order by 1"
    header = "name,starting_equity,inception_date,benchmark\n"
    load_folder(conn, write(portfolios=header + "Growth,1,2021-01-04,qqq\nIncome,1,2021-06-01,\n"))
    assert rows(conn, benchmarks) == [("Growth", "QQQ"), ("Income", "SPY")]
    folder = write(portfolios=header + "Growth,1,2021-01-04,60/40 mix\n")
    (problem,) = problems(conn, folder)
    assert problem.startswith("portfolios.csv:2: benchmark: '60/40 mix' is not a symbol")


def test_a_position_file_leaves_the_benchmark_of_its_portfolio_alone(conn, write, tmp_path):
    header = "name,starting_equity,inception_date,benchmark\n"
    load_folder(conn, write(portfolios=header + "Growth,1,2021-01-04,QQQ\nIncome,1,2021-06-01,\n"))
    file = tmp_path / "positions of growth.csv"
    file.write_text("Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,1,100,2021-01-04\n")
    for name in ("Growth", "New"):
        load_positions_file(conn, file, name, Decimal(1_000))
    assert rows(conn, "select name, benchmark from raw.portfolios order by 1") == [
        ("Growth", "QQQ"),
        ("Income", "SPY"),
        ("New", "SPY"),
    ]


FUNDS = """
symbol,sector,weight,as_of
spy,Technology,34.6%,2021-06-30
spy,Financials,0.131,2021-06-30
BRK-B,Financials,1,2021-01-04
"""


def test_sectors_of_funds_replace_what_was_known_of_them(conn, write):
    conn.execute(
        "insert into raw.fund_sector_weights (symbol, sector, as_of, weight, source) values"
        " ('SPY', 'Energy', '2021-07-01', 1, 'yahoo'), ('QQQ', 'Technology', '2021-07-01', 1, 'yahoo')"
    )
    query = "select symbol, sector, as_of::text, weight::float8, source from raw.fund_sector_weights order by 1, 2"
    folder = write(fund_sectors=FUNDS)
    assert load_folder(conn, folder).counts["fund_sectors"] == MergeCounts(fetched=3, inserted=3, deleted=1)
    stored = [
        ("BRK.B", "Financials", "2021-01-04", 1.0, "person"),
        ("QQQ", "Technology", "2021-07-01", 1.0, "yahoo"),
        ("SPY", "Financials", "2021-06-30", 0.131, "person"),
        ("SPY", "Technology", "2021-06-30", 0.346, "person"),
    ]
    assert rows(conn, query) == stored
    assert load_folder(conn, folder).changed == 0
    load_folder(conn, write(fund_sectors="symbol,sector,weight,as_of\nSPY,Energy,1,2021-01-04"))
    assert rows(conn, query) == [*stored[:2], ("SPY", "Energy", "2021-01-04", 1.0, "person")]


def test_problems_of_sectors_of_funds(conn, write):
    text = """
symbol,sector,weight,as_of
SPY,Technology,34.6,2021-06-30
SPY,Energy,0.7,2021-03-31
SPY,Technology,0.7,2021-03-31
QQQ,Technology,0.5,2021-03-31
QQQ,technology,0.4,2021-03-31
QQQ,,0.4,2021-03-31
QQQ,Energy,0.1,2199-01-01
QQQ,Energy,0.1,2098-01-01
"""
    assert problems(conn, write(fund_sectors=text)) == [
        "fund_sectors.csv:2: weight: '34.6' is more than the whole: write a fraction (0.288) or a percentage (28.8%)",
        "fund_sectors.csv:3: weight: SPY as of 2021-03-31: its weights add up to more than the whole fund",
        "fund_sectors.csv:6: sector: says again what line 5 says: keep one",
        "fund_sectors.csv:7: sector: is empty: fill it in, or leave the row out",
        "fund_sectors.csv:8: as_of: 2199-01-01 lies outside 1900 to 2099: correct it",
        "fund_sectors.csv:9: as_of: 2098-01-01 lies in the future",
    ]
