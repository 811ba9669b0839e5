"""Templates of other programs, recreated with invented contents: each loads as it is."""

from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.layouts.activity import read_activity
from ingest.books.load_transactions import TransactionOptions
from ingest.books.lots import read_positions_of

TEMPLATES = Path(__file__).parent / "templates"
LONG = [("KO", 40, "61.2"), ("MCD", 8, "291")]
BUY, SELL = ("BUY", "KO", 40, -2449), ("SELL", "KO", 10, 621)


@pytest.mark.parametrize(
    ("name", "lots", "note"),
    [
        (
            "twelve_columns.csv",
            [
                ("KO", 40, "61.2"),
                ("WMT", -30, "59.8"),
                ("IWM240621C00210000", 4, "3.1"),
                ("GLD240920P00195000", -2, "2.75"),
                ("PEP", 20, "164"),
                ("MCD", 8, "291"),
                ("VTSAX", "12.5", "121.4"),
                ("OFFICE_FUND_II", 1, "25000"),
            ],
            "cash is part of the starting equity and no position: VMFXX 2,500.00 (line 12)",
        ),
        (
            "with_tags_and_notes.csv",
            [
                *LONG,
                ("IWM240621C00210000", 4, "3.1"),
                ("OFFICE_FUND_II", 1, "25000"),
                ("WMT", -30, "59.8"),
            ],
            "lines 2, 3, 5: an empty cell too few, added",
        ),
        ("tracker_lower_case.csv", LONG, "ignored columns: tags"),
        ("tracker_camel_case.csv", LONG, None),
        ("total_costs.csv", LONG, "is separated by semicolons, and its numbers have decimal commas"),
    ],
)
def test_lots(name: str, lots: list, note: str | None):
    read = read_positions_of(TEMPLATES / name, "P")
    assert [str(problem) for problem in read.csv.problems] == []
    assert [(lot.symbol, lot.quantity, lot.entry_price) for lot in read.lots] == [
        (symbol, Decimal(quantity), Decimal(price)) for symbol, quantity, price in lots
    ]
    assert note is None or any(note in each for each in read.csv.notes)
    exits = [(lot.symbol, str(lot.exit_date), lot.exit_price) for lot in read.lots if lot.exit_date]
    assert exits == {
        "twelve_columns.csv": [("PEP", "2024-04-12", Decimal("171.3"))],
        "with_tags_and_notes.csv": [("WMT", "2024-04-12", Decimal("55.1"))],
    }.get(name, [])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("yahoo.csv", [BUY, SELL]),
        ("ghostfolio.csv", [("FEE", None, None, -15), BUY, SELL, ("DIVIDEND", "KO", None, "19.2")]),
        (
            "portfolio_performance.csv",
            [
                ("DEPOSIT", None, None, 5000),
                BUY,
                SELL,
                ("DIVIDEND", "KO", None, "16.32"),
                ("TAX", None, None, -3),
            ],
        ),
        ("portfolio_performance_de.csv", [("DEPOSIT", None, None, 5000), BUY, SELL]),
        (
            "snowball.csv",
            [
                ("DEPOSIT", None, None, 5000),
                BUY,
                SELL,
                ("DIVIDEND", "KO", None, "16.32"),
                ("FEE", None, None, -5),
            ],
        ),
        ("sharesight.csv", [BUY, SELL]),
        ("trading212.csv", [("DEPOSIT", None, None, 5000), BUY, SELL, ("DIVIDEND", "KO", None, "12.24")]),
        ("any_tracker.csv", [BUY, SELL, ("DIVIDEND", "KO", None, "19.2")]),
    ],
)
def test_transactions(name: str, lines: list):
    [file], _ = read_activity([TEMPLATES / name], TransactionOptions(portfolio="P"))
    assert [str(problem) for problem in file.csv.problems] == []
    assert [
        (line.type, line.instrument and line.instrument.symbol, line.quantity, line.cash) for line in file.lines
    ] == [
        (kind, symbol, None if quantity is None else Decimal(quantity), Decimal(cash))
        for kind, symbol, quantity, cash in lines
    ]
    bought = next(line for line in file.lines if line.type == "BUY")
    assert (str(bought.trade_date), bought.unit_price, bought.fees) == ("2024-03-04", Decimal("61.2"), 1)
