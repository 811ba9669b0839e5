"""Class shares: loaded under the spelling that the market knows."""

from datetime import date
from pathlib import Path

import pytest

from ingest.books.load_broker import StatementOptions, load_broker
from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.portfolios import load_folder


def know(conn, *symbols: str) -> None:
    for symbol in symbols:
        conn.execute(
            "insert into raw.market_data_cache (symbol, price_date, close, source)"
            " values (%s, '2024-01-02', 5, 'test')",
            [symbol],
        )


def held(conn) -> list[tuple]:
    return conn.execute("select symbol, underlying_symbol from raw.positions order by 1").fetchall()


@pytest.mark.parametrize(
    ("known", "written", "loaded"),
    [
        ([], "BRKB", "BRK.B"),
        ([], "BRK/B", "BRK.B"),
        ([], "LENB", "LENB"),
        (["LEN.B"], "LENB", "LEN.B"),
        (["LEN.B"], "LEN B", "LEN.B"),
        # a market that writes no dots
        (["BRKB"], "BRK-B", "BRKB"),
        (["UA.A", "UAA"], "UAA", "UAA"),
    ],
)
def test_a_class_share_by_what_the_market_knows(conn, tmp_path: Path, known, written, loaded):
    know(conn, *known)
    (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date\nP,1000,2024-01-02\n")
    (tmp_path / "positions.csv").write_text(
        f"portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nP,{written},1,5,2024-01-02\n"
    )
    # a close names its lot by any spelling
    (tmp_path / "closes.csv").write_text(
        f"portfolio,symbol,entry_date,trade_date,quantity_closed,close_price\nP,{written},2024-01-02,2024-01-03,0.5,6\n"
    )
    said = load_folder(conn, tmp_path).lines()
    assert held(conn) == [(loaded, None)]
    assert any("as the market knows it" in line for line in said) == bool(known and written in ("LENB", "BRK-B"))


def test_transactions_and_statements_fold_as_lots_do(conn, tmp_path: Path):
    know(conn, "LEN.B")
    lines = tmp_path / "t.csv"
    lines.write_text(
        "portfolio,date,type,symbol,quantity,price,amount,fees\nT,2024-01-02,BUY,LENB,1,5,,\n"
        "T,2024-01-03,BUY,LENB240621C00150000,1,5,,\n"
    )
    load_transactions(conn, [lines], TransactionOptions())
    assert conn.execute("select symbol, underlying_symbol from raw.transactions order by sequence, 1").fetchall() == [
        ("LEN.B", None),
        ("LENB240621C00150000", "LEN.B"),
    ]
    listed = tmp_path / "l.csv"
    listed.write_text("Symbol,Quantity,Price\nLENB,1,5\n")
    load_broker(conn, [listed], StatementOptions(portfolio="L", as_of=date(2024, 1, 2)))
    assert held(conn) == [("LEN.B", None)]


def test_two_spellings_of_one_lot_are_to_be_merged(conn, tmp_path: Path):
    know(conn, "LEN.B")
    (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date\nP,1000,2024-01-02\n")
    (tmp_path / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nP,LENB,1,5,2024-01-02\nP,LEN.B,1,5,2024-01-02\n"
    )
    with pytest.raises(Exception, match=r"positions\.csv:2: Symbol: LENB is LEN\.B, of which a lot of 2024-01-02"):
        load_folder(conn, tmp_path)
