"""Figures that can be read and hardly be true, and the spellings of instruments."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.entry_prices import find_odd_entries
from ingest.books.instruments import read_instrument
from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.portfolios import load_folder, load_positions_file
from warehouse.errors import BadInput
from warehouse.sessions import refresh_sessions


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def test_what_is_odd_is_warned_of_and_refused_by_strict(conn, tmp_path: Path):
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, low, high, close, source)"
        " values ('XOM', '2024-01-02', 100, 105, 104, 'test')"
    )
    folder = write(
        tmp_path,
        portfolios="name,starting_equity,inception_date\nX,1000,2024-01-02\n",
        positions="portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nX,XOM,10,9999,2024-01-02\n"
        "X,AAPL250620C200,1.5,2,2024-01-02\nX,LOT,100,0,2024-01-02\nX,LOT,100,0.01,2024-01-03\n",
        closes="portfolio,symbol,entry_date,trade_date,quantity_closed,close_price\nX,LOT,2024-01-02,2024-01-05,150,1\n",
    )
    with pytest.raises(BadInput) as refused:
        load_folder(conn, folder, strict=True)
    assert conn.execute("select count(*) from raw.positions").fetchone() == (0,)
    warnings = [line.removeprefix("  warning: ") for line in load_folder(conn, folder).lines() if "warning: " in line]
    assert str(refused.value).splitlines()[:-1] == warnings
    assert [warning.split(": ")[0:2] for warning in warnings[:5]] == [
        ["portfolios.csv:2", "starting_equity"],
        ["positions.csv:2", "Entry Price Per Share"],
        ["positions.csv:3", "Quantity"],
        ["positions.csv:4", "Entry Price Per Share"],
        ["closes.csv:2", "quantity_closed"],
    ]
    assert "9999 for XOM lies outside of 100 to 105 on 2024-01-02" in warnings[1]
    assert "give the lots of 2024-01-03 rows of their own" in warnings[4]


def test_entry_prices_are_compared_with_closes_from_a_day_on(conn, calendar_day: date, tmp_path: Path):
    refresh_sessions(conn, calendar_day)
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source)"
        " values ('XOM', '2024-01-02', 100, 'test'), ('XOM', '2024-01-05', 100, 'test')"
    )
    lots = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nX,XOM,1,40,2024-01-02\nX,XOM,1,300,2024-01-05\n"
    load_folder(
        conn,
        write(tmp_path, portfolios="name,starting_equity,inception_date\nX,1000,2024-01-02\n", positions=lots),
    )
    ((portfolio_id,),) = conn.execute("select portfolio_id from raw.portfolios").fetchall()
    found = {
        since: [odd.ratio for odd in find_odd_entries(conn, {portfolio_id: since})]
        for since in (date.min, date(2024, 1, 3), date(2024, 1, 5), date(2024, 1, 6))
    }
    assert list(found.values()) == [[Decimal("0.4"), 3], [3], [3], []]


def test_a_folder_of_transactions_needs_no_positions(conn, tmp_path: Path):
    folder = write(
        tmp_path,
        portfolios="name,starting_equity,inception_date,lot_matching\nT,0,2024-01-02,average\n",
        transactions="portfolio,date,type,symbol,quantity,price,amount,fees\nT,2024-01-02,DEPOSIT,,,,1000,\n"
        "T,2024-01-03,BUY,AAPL,2,100,,1\n",
    )
    load_folder(conn, folder)
    assert conn.execute("select lot_matching from raw.portfolios").fetchone() == ("average",)
    assert conn.execute("select transaction_type, cash from raw.transactions order by trade_date").fetchall() == [
        ("DEPOSIT", 1000),
        ("BUY", -201),
    ]
    write(folder, capital_flows="portfolio,date,type,amount\nT,2024-01-02,CONTRIBUTION,5\n")
    with pytest.raises(BadInput, match="its transactions have them as DEPOSIT and WITHDRAWAL"):
        load_folder(conn, folder)


def test_other_names_separators_and_columns(conn, tmp_path: Path):
    file = tmp_path / "lots.csv"
    file.write_text("Ticker;Qty;Average Cost Basis;Purchase Date;Mood\nBRK B;10,5;1.234,50;2024-01-02;fine\n")
    said = load_positions_file(conn, file, "Mine", Decimal(20_000)).lines()
    assert "  lots.csv is separated by semicolons, and its numbers have decimal commas" in said
    assert "  lots.csv: ignored columns: Mood" in said
    assert [
        (symbol, float(quantity), float(price))
        for symbol, quantity, price in conn.execute("select symbol, quantity, entry_price from raw.positions")
    ] == [("BRK.B", 10.5, 1234.5)]


def test_a_list_without_entry_dates_is_pointed_to_load_broker(conn, tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text("Symbol,Quantity,Average Cost\nAAPL,1,100\n")
    with pytest.raises(BadInput, match=r"load broker list\.csv --as-of DATE"):
        load_positions_file(conn, file, "Mine", Decimal(20_000))


@pytest.mark.parametrize(
    "written",
    [
        "AAPL250620C00200000", "O:AAPL250620C00200000", "AAPL  250620C00200000", "AAPL250620C200", " -AAPL250620C200",
        "AAPL 06/20/2025 200.00 C", "AAPL 6/20/2025 Call $200.00", "AAPL 20JUN25 200 C", "AAPL Jun 20 '25 $200 Call",
        "CALL (AAPL) APPLE INC JUN 20 25 $200 (100 SHS)", "AAPL--250620C00200000",
        "AAPL20250620C200", "AAPL20250620C00200000",
    ],
)  # fmt: skip
def test_each_spelling_of_an_option(written: str):
    assert read_instrument(written).symbol == "AAPL250620C00200000"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("US0378331005", "is an ISIN"),
        ("037833100", "is a CUSIP"),
        ("CASH", "is cash"),
        ("usd", "is cash"),
        ("SPAXX**", "is cash"),
        ("AAPL250620C0020000", "its strike cannot be read"),
        ("AAPL251320C200", "its expiration is no date"),
        ("AAPL_062025C200", "its date or strike cannot be read"),
        ("AAPL-20250620-C-200", "looks like an option"),
        ("AAPL6/20/25C200", "looks like an option"),
        ("US0378331006", "a security number, with a wrong check digit"),
        ("G0750C108", "is a CUSIP"),
        ("B0YQ5W0", "is a SEDOL"),
        ("BBG000B9XRY4", "is a FIGI"),
        ("20250620", "has no letter"),
        ("N/A", "is no symbol"),
        ("USD CASH", "is cash"),
        ("$CASH", "is cash"),
        ("EUR.USD", "is a pair of currencies"),
        ("ES=F", "is a future"),
    ],
)
def test_what_only_looks_like_a_share(written: str, said: str):
    with pytest.raises(ValueError, match=said):
        read_instrument(written)


@pytest.mark.parametrize("symbol", ["T1", "0700.HK", "BRK.B", "SYM0001", "C12", "^SPX", "BTC-USD", "CASHX", "ACWX"])
def test_what_may_be_a_share_is_one(symbol: str):
    assert read_instrument(symbol).symbol == symbol


def test_adjusted_options_are_told_beside_their_share(conn, tmp_path: Path):
    header = "Symbol,Quantity,Entry Price Per Share,Entry Date\n"
    file = tmp_path / "lots.csv"
    symbols = ("AAPL250620C200", "AAPL1", "MSFT1", "AAPL1250620C00200000", "S2250620C00200000")
    file.write_text(header + "".join(f"{symbol},1,5.5,2025-02-03\n" for symbol in symbols))
    said = load_positions_file(conn, file, "Mine", Decimal(20_000)).lines()
    assert [line.split(", which")[0] for line in said if "adjusted options" in line] == [
        "  warning: lots.csv:3: Symbol: AAPL1 looks like AAPL's adjusted options",
        "  warning: lots.csv:5: Symbol: AAPL1250620C00200000 looks like AAPL's adjusted options",
    ]


@pytest.mark.parametrize(
    ("contribution", "told"),
    [
        # equity of 100 shares at 100; of everything carried in; of neither
        (10_000, "what it was worth that day (10,000.00)"),
        (10_600, "what they were worth that day (10,600.00)"),
        (9_000, None),
    ],
)
def test_shares_carried_in_and_contributed_in_kind_too_are_told(conn, tmp_path: Path, contribution: int, told: str):
    """100 shares are held for 40 since 2015, and a contribution of a later day is what they were worth then."""
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source) values"
        " ('TRF', '2024-02-29', 99, 'test'), ('TRF', '2024-03-05', 100, 'test'), ('OTH', '2024-03-05', 60, 'test')"
    )
    folder = write(
        tmp_path,
        portfolios="name,starting_equity,inception_date\nK,11000,2024-03-01\n",
        positions="portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nK,OTH,10,50,2016-06-01\n"
        "K,TRF,100,40,2015-06-01\nK,TRF,7,100,2024-03-05\n",
        capital_flows=f"portfolio,date,type,amount\nK,2024-03-05,CONTRIBUTION,{contribution}\n",
    )
    warnings = [line for line in load_folder(conn, folder).lines() if "count twice" in line]
    if told is None:
        assert not warnings
        return
    [warning] = warnings
    assert told in warning
    assert "warning: positions.csv:" in warning
    assert "`load transactions`, with a TRANSFER_IN of " in warning
    with pytest.raises(BadInput, match="count twice"):
        load_folder(conn, folder, strict=True)


def test_a_fee_that_brings_money_is_told(conn, tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text("date,type,symbol,amount\n2025-06-02,DEPOSIT,,500\n2025-06-03,INTEREST,,-5\n2025-06-04,FEE,,12.5\n")
    said = load_transactions(conn, [file], TransactionOptions(portfolio="P")).lines()
    assert "  warning: t.csv:4: amount: 12.5 comes in by a FEE: write what it costs with a minus" in said
