"""Portfolio files that are refused: every problem at once, and nothing loaded."""

from pathlib import Path

import pytest

from ingest.books.book import Known, assemble
from ingest.books.files import read_folder
from ingest.books.portfolios import load_folder
from tests.ingest.books.loading import (
    ABSENT,
    BOOK,
    CLOSE_HEADER,
    FLOW_HEADER,
    MARK_HEADER,
    PORTFOLIO_HEADER,
    POSITION_HEADER,
    TAG_HEADER,
    everything,
    problems,
)
from warehouse.errors import UserError


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
        "closes.csv:3: fees: must not be negative: -1: leave out the minus, or the row",
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
        + "Growth,MSFT,2021-01-04,2021-02-01,1,1,0\n"  # its lot has a problem itself
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
        "manual_prices.csv:5: date: repeats what line 4 says: keep one",
        "sector_tags.csv:3: symbol: repeats what line 2 says: keep one",
        "sector_tags.csv:4: entry_date: no lot of House in 'Growth' was entered on 2020-01-04 but on 2021-01-04",
    ]


def found_without_a_database(folder: Path) -> list[str]:
    files = read_folder(folder)
    assemble(files, Known({}, frozenset(), {}, ()))
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
