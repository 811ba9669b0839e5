"""What a refused file is told: its own words and the next step, on one line each."""

from datetime import date
from pathlib import Path

import pytest

from ingest.books.load_broker import StatementOptions, load_broker
from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.portfolios import load_folder
from warehouse.errors import BadInput

JUNE_20 = date(2025, 6, 20)
LIST = "Symbol,Description,Quantity,Price,Currency,Side\n"
FLEX = '<FlexStatement accountId="U1" toDate="20250620"><OpenPositions>{}</OpenPositions></FlexStatement>'
OWN = "date,type,symbol,quantity,price,amount,fees,lot\n"
ACTIVITY = "Date,Action,Ticker,Description,Shares,Price,Amount,Currency\n"
POSITIONS = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date"

# what the list says, what its refusal says
BROKER = [
    ("", "header: the file is empty: its first line must name the columns"),
    ("Paper,Stück\nAAPL,1\n", "header: its columns (Paper, Stück) are not those of any layout that is known: name the"),
    (LIST, "file: holds no position: pass the list itself, or export it again"),
    (LIST + "US0378331005,APPLE,1,2,,\n", "symbol: 'US0378331005' (APPLE) is its ISIN, not the symbol that it trades"),
    (LIST + ",APPLE,1,2,,\n", "symbol: is empty for 'APPLE': write `APPLE,SYMBOL` into a file and pass --symbols FILE"),
    (
        LIST + "AAPL250620C2x,APPLE,1,2,,\n",
        "symbol: 'AAPL250620C2x' looks like an option, and its strike cannot be read: write AAPL",
    ),
    (LIST + "AAPL251340C200,APPLE,1,2,,\n", "has the form of an option, but its expiration is no date: correct it"),
    (
        LIST + "SAP,SAP SE,1,2,EUR,\n",
        "currency: 'SAP' (SAP SE) is held in EUR: only holdings in USD can be loaded, leave",
    ),
    (LIST + "AAPL,APPLE,ten,2,,\n", "quantity: 'ten' is not a number: write it like 1234.50"),
    (LIST + "AAPL,APPLE,1,£2,,\n", "price: '£2' is in £: only USD can be loaded, leave the row out"),
    (LIST + "AAPL,APPLE,1,2,,Sell\n", "side: is 'Sell', so these are trades: load the file with `load transactions`"),
    (LIST + "AAPL,APPLE,1,,,\n", "value: the file says nothing of what AAPL is worth: pass --equity AMOUNT"),
    (LIST + "AAPL,APPLE,-1,2,,\n", "value: positions and cash of 'P' make -2, less than nothing: correct a sign"),
    ("Symbol;Quantity\nAAPL;1,500\n", "file: '1,500' may be 1500 or 1.500: write numbers without thousands commas"),
    ("<a", "file: is XML that cannot be read"),
    (
        "<!DOCTYPE x><a/>",
        "file: is XML with declarations of its own, which no broker writes: export it again, or as CSV",
    ),
    (FLEX.format('<Other conid="1" mark="2"/>'), "header: has none of the tables that are known: its own are"),
    (
        FLEX.format('<OpenPosition symbol="AAPL" position="1" costBasisPrice="1" multiplier="10"/>'),
        "multiplier: AAPL has 10 shares a unit, and adjusted contracts cannot be loaded: leave it out with --skip",
    ),
    ("x" * 64_000_001, "file: is 64 MB, and a file of a broker may have 64: split it by years"),
]
TRANSACTIONS = [
    (OWN, "file: holds no transaction: pass the list itself, or export it again"),
    (OWN + "2025-06-02,BOUGHT,AAPL,1,2,,,\n", "type: 'BOUGHT' is not one of BUY, SELL, SHORT"),
    (OWN + "2025-06-02,BUY,,1,2,,,\n", "symbol: is empty: a BUY needs one, write it"),
    (OWN + "2025-06-02,BUY,AAPL,,2,,,\n", "quantity: is empty: a BUY needs one, write it"),
    (OWN + "2025-06-02,BUY,AAPL,1,,,,\n", "price: is empty, and so is amount: a BUY needs one of them, write it"),
    (OWN + "2025-06-02,BUY,AAPL,-1,2,,,\n", "quantity: is -1, and a BUY brings shares in: leave a cancelled purchase"),
    (OWN + "2025-06-02,BUY,AAPL,0,2,,,\n", "quantity: must not be zero: write how many it is, or leave the row out"),
    (OWN + "2025-06-02,BUY,AAPL,10,2,30,,\n", "amount: is 30, but 10 at 2 make 20: correct the one that is wrong"),
    (OWN + "2025-06-02,BUY,AAPL,1,,2,5,\n", "fees: are 5, more than the amount of 2: correct one of them"),
    (OWN + "2025-06-02,BUY,AAPL,900000000000000,2,,,\n", "cost too much, 10^15 or more: correct it or the price"),
    (OWN + "2025-06-02,DIVIDEND,AAPL,,,,,\n", "amount: is empty: a DIVIDEND needs one, write it"),
    (OWN + "2025-06-02,DEPOSIT,,,,-5,,\n", "amount: is -5, and a DEPOSIT brings money in: write it as a WITHDRAWAL"),
    (
        OWN + "2025-06-02,EXPIRE,AAPL,1,,,,\n",
        "symbol: 'AAPL' is no option, and only an option can expire: correct symbol or",
    ),
    (
        OWN + "2025-06-02,ASSIGN,AAPL250620C200,1,190,,,\n",
        "price: is 190, but ASSIGN delivers at the strike, 200: leave",
    ),
    (
        OWN + "2025-06-02,ASSIGN,SPX250620C5000,1,,,,\n",
        "price: is empty: SPX is settled in cash, write the price per share",
    ),
    (
        OWN + "2025-06-02,TRANSFER_IN,AAPL,1,2,,,2026-01-01\n",
        "lies after the transfer on 2025-06-02: correct one of them",
    ),
    (OWN + "2025-06-31,DEPOSIT,,,,5,,\n", "date: 2025-06-31 is not a day of the calendar: correct it"),
    (OWN + "2025-06-02,BUY,CASH,1,2,,,\n", "symbol: 'CASH' is cash: leave the row out"),
    (
        OWN + "2025-06-20,ASSIGN,AAPL250620P200,1,,,,\n2025-06-20,BUY,AAPL,100,200,,,\n",
        "type: the ASSIGN on line 2 brings these shares already: leave this line out, or write the ASSIGN as EXPIRE",
    ),
    (
        ACTIVITY + "2025-06-02,Gift,AAPL,,1,2,,\n",
        "action: 'Gift' is no action that the layout generic knows: leave it out",
    ),
    (
        ACTIVITY + "2025-06-02,Buy,SAP,,1,2,,EUR\n",
        "currency: is EUR: only transactions in USD can be loaded, leave it out",
    ),
    (ACTIVITY + "soon,Buy,AAPL,,1,2,,\n", "date: 'soon' is not a date: write it as YYYY-MM-DD"),
    (ACTIVITY + "03/04/2025,Buy,AAPL,,1,2,,\n", "date: '03/04/2025' may begin with the day or the month: write it as"),
    (
        ACTIVITY + "2025-06-02,Cancel Buy,AAPL,,1,2,,\n",
        "action: cancels a line of AAPL that the file does not have: load",
    ),
    (LIST + "AAPL,APPLE,1,2,,\n", "header: its columns (Symbol, Description, Quantity, Price, Currency, Side) are not"),
]
FOLDER = [
    ({"positions.csv": f"{POSITIONS}\nQ,AAPL,1,2,2025-06-02\n"}, "'Q' is neither in portfolios.csv nor loaded already"),
    ({"positions.csv": f"{POSITIONS}\nP,AAPL,1,2\n"}, "row: has 4 cells where the header has 5: each column needs its"),
    (
        {"positions.csv": f"{POSITIONS},Exit Date\nP,AAPL,1,2,2025-06-02,2025-06-03\n"},
        "but Exit Date is not: give both",
    ),
    (
        {"positions.csv": f"{POSITIONS},Direction\nP,AAPL,1,2,2025-06-02,short\n"},
        "write a short with a negative Quantity",
    ),
    (
        {"positions.csv": f"{POSITIONS},Currency\nP,AAPL,1,2,2025-06-02,EUR\n"},
        "holdings in USD can be loaded, leave the",
    ),
    (
        {
            "closes.csv": "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price\n"
            "P,X,2025-06-02,2025-06-03,1,2\n"
        },
        "symbol: 'P' holds no 'X': correct it, or add its lot",
    ),
    ({"cash_items.csv": "portfolio,date,type,amount\nP,2025-06-02,COUPON,2\n"}, "'COUPON' is not one of INTEREST, FEE"),
    ({"capital_flows.csv": "portfolio,date,type,amount\nP,2025-06-02,WITHDRAWAL,-2\n"}, "must be above zero, not -2: "),
]


def check(refused: BaseException, said: str) -> None:
    *lines, last = str(refused).splitlines()
    assert last.startswith("nothing was loaded: ")
    assert any(said in line for line in lines), lines
    # file, line and column before what is wrong
    assert all(len(line.split(": ")) >= 3 and len(line) < 400 and line.isprintable() for line in lines)


@pytest.mark.parametrize(("content", "said"), BROKER)
def test_a_position_list(conn, tmp_path: Path, content: str, said: str):
    file = tmp_path / "list.csv"
    file.write_text(content)
    with pytest.raises(BadInput) as refused:
        load_broker(conn, [file], StatementOptions(portfolio="P", as_of=JUNE_20))
    check(refused.value, said)


@pytest.mark.parametrize(("content", "said"), TRANSACTIONS)
def test_transactions(conn, tmp_path: Path, content: str, said: str):
    file = tmp_path / "list.csv"
    file.write_text(content)
    with pytest.raises(BadInput) as refused:
        load_transactions(conn, [file], TransactionOptions(portfolio="P"))
    check(refused.value, said)


@pytest.mark.parametrize(("files", "said"), FOLDER)
def test_a_folder(conn, tmp_path: Path, files: dict[str, str], said: str):
    whole = {
        "portfolios.csv": "name,starting_equity,inception_date\nP,1000,2025-06-02\n",
        "positions.csv": f"{POSITIONS}\n",
        **files,
    }
    for name, content in whole.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(BadInput) as refused:
        load_folder(conn, tmp_path)
    check(refused.value, said)


def test_control_characters_of_a_header_stay_out_of_the_terminal(conn, tmp_path: Path):
    (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date,\x1b[31mred\nP,1000,2025-06-02,1\n")
    (tmp_path / "positions.csv").write_text(f"{POSITIONS}\n")
    with pytest.raises(BadInput) as refused:
        load_folder(conn, tmp_path)
    assert "?[31mred: is not a column of this file" in str(refused.value)
