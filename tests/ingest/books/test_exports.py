"""Exports of brokers, recreated from their public layouts with invented contents: each is read as it is."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.layouts.activity import read_activity
from ingest.books.load_broker import StatementOptions, load_broker, read_statements
from ingest.books.load_transactions import TransactionOptions, load_transactions
from warehouse.errors import BadInput

EXPORTS = Path(__file__).parent / "exports"
JUNE_20 = date(2025, 6, 20)


@pytest.fixture
def symbols(tmp_path: Path) -> Path:
    """What an ISIN trades as."""
    file = tmp_path / "symbols.csv"
    file.write_text("US67059N1081,NTNX\n")
    return file


# name: day, account: (cash, {symbol: (quantity, cost a share, value)})
POSITIONS = {
    "fidelity_positions.csv": (
        JUNE_20,
        {
            "Individual …5678": (
                # pending amounts are cash that has been spent
                "1200.00",
                {"AAPL": (100, "150", "20000"), "AAPL270617C00200000": (-1, "6.9566", "-788")},
            ),
            "ROTH IRA …5432": (None, {"BRK.B": (50, None, "22500")}),
        },
    ),
    "schwab_positions.csv": (
        JUNE_20,
        {
            "Individual …475": (
                "5000",
                {"NVDA": (10, "111", "1400"), "AAPL270618C00200000": (2, "7.5", "2000")},
            )
        },
    ),
    "vanguard.csv": (None, {"Vanguard …5678": ("100", {"VTI": ("10.5", None, "3150")})}),
    "ibkr_activity_statement.csv": (
        JUNE_20,
        {
            "Interactive Brokers …4567": (
                "1796",
                {
                    "AAPL": (100, "150.01", "20000"),
                    "BRK.B": (10, "400", "4500"),
                    "AAPL270618C00200000": (-1, "8", "-1000"),
                },
            )
        },
    ),
    "ibkr_flex.xml": (
        JUNE_20,
        {
            "Interactive Brokers …4567": (
                "1796",
                {"AAPL": (100, "150.01", "20000"), "AAPL270618C00200000": (-1, "8", "-1000")},
            )
        },
    ),
    "ibkr_flex_positions.csv": (
        JUNE_20,
        {
            "Interactive Brokers …4567": (
                None,
                {"AAPL": (100, "150.01", "20000"), "AAPL270618C00200000": (-1, "8", "-1000")},
            )
        },
    ),
    "degiro_portfolio.csv": (None, {"": ("1079.92", {"NTNX": (20, None, "931.40")})}),
    "etrade_positions.csv": (
        JUNE_20,
        {
            "E*TRADE …6354": (
                "690.22",
                {"AAPL": (100, "140", "15000"), "AAPL270618C00200000": (-1, "2.75", "-210")},
            )
        },
    ),
    "merrill_holdings.csv": (
        JUNE_20,
        # value less gain, divided by the shares
        {"Roth IRA-Edge …9U23": ("774", {"ADBE": (254, "247.8684645669", "61135.26")})},
    ),
    # semicolons, decimal commas, other names for the columns, and one more column
    "own_columns.csv": (None, {"": ("500.25", {"AAPL": ("10.5", "150", "2100")})}),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_a_position_list_is_read_as_it_is(name: str, symbols: Path):
    [statement] = read_statements([EXPORTS / name], StatementOptions(symbols=symbols))
    day, accounts = POSITIONS[name]
    assert [str(problem) for problem in statement.problems] == []
    assert statement.as_of == day
    assert statement.accounts == list(accounts)
    for account, (cash, held) in accounts.items():
        assert statement.cash.get(account) == (None if cash is None else Decimal(cash))
        assert {
            lot.instrument.symbol: (lot.quantity, lot.unit_cost, lot.value)
            for lot in statement.lots
            if lot.account == account
        } == {
            symbol: (Decimal(quantity), None if cost is None else Decimal(cost), Decimal(value))
            for symbol, (quantity, cost, value) in held.items()
        }


ACTIVITY = {
    "fidelity_activity.csv": [
        ("DEPOSIT", None, None, 5000),
        ("BUY", "AAPL", 10, -1855),
        ("INTEREST", None, None, "0.75"),
        ("SHORT", "NVDA270618C00200000", 1, "892.32"),
    ],
    "schwab_transactions.csv": [
        ("DEPOSIT", None, None, 10000),
        ("BUY", "IREN", 11, -440),
        ("SHORT", "PLUG250606P00002000", 1, "19.34"),
        ("BUY", "PLUG", 100, -200),
        # the shares have a line of their own
        ("EXPIRE", "PLUG250606P00002000", 1, 0),
        ("SELL", "IREN", 5, "218.99"),
        ("BUY", "RCAX", 90, "-497.25"),
    ],
    "vanguard.csv": [
        ("DEPOSIT", None, None, 3200),
        ("BUY", "VTI", "10.5", -3045),
        ("INTEREST", None, None, "1.42"),
    ],
    "ibkr_activity_statement.csv": [
        ("DEPOSIT", None, None, 20000),
        ("INTEREST", None, None, -29),
        ("BUY", "AAPL", 100, -15001),
        ("BUY", "BRK.B", 10, -4000),
        ("SELL", "AAPL270618C00200000", 1, 800),
        ("DIVIDEND", "AAPL", None, 26),
    ],
    "ibkr_flex.xml": [("DEPOSIT", None, None, 20000), ("BUY", "AAPL", 100, -15001)],
    "robinhood_activity.csv": [
        ("DEPOSIT", None, None, 1500),
        ("BUY", "QQQ", "0.700889", -500),
        ("SHORT", "LULU250616C00310000", 2, "239.94"),
        ("DIVIDEND", "QQQ", None, "1.28"),
        ("BUY", "QQQ", "0.001791", "-1.28"),
        ("EXPIRE", "LULU250616C00310000", 2, 0),
    ],
    # 3 euros of fees at 1.1633
    "degiro_transactions.csv": [("BUY", "NTNX", 20, "-934.8899")],
    "etrade_transactions.csv": [
        ("DEPOSIT", None, None, 15000),
        ("DIVIDEND", "MSFT", None, "12.34"),
        ("BUY", "AMZN", 2, "-404.90"),
        ("SELL", "AMZN", 2, "402.19"),
    ],
    "merrill_activity.csv": [
        ("DEPOSIT", None, None, 5000),
        ("BUY", "ADBE", 10, -3900),
        ("INTEREST", None, None, "1.25"),
        ("SELL", "ADBE", 4, 1600),
    ],
}


@pytest.mark.parametrize("name", ACTIVITY)
def test_an_activity_list_becomes_transactions(name: str, symbols: Path):
    [file], _ = read_activity([EXPORTS / name], TransactionOptions(portfolio="P", symbols=symbols))
    assert [str(problem) for problem in file.csv.problems] == []
    assert [
        (line.type, line.instrument and line.instrument.symbol, line.quantity, line.cash) for line in file.lines
    ] == [
        (kind, symbol, None if quantity is None else Decimal(quantity), Decimal(cash))
        for kind, symbol, quantity, cash in ACTIVITY[name]
    ]


def test_an_accounts_number_is_stored_nowhere(conn, symbols: Path):
    for name in ("fidelity_positions.csv", "ibkr_activity_statement.csv", "merrill_holdings.csv"):
        said = load_broker(conn, [EXPORTS / name], StatementOptions(symbols=symbols)).lines()
        assert not any(number in "\n".join(said) for number in ("Z12345678", "238765432", "U1234567", "42X-49U23"))
    stored = conn.execute("select string_agg(name, ' ') from raw.portfolios").fetchone()[0]
    assert "…5678" in stored
    assert not any(number in stored for number in ("Z12345678", "238765432", "U1234567", "42X-49U23"))


def test_a_list_of_a_day_makes_a_portfolio_that_begins_at_its_close(conn):
    said = load_broker(conn, [EXPORTS / "schwab_positions.csv"], StatementOptions(portfolio="Mine")).lines()
    assert "  'Mine' begins at the close of 2025-06-20: 2 positions, cash 5,000.00, equity 8,400.00" in said
    assert conn.execute("select inception_date, starting_equity from raw.portfolios").fetchone() == (JUNE_20, 8400)
    assert conn.execute(
        "select symbol, quantity, entry_price, joins_on from raw.positions order by symbol desc"
    ).fetchall() == [("NVDA", 10, 111, JUNE_20), ("AAPL270618C00200000", 2, Decimal("7.5"), JUNE_20)]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("vanguard.csv", {}, "vanguard.csv:1: as-of: the file does not say of which day it is: pass --as-of DATE"),
        ("own_columns.csv", {"as_of": JUNE_20}, "own_columns.csv:1: portfolio: the file names no account"),
        (
            "degiro_portfolio.csv",
            {"as_of": JUNE_20},
            "'US67059N1081' (NUTANIX INC CLASS A) is its ISIN, not the symbol",
        ),
        ("robinhood_activity.csv", {}, "is a list of Robinhood activity, not of positions: load it with `load tran"),
        ("schwab_positions.csv", {"layout": "swab"}, "there is no layout 'swab': there are degiro, etrade"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_do(conn, name: str, options: dict, said: str):
    with pytest.raises(BadInput) as refused:
        load_broker(conn, [EXPORTS / name], StatementOptions(**options))
    assert said in str(refused.value)
    assert conn.execute("select count(*) from raw.portfolios").fetchone() == (0,)


def test_a_file_of_nobody_is_told_its_own_words(conn, tmp_path: Path):
    file = tmp_path / "odd.csv"
    file.write_text("Paper,Stück,Kurs\nAAPL,1,2\n")
    with pytest.raises(BadInput) as refused:
        load_broker(conn, [file], StatementOptions())
    assert "its columns (Paper, Stück, Kurs) are not those of any layout that is known" in str(refused.value)


def test_a_second_list_is_added_and_a_forgotten_past_refused(conn, tmp_path: Path):
    header = "portfolio,date,type,symbol,quantity,price,amount,fees\n"
    may, june = tmp_path / "may.csv", tmp_path / "june.csv"
    may.write_text(header + "P,2025-05-01,DEPOSIT,,,,5000,\nP,2025-05-02,BUY,AAPL,10,200,,\n")
    june.write_text(header + "P,2025-06-02,SELL,AAPL,5,210,,\n")
    load_transactions(conn, [may], TransactionOptions())
    with pytest.raises(BadInput, match=r"has 2 transactions from 2025-05-01 on.*pass --add to keep them"):
        load_transactions(conn, [june], TransactionOptions())
    load_transactions(conn, [june], TransactionOptions(keep=True))
    assert conn.execute("select count(*) from raw.transactions").fetchone() == (3,)
    said = load_transactions(conn, [june], TransactionOptions(keep=True)).lines()
    assert said[0].endswith("nothing has changed")


def test_lots_and_transactions_do_not_mix(conn, tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text("portfolio,date,type,symbol,quantity,price,amount,fees\nMine,2025-06-23,DEPOSIT,,,,5,\n")
    load_broker(conn, [EXPORTS / "schwab_positions.csv"], StatementOptions(portfolio="Mine"))
    with pytest.raises(BadInput, match=r"t\.csv:2: portfolio: 'Mine' has positions loaded as lots"):
        load_transactions(conn, [file], TransactionOptions())
    load_transactions(conn, [file], TransactionOptions(replace=True))
    assert conn.execute("select count(*) from raw.positions").fetchone() == (0,)


SCHWAB = '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
OWN = "date,type,symbol,quantity,price,amount,fees\n"


def read(tmp_path: Path, content: str, **options):
    file = tmp_path / "file.csv"
    file.write_text(content)
    [told], notes = read_activity([file], TransactionOptions(portfolio="P", **options))
    return told, notes


def test_a_cancelled_trade_goes_with_its_cancellation(tmp_path: Path):
    lines = (
        '"06/13/2025","Cancel Buy","AAPL","APPLE INC","-10","$185.50","","$1,855.00"\n'
        '"06/12/2025","Buy","AAPL","APPLE INC","10","$185.50","","-$1,855.00"\n'
        '"06/12/2025","Buy","AAPL","APPLE INC","10","$186.00","","-$1,860.00"\n'
    )
    told, notes = read(tmp_path, SCHWAB + lines)
    assert [(line.type, line.cash) for line in told.lines] == [("BUY", -1860)]
    assert "2 rows that cancel each other" in notes[-1]
    told, _ = read(tmp_path, SCHWAB + lines.splitlines()[0] + "\n")
    assert [str(problem) for problem in told.csv.problems] == [
        "file.csv:2: action: cancels a line of AAPL that the file does not have: load the list that has both, or"
        " --skip this one"
    ]


def test_events_move_nothing_and_are_told(conn, tmp_path: Path):
    told, _ = read(
        tmp_path,
        SCHWAB + '"06/13/2025","Spin-off","GEV","GE VERNOVA","2","","",""\n'
        '"06/13/2025","Journaled Shares","MSFT","MICROSOFT","12","","",""\n'
        '"06/12/2025","MoneyLink Transfer","","Tfr BANK","","","","$100.00"\n',
    )
    assert [line.type for line in told.lines] == ["DEPOSIT", "TRANSFER_IN"]
    assert [str(warning).split(": ")[:3] for warning in told.warnings] == [
        ["file.csv:2", "action", "Spin-off of GEV is left out"],
        ["file.csv:3", "price", "MSFT came without what it has cost"],
    ]
    assert "`actions add PARENT 2025-06-13 SPINOFF RATIO --new-symbol GEV`" in str(told.warnings[0])
    with pytest.raises(BadInput, match="Spin-off of GEV is left out"):
        load_transactions(conn, [tmp_path / "file.csv"], TransactionOptions(portfolio="P", strict=True))


FIDELITY = "Run Date,Action,Symbol,Description,Type,Quantity,Price ($),Commission ($),Fees ($),Amount ($)\n"
FIDELITY_EVENT = FIDELITY + "06/02/2025,Electronic Funds Transfer Received (Cash),,,Cash,0,,,,9\n06/13/2025,"
SCHWAB_EVENT = SCHWAB + '"06/02/2025","MoneyLink Transfer","","","","","","$9"\n"06/13/2025",'
IBKR_EVENT = (
    "Deposits & Withdrawals,Header,Currency,Settle Date,Description,Amount\n"
    "Deposits & Withdrawals,Data,USD,2025-06-02,Electronic Fund Transfer,9\n"
    "Corporate Actions,Header,Asset Category,Currency,Report Date,Date/Time,Description,Quantity,Proceeds,Value,"
    "Realized P/L,Code\nCorporate Actions,Data,Total,,,,,,542,280,0,\n"
    'Corporate Actions,Data,Stocks,USD,2025-06-13,"2025-06-12, 20:25:00",'
)
FLEX_EVENT = """<FlexQueryResponse><FlexStatements count="1"><FlexStatement accountId="U1234567">
<CashTransactions><CashTransaction accountId="U1234567" currency="USD" type="Deposits/Withdrawals" amount="9"
 dateTime="2025-06-02" levelOfDetail="DETAIL" description="in" /></CashTransactions>
<CorporateActions><CorporateAction accountId="U1234567" currency="USD" assetCategory="STK" symbol="VMW"
 description="VMW(US9285634021) MERGED(Acquisition) WITH US11135F1012 252 FOR 1000" reportDate="2025-06-13"
 dateTime="2025-06-12" quantity="-10" proceeds="0" type="TC" /></CorporateActions>
</FlexStatement></FlexStatements></FlexQueryResponse>
"""
ROBINHOOD_EVENT = (
    "Activity Date,Process Date,Settle Date,Instrument,Description,Trans Code,Quantity,Price,Amount\n"
    "6/2/2025,6/2/2025,6/2/2025,,ACH Deposit,ACH,,,$9.00\n6/13/2025,6/13/2025,6/13/2025,TWTR,Twitter,"
)
PAID, SWAPPED = "TWTR 2025-06-13 MERGER --cash-per-share 54.2", "VMW 2025-06-13 MERGER RATIO --new-symbol NEW"


@pytest.mark.parametrize(
    ("content", "event"),
    [
        (
            FIDELITY_EVENT + "MERGER MER PAYOUT #REORCM005159 TWITTER (TWTR) (Cash),TWTR,,Cash,-10,,,,542\n",
            PAID,
        ),
        (
            FIDELITY_EVENT + "MERGER MER FROM 928563402#REOR M00516 (AVGO) (Cash),AVGO,,Cash,2.52,,,,\n",
            "OLD 2025-06-13 MERGER RATIO --new-symbol AVGO",
        ),
        (
            FIDELITY_EVENT + "DISTRIBUTION GE VERNOVA INC (GEV) (Cash),GEV,GE VERNOVA INC,Cash,2,,,,\n",
            "PARENT 2025-06-13 SPINOFF RATIO --new-symbol GEV",
        ),
        (
            FIDELITY_EVENT + "NAME CHANGED TO META PLATFORMS (META) (Cash),META,META PLATFORMS,Cash,10,,,,\n",
            "OLD 2025-06-13 RENAME --new-symbol META",
        ),
        (SCHWAB_EVENT + '"Cash Merger","TWTR","TWITTER INC","-10","","","$542.00"\n', PAID),
        (SCHWAB_EVENT + '"Stock Merger","VMW","VMWARE","-10","","",""\n', SWAPPED),
        (
            SCHWAB_EVENT + '"Name Change","FB","FACEBOOK","-10","","",""\n',
            "FB 2025-06-13 RENAME --new-symbol NEW",
        ),
        (
            IBKR_EVENT + '"GEV(US36828A1016) Spinoff 1 for 4 (GEV, GE VERNOVA INC, US36828A1016)",2,0,280,0,\n',
            "PARENT 2025-06-13 SPINOFF RATIO --new-symbol GEV",
        ),
        (IBKR_EVENT + '"TWTR(US90184L1026) Merged(Acquisition) FOR USD 54.20 PER SHARE",-10,542,0,0,\n', PAID),
        (
            IBKR_EVENT + '"FB(US30303M1027) CUSIP/ISIN Change to (US30303M1028)",-10,0,0,0,\n',
            "FB 2025-06-13 RENAME --new-symbol NEW",
        ),
        (FLEX_EVENT, SWAPPED),
        (ROBINHOOD_EVENT + "MRGC,10S,,$542.00\n", PAID),
        (ROBINHOOD_EVENT + "SOFF,2,,\n", "PARENT 2025-06-13 SPINOFF RATIO --new-symbol TWTR"),
    ],
)
def test_what_a_company_does_is_no_trade_and_told_with_its_event(tmp_path: Path, content: str, event: str):
    told, _ = read(tmp_path, content)
    assert not told.csv.problems
    assert [line.type for line in told.lines] == ["DEPOSIT"]
    [warning] = map(str, told.warnings)
    assert f"if no source reports it, `actions add {event}`" in warning


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("YOU BOUGHT DISCOVER FINANCIAL SERVICES (DFS) (Cash)", "BUY"),
        ("YOU BOUGHT CLOSING TRANSACTION CALL (DFS) (Margin)", "COVER"),
        ("YOU BOUGHT SHORT COVER DFS (Short)", "COVER"),
        ("YOU SOLD ISHARES SHORT TREASURY BOND ETF (DFS) (Cash)", "SELL"),
        ("YOU SOLD SHORT SALE (DFS) (Short)", "SHORT"),
        ("YOU SOLD OPENING TRANSACTION (DFS) (Margin)", "SHORT"),
        ("DIVIDEND RECEIVED FIDELITY TAX FREE BOND FUND (DFS) (Cash)", "DIVIDEND"),
        ("FOREIGN TAX PAID DFS (DFS) (Cash)", "TAX"),
    ],
)
def test_the_name_of_a_security_is_no_part_of_fidelitys_action(tmp_path: Path, action: str, kind: str):
    figures = "10,20,,,200.00" if kind in ("BUY", "SELL", "SHORT", "COVER") else ",,,,200.00"
    told, _ = read(tmp_path, FIDELITY + f"06/13/2025,{action},DFS,DFS,Cash,{figures}\n")
    assert [line.type for line in told.lines] == [kind]


def test_fees_in_their_column_rebates_and_sales_below_their_fees(tmp_path: Path):
    told, _ = read(tmp_path, OWN + "2025-06-02,FEE,,,,,12.5\n2025-06-03,SELL,AAPL,1,0.05,-4.95,5\n")
    assert [(line.type, line.cash) for line in told.lines] == [("FEE", Decimal("-12.5")), ("SELL", Decimal("-4.95"))]
    told, _ = read(
        tmp_path,
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Proceeds,Comm/Fee\n"
        'Trades,Data,Order,Stocks,USD,AAPL,"2025-06-10, 10:31:02",100,150,-15000,0.25\n'
        'Trades,Data,Order,Stocks,USD,MSFT,"2025-06-10, 10:31:02",10,400,-4000,-1\n',
    )
    assert [(line.fees, line.cash) for line in told.lines] == [(0, Decimal("-14999.75")), (1, -4001)]


def test_exports_that_overlap_count_once(conn, tmp_path: Path):
    may, june = tmp_path / "may.csv", tmp_path / "june.csv"
    fill = "2025-05-30,BUY,AAPL,10,200,,\n"
    may.write_text(OWN + "2025-05-01,DEPOSIT,,,,9000,\n" + 2 * fill)
    june.write_text(OWN + 2 * fill + "2025-06-02,BUY,AAPL,10,201,,\n")
    said = load_transactions(conn, [may, june], TransactionOptions(portfolio="P")).lines()
    assert conn.execute("select count(*) from raw.transactions").fetchone() == (4,)
    assert "  june.csv: 2 lines are in an earlier file too, and count once" in said


def test_dates_that_may_be_either_are_refused(tmp_path: Path):
    header = "Date,Action,Ticker,Shares,Price\n"
    told, _ = read(tmp_path, header + "06/03/2025,Buy,AAPL,10,200\n")
    assert "'06/03/2025' may begin with the day or the month: write it as YYYY-MM-DD" in str(told.csv.problems[0])
    told, _ = read(tmp_path, header + "06/03/2025,Buy,AAPL,10,200\n20/03/2025,Buy,AAPL,10,200\n")
    assert [str(line.trade_date) for line in told.lines] == ["2025-03-06", "2025-03-20"]


def positions(tmp_path: Path, content: str, **options):
    file = tmp_path / "list.csv"
    file.write_text(content)
    [statement] = read_statements([file], StatementOptions(**options))
    return statement


def test_a_cost_is_of_a_share_or_of_all_as_the_prices_say(tmp_path: Path):
    header = "Symbol,Price,Shares,Cost\n"
    for lines, of_what in (
        ("AAPL,200,10,150\nMSFT,400,2,380\n", "a share"),
        ("AAPL,200,10,1500\nMSFT,400,2,760\n", "the whole position"),
    ):
        read = positions(tmp_path, header + lines)
        assert [lot.unit_cost for lot in read.lots] == [150, 380]
        assert f"list.csv: Cost is read as the cost of {of_what}" in read.notes


def test_sides_currencies_and_rows_to_skip(tmp_path: Path):
    header = "Symbol,Quantity,Price,Side,Currency\n"
    assert [lot.quantity for lot in positions(tmp_path, header + "AAPL,10,200,Short,USD\n").lots] == [-10]
    read = positions(tmp_path, header + "AAPL,10,200,Sell,USD\nASML,5,650,Long,EUR\n")
    assert [str(problem) for problem in read.problems] == [
        "list.csv:2: side: is 'Sell', so these are trades: load the file with `load transactions`",
        "list.csv:3: currency: 'ASML' is held in EUR: only holdings in USD can be loaded, leave it out with --skip"
        " 'ASML'",
    ]
    read = positions(tmp_path, header + "AAPL,10,200,Long,USD\nASML,5,650,Long,EUR\n", skip=("ASML",))
    assert (read.problems, [lot.instrument.symbol for lot in read.lots]) == ([], ["AAPL"])
    assert "1 rows by --skip" in read.notes[-1]


def test_the_list_of_a_weekend_shows_fridays_close_and_other_prices_are_told(conn, tmp_path: Path):
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source) values ('AAPL', '2025-06-20', 203, 'x')"
    )
    file = tmp_path / "list.csv"
    file.write_text("Symbol,Quantity,Price\nAAPL,10,200\nCash,100,1\n")
    said = load_broker(conn, [file], StatementOptions(portfolio="P", as_of=date(2025, 6, 22))).lines()
    assert "  list.csv: 2025-06-22 is no session, so the list shows the close of 2025-06-20" in said
    assert any("AAPL is 200 in the list and closed at 203: 30.00 would be missing in cash" in line for line in said)
    assert conn.execute("select distinct joins_on from raw.positions").fetchall() == [(JUNE_20,)]


def test_a_total_that_the_rows_do_not_make_is_told(tmp_path: Path):
    content = (EXPORTS / "schwab_positions.csv").read_text()
    assert positions(tmp_path, content).warnings == []
    line = next(line for line in content.splitlines(keepends=True) if line.startswith('"NVDA"'))
    [warning] = positions(tmp_path, content.replace(line, "")).warnings
    assert "total: the file's total is 8,400.00, and its rows make 7,000.00" in str(warning)


def test_a_later_list_begins_the_portfolio_anew_and_says_so(conn, tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text("Symbol,Quantity,Price\nAAPL,10,200\n")
    load_broker(conn, [file], StatementOptions(portfolio="P", as_of=JUNE_20))
    later = StatementOptions(portfolio="P", as_of=date(2025, 7, 18), strict=True)
    with pytest.raises(BadInput, match="'P' began on 2025-06-20 and now begins on 2025-07-18: to keep it"):
        load_broker(conn, [file], later)
    assert conn.execute("select inception_date from raw.portfolios").fetchone() == (JUNE_20,)


def test_an_equity_is_of_one_portfolio(conn, symbols: Path):
    options = StatementOptions(symbols=symbols, equity=Decimal(5))
    with pytest.raises(BadInput, match="--equity is of one portfolio, and the list has 2 accounts"):
        load_broker(conn, [EXPORTS / "fidelity_positions.csv"], options)


def test_lots_onto_transactions_are_refused_without_a_cure_that_is_none(conn, tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text(OWN + "2025-06-02,DEPOSIT,,,,5,\n")
    load_transactions(conn, [file], TransactionOptions(portfolio="P"))
    said = r"^schwab_positions\.csv:1: portfolio: 'P' has transactions loaded, and .*: choose another name\n"
    with pytest.raises(BadInput, match=said) as refused:
        load_broker(conn, [EXPORTS / "schwab_positions.csv"], StatementOptions(portfolio="P"))
    assert "--replace" not in str(refused.value)
