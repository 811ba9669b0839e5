"""A portfolio that is loaded from one file of its lots."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.portfolios import load_positions_file
from tests.ingest.books.loading import everything, rows
from warehouse.bulk import MergeCounts
from warehouse.errors import BadInput

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
                "export.csv:3: Entry Price Per Share: must not be negative: -1: leave out the minus, or the row",
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
