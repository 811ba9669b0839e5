"""Files as spreadsheets, people and accidents leave them: each is read right, or refused with what to do."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.layouts.activity import read_activity
from ingest.books.layouts.positions import read_statement
from ingest.books.layouts.values import read_amount
from ingest.books.load_broker import StatementOptions, load_broker
from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.lots import read_positions_of
from warehouse.errors import BadInput

JUNE_20 = date(2025, 6, 20)
OWN = "date,type,symbol,quantity,price,amount,fees\n"
LIST = "Symbol,Description,Quantity,Price,Market Value,Cost Basis Total,Average Cost\n"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("-$1,234.50", "-1234.5"),
        ("$(1,234.50)", "-1234.5"),
        ("($1,234.50)", "-1234.5"),
        ("1,234.50-", "-1234.5"),
        ("\u22121 234.50", "-1234.5"),
        ("1'234.50 USD", "1234.5"),
        ("US$ 12", "12"),
        (".5", "0.5"),
        ("1.5E+05", "150000"),
    ],
)
def test_an_amount(text: str, amount: str):
    assert read_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "decimal_comma", "reason"),
    [
        # each of these was once read as a number, and as the wrong one
        ("12,34", False, "'12,34' has a decimal comma, and the file's numbers have points: write all alike"),
        ("1,5", False, "has a decimal comma"),
        ("150.25", True, "has a decimal point, and the file's numbers have commas"),
        ("€1,234.50", False, "is in €: only USD can be loaded"),
        ("100 EUR", False, "is in EUR: only USD can be loaded"),
        ("C$100", False, r"is in C\$: only USD"),
        ("(-100)", False, "write one minus, or one pair of parentheses"),
        ("(100", False, r"'\(100' is not a number: write it like 1234.50"),
        ("1_000", False, "is not a number"),
        ("12%", False, "is not a number"),
        ("10K", False, "is not a number"),
        ("1,23,456", False, "is not a number"),
        ("1e15", False, "must be below"),
    ],
)
def test_no_amount(text: str, decimal_comma: bool, reason: str):
    with pytest.raises(ValueError, match=reason):
        read_amount(text, decimal_comma=decimal_comma)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04 rest of a workbook", "is a workbook or another archive and no text: export it as CSV"),
        (b"%PDF-1.7\n1 0 obj", "is a PDF and no text: export it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is a workbook of an old Excel and no text: export it as CSV"),
        (b"<html><table><tr><td>Symbol</td></tr></table></html>", "is a web page, whatever its name says"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, whatever its name says"),
        ("Symbol,Quantity\nAAPL,1\n".encode("utf-16-le"), "is no text: export it as CSV"),
    ],
)
def test_what_only_bears_the_name_of_a_csv_file(tmp_path: Path, content: bytes, what: str):
    file = tmp_path / "export.csv"
    file.write_bytes(content)
    [transactions], _ = read_activity([file], TransactionOptions(portfolio="P"))
    read = (
        read_positions_of(file, "P").csv.problems,
        read_statement(file, None, {}).problems,
        transactions.csv.problems,
    )
    for problems in read:
        [problem] = problems
        assert str(problem).startswith(f"export.csv:1: file: {what}") and "\n" not in str(problem)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_list_in_any_encoding(tmp_path: Path, encoding: str):
    file = tmp_path / "list.csv"
    file.write_bytes((LIST + "AAPL,Äpfel,100,200,20000,15000,150\r\n").encode(encoding))
    statement = read_statement(file, None, {})
    assert not statement.problems
    assert [(lot.instrument.symbol, lot.quantity, lot.value) for lot in statement.lots] == [("AAPL", 100, 20000)]


def told(tmp_path: Path, content: str, **options):
    file = tmp_path / "file.csv"
    file.write_text(content)
    [read], _ = read_activity([file], TransactionOptions(portfolio="P", **options))
    return read


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        # a thousands comma without quotes moves every cell behind it
        ("AAPL,Apple,1,500,200,300000,225000,150\n", "row: has 8 cells where the header has 7: a cell with a comma in"),
        ("AAPL,Apple,,200,20000,15000,150\n", "quantity: is empty, and AAPL is worth 20,000.00: write how many it is"),
        ("AAPL,Apple,€100,200,20000,15000,150\n", "quantity: '€100' is in €"),
    ],
)
def test_a_list_that_would_be_another_number(tmp_path: Path, rows: str, problem: str):
    file = tmp_path / "list.csv"
    file.write_text(LIST + rows)
    assert str(read_statement(file, None, {}).problems[0]).startswith(f"list.csv:2: {problem}")


def test_a_holding_that_tells_next_to_nothing_is_one(tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text(LIST + "AAPL,,10,,,,\nTotal,,,,,,\n")
    [lot] = read_statement(file, None, {}).lots
    assert (lot.instrument.symbol, lot.quantity, lot.value) == ("AAPL", 10, None)


def test_figures_of_one_row_that_contradict_each_other_are_told(tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text(LIST + "AAPL,,100,200,2000,15000,150\nMSFT,,10,400,4000,30000,300\nPENY,,10000,0.01,123,,\n")
    assert [str(warning) for warning in read_statement(file, None, {}).warnings] == [
        "list.csv:2: value: is 2000, and 100 at 200 make 20000: correct the one that is wrong, the value counts",
        "list.csv:3: cost: is 30000, and 10 at 300 make 3000: correct the one that is wrong, the cost counts",
    ]


def test_lists_that_would_double_an_account_are_refused(conn, tmp_path: Path):
    def write(name: str, rows: str, account: str = "X-1234") -> Path:
        file = tmp_path / name
        file.write_text("Account,Symbol,Quantity,Price\n" + "".join(f"{account},{row}\n" for row in rows.split()))
        return file

    first, again = write("a.csv", "AAPL,10,200"), write("a (1).csv", "AAPL,10,200")
    more, other = write("b.csv", "AAPL,12,200"), write("c.csv", "AAPL,10,200", "X-9876")
    options = StatementOptions(as_of=JUNE_20)
    with pytest.raises(BadInput, match=r"a \(1\).csv:1: file: says just what a.csv says: pass one of them"):
        load_broker(conn, [first, again], options)
    with pytest.raises(BadInput, match=r"b.csv:1: account: 'our own …1234' has AAPL in a.csv too: pass one list of"):
        load_broker(conn, [first, more], options)
    said = load_broker(conn, [first, other], StatementOptions(as_of=JUNE_20, portfolio="Both")).lines()
    assert conn.execute("select quantity from raw.positions").fetchall() == [(20,)]
    assert "  'Both' holds all of our own …1234, our own …9876" in said


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2025-06-02,BUY,AAPL,-10,200,,\n", "quantity: is -10, and a BUY brings shares in: leave a cancelled purchase"),
        ("2025-06-02,DEPOSIT,,,,-500,\n", "amount: is -500, and a DEPOSIT brings money in: write it as a WITHDRAWAL"),
        ("02/06/2025,BUY,AAPL,10,200,,\n", "date: '02/06/2025' is not a date written YYYY-MM-DD"),
    ],
)
def test_a_line_that_would_move_the_other_way(tmp_path: Path, row: str, problem: str):
    assert str(told(tmp_path, OWN + row).csv.problems[0]).startswith(f"file.csv:2: {problem}")


def test_dates_of_another_country_in_a_known_layout(tmp_path: Path):
    header = '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
    [problem] = told(tmp_path, header + '"25/06/2025","Buy","AAPL","APPLE","10","$2.00","","-$20.00"\n').csv.problems
    assert str(problem) == (
        "file.csv:2: date: '25/06/2025' begins with the day, and this layout's dates with the month: write all of the"
        " file as YYYY-MM-DD"
    )


def test_numbers_that_may_be_thousands_or_fractions(tmp_path: Path):
    content = (OWN + "2025-06-02,BUY,AAPL,1~500,200,,\n").replace(",", ";").replace("~", ",")
    assert [str(problem) for problem in told(tmp_path, content).csv.problems] == [
        "file.csv:1: file: '1,500' may be 1500 or 1.500: write numbers without thousands commas"
    ]
    [line] = told(tmp_path, content.replace("200;", "200,50;")).lines
    assert (line.quantity, line.price) == (Decimal("1.5"), Decimal("200.5"))


def test_a_header_told_again_is_no_row(tmp_path: Path):
    row = "2025-06-02,BUY,AAPL,10,200,,\n"
    read = told(tmp_path, OWN + row + OWN + row)
    assert len(read.lines) == 2
    assert read.csv.notes == ["file.csv: line 3: the header once more, left out"]


def test_a_sale_that_finds_too_little_is_told(conn, tmp_path: Path):
    file = tmp_path / "june.csv"
    file.write_text(OWN + "2025-06-02,DEPOSIT,,,,9000,\n2025-06-02,BUY,AAPL,10,200,,\n2025-06-03,SELL,AAPL,25,210,,\n")
    said = load_transactions(conn, [file], TransactionOptions(portfolio="P")).lines()
    assert any(
        "june.csv:4: quantity: SELL of 25 AAPL finds 10: the rest is left out; enter what came" in s for s in said
    )
    with pytest.raises(BadInput, match="finds 10"):
        load_transactions(conn, [file], TransactionOptions(portfolio="P", strict=True))
    # a split that is known gives the shares
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
        " values ('AAPL', '2025-06-03', 'SPLIT', 4, 'test')"
    )
    assert load_transactions(conn, [file], TransactionOptions(portfolio="P", strict=True))


def test_months_that_are_added_keep_the_month_between(conn, tmp_path: Path):
    def write(month: str, rows: str = "") -> Path:
        file = tmp_path / f"{month}.csv"
        file.write_text(OWN + f"2025-{month}-03,BUY,AAPL,10,200,,\n" + rows)
        return file

    one, two, three, four = (write(month) for month in ("01", "02", "03", "04"))
    load_transactions(conn, [one, three], TransactionOptions(portfolio="P"))
    load_transactions(conn, [two, four], TransactionOptions(portfolio="P", keep=True))
    assert conn.execute("select count(*) from raw.transactions").fetchone() == (4,)
    # what a file leaves out is reported
    said = load_transactions(conn, [one], TransactionOptions(portfolio="P")).lines()
    assert any("01.csv:1: file: 3 transactions that were loaded before" in line for line in said)


SCHWAB = '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'


@pytest.mark.parametrize(
    ("split", "close", "quantity", "kind"),
    [
        # 101 shares after 3 for 2 are 151.5: the half share was sold
        ("1.5", 80, "0.5", "SELL"),
        ("1.5", None, "0.5", "SELL"),
        # at twice its price it was no half share
        ("1.5", 40, None, "INTEREST"),
        # nobody knows the split yet
        (None, 80, None, "INTEREST"),
    ],
)
def test_cash_in_lieu_sells_the_fraction(conn, tmp_path: Path, split, close, quantity, kind):
    file = tmp_path / "schwab.csv"
    file.write_text(
        SCHWAB
        + '"06/16/2025","Cash In Lieu","AAPL","APPLE INC","","","","$40.00"\n'
        + '"06/02/2025","Buy","AAPL","APPLE INC","101","$120.00","","-$12,120.00"\n'
    )
    if split:
        conn.execute(
            "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
            " values ('AAPL', '2025-06-12', 'SPLIT', %s, 'test')",
            [split],
        )
    if close:
        conn.execute(
            "insert into raw.market_data_cache (symbol, price_date, open, high, low, close, volume, source)"
            " values ('AAPL', '2025-06-13', %(c)s, %(c)s, %(c)s, %(c)s, 1, 'test')",
            {"c": close},
        )
    report = load_transactions(conn, [file], TransactionOptions(portfolio="P", equity=Decimal(20_000)))
    told_of_it = [note for note in report.notes if "in lieu" in note]
    assert conn.execute(
        "select transaction_type, quantity, cash from raw.transactions where trade_date = '2025-06-16'"
    ).fetchone() == (kind, quantity and Decimal(quantity), 40)
    assert len(told_of_it) == 1
    assert told_of_it[0].startswith("warning: schwab.csv:2: quantity: 40 in lieu") == (kind == "INTEREST")
    assert load_transactions(conn, [file], TransactionOptions(portfolio="P")).changed == 0
