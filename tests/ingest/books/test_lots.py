from datetime import date
from decimal import Decimal

import pytest

from ingest.books.lots import POSITION_COLUMNS, read_positions, read_positions_of
from ingest.symbols import OptionContract

COLUMNS = [column.name for column in POSITION_COLUMNS]
STOCK = {"Symbol": "AAPL", "Quantity": "100", "Entry Price Per Share": "150", "Entry Date": "2024-01-02"}
CALL = {
    **STOCK,
    "Symbol": "",
    "Underlying Symbol": "AAPL",
    "Strike Price": "200",
    "Option Type": "CALL",
    "Expiration Date": "2025-06-20",
}
CONTRACT = OptionContract("AAPL", "CALL", Decimal(200), date(2025, 6, 20))


def read(tmp_path, *rows: dict[str, str]):
    path = tmp_path / "lots.csv"
    lines = [",".join(row.get(column, "") for column in COLUMNS) for row in rows]
    path.write_text("\n".join([",".join(COLUMNS), *lines]))
    return read_positions_of(path, "Growth")


def lot(tmp_path, **changes: str):
    file = read(tmp_path, {**STOCK, **changes})
    assert not file.csv.problems
    return file.lots[0]


def problems(tmp_path, *rows: dict[str, str]) -> list[str]:
    return [str(problem).removeprefix("lots.csv:") for problem in read(tmp_path, *rows).csv.problems]


def test_a_stock(tmp_path):
    found = lot(tmp_path, Symbol="brk-b", Quantity="1,5".replace(",", "."))
    assert (found.symbol, found.quantity, found.position_type, found.investment_class) == (
        "BRK.B",
        Decimal("1.5"),
        "LONG",
        "PUBLIC",
    )
    assert (found.portfolio, found.entry_date, found.contract) == ("Growth", date(2024, 1, 2), None)


def test_the_four_columns_that_a_lot_needs(tmp_path):
    (tmp_path / "few.csv").write_text("Entry Date,Quantity,Symbol,Entry Price Per Share\n2024-01-02,(5),MSFT,$370\n")
    file = read_positions_of(tmp_path / "few.csv", "Growth")
    assert not file.csv.problems
    assert (file.lots[0].position_type, file.lots[0].quantity, file.lots[0].entry_price) == ("SHORT", -5, 370)


@pytest.mark.parametrize(
    ("quantity", "option_type", "position_type"),
    [("1", "CALL", "LC"), ("1", "put", "LP"), ("-1", "Call", "SC"), ("(1)", "PUT", "SP")],
)
def test_the_type_of_an_option(tmp_path, quantity, option_type, position_type):
    assert lot(tmp_path, **{**CALL, "Quantity": quantity, "Option Type": option_type}).position_type == position_type


@pytest.mark.parametrize("symbol", ["", "AAPL250620C00200000", "O:AAPL250620C00200000", "aapl  250620c00200000"])
@pytest.mark.parametrize("investment_class", ["", "OPTIONS", "options"])
def test_an_option_told_by_its_columns(tmp_path, symbol, investment_class):
    found = lot(tmp_path, **{**CALL, "Symbol": symbol, "Investment Class": investment_class})
    assert (found.symbol, found.contract, found.investment_class) == ("AAPL250620C00200000", CONTRACT, "OPTIONS")


def test_an_option_told_by_its_symbol(tmp_path):
    found = lot(tmp_path, Symbol="O:AAPL250620C00200000")
    assert (found.symbol, found.contract, found.investment_class) == ("AAPL250620C00200000", CONTRACT, "OPTIONS")


def test_an_option_told_by_both_in_part(tmp_path):
    found = lot(tmp_path, **{"Symbol": "AAPL250620C00200000", "Strike Price": "$200.00"})
    assert found.contract == CONTRACT


def test_the_underlying_that_is_given_wins_over_the_root_it_fits(tmp_path):
    found = lot(tmp_path, **{"Symbol": "HEIA250620C00200000", "Underlying Symbol": "HEI.A"})
    assert found.contract and found.contract.underlying_symbol == "HEI.A"


@pytest.mark.parametrize(
    "symbol", ["Acme Fund iv", "house", "3 Main St", "=A1", "AAPL250620C00200000", "it's; drop table"]
)
def test_a_private_symbol_is_kept_as_written(tmp_path, symbol):
    found = lot(tmp_path, **{"Symbol": symbol, "Investment Class": "Private", "Investment Subtype": "Real estate"})
    assert (found.symbol, found.investment_class, found.contract) == (symbol, "PRIVATE", None)
    assert found.investment_subtype == "Real estate"


def test_an_exit(tmp_path):
    found = lot(tmp_path, **{"Exit Date": "2024-01-02", "Exit Price Per Share": "0"})
    assert (found.exit_date, found.exit_price) == (date(2024, 1, 2), 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Symbol": ""}, ["Symbol: is empty, and so are the option columns: name the holding"]),
        (
            {"Symbol": "BRK BB"},
            ["Symbol: 'BRK BB' is not a symbol (letters, digits and . - ^ = / _, at most 32 of them)"],
        ),
        ({"Quantity": "0"}, ["Quantity: must not be zero: write how many it is, or leave the row out"]),
        ({"Quantity": "nan"}, ["Quantity: 'nan' is not a number: write it like 1234.50"]),
        (
            {"Entry Price Per Share": "-1"},
            ["Entry Price Per Share: must not be negative: -1: leave out the minus, or the row"],
        ),
        ({"Entry Date": ""}, ["Entry Date: is empty: fill it in, or leave the row out"]),
        (
            {"Quantity": "900000000000000", "Entry Price Per Share": "2"},
            ["Quantity: 900000000000000 at 2 cost too much, 10^15 or more: correct one"],
        ),
        ({"Investment Class": "STOCK"}, ["Investment Class: 'STOCK' is not one of PUBLIC, OPTIONS, PRIVATE"]),
        ({"Exit Date": "2024-01-05"}, ["Exit Price Per Share: is empty, but Exit Date is not: give both or neither"]),
        ({"Exit Price Per Share": "1"}, ["Exit Date: is empty, but Exit Price Per Share is not: give both or neither"]),
        (
            {"Exit Date": "2024-01-01", "Exit Price Per Share": "1"},
            ["Exit Date: 2024-01-01 lies before the entry on 2024-01-02: correct one of them"],
        ),
        # A bad cell is only one problem: the other half of the pair is there.
        (
            {"Exit Date": "soon", "Exit Price Per Share": "1"},
            ["Exit Date: 'soon' is not a date written YYYY-MM-DD"],
        ),
        ({"Investment Class": "PRIVATE", "Symbol": ""}, ["Symbol: is empty: name the holding"]),
        (
            {"Investment Class": "PRIVATE", "Strike Price": "5"},
            ["Strike Price: a PRIVATE holding has none: leave it empty"],
        ),
        (
            {"Investment Class": "OPTIONS"},
            ["Symbol: 'AAPL' is no option symbol, and the option columns are empty: fill them in"],
        ),
        (
            {"Investment Class": "OPTIONS", "Symbol": ""},
            [
                f"{column}: is empty, but this is an option (its class is OPTIONS): fill it in"
                for column in ("Underlying Symbol", "Option Type", "Strike Price", "Expiration Date")
            ],
        ),
        (
            {"Strike Price": "200"},
            [
                f"{column}: is empty, but this is an option (Strike Price is filled): fill it in"
                for column in ("Underlying Symbol", "Option Type", "Expiration Date")
            ],
        ),
        (
            {**CALL, "Strike Price": "0", "Option Type": "C"},
            [
                "Strike Price: must be above zero, not 0: correct it, or leave the row out",
                "Option Type: 'C' is not one of CALL, PUT",
            ],
        ),
        (
            {**CALL, "Symbol": "AAPL"},
            ["Symbol: is AAPL, but the option columns say AAPL250620C00200000: write that, or leave it empty"],
        ),
        (
            {**CALL, "Investment Class": "PUBLIC"},
            ["Investment Class: is PUBLIC, but this is an option: write OPTIONS or leave it empty"],
        ),
        (
            {**CALL, "Expiration Date": "2023-12-29"},
            ["Expiration Date: expires on 2023-12-29, before the entry on 2024-01-02: correct one of them"],
        ),
        (
            {"Symbol": "AAPL231229C00200000"},
            ["Symbol: expires on 2023-12-29, before the entry on 2024-01-02: correct one of them"],
        ),
        (
            {**CALL, "Entry Date": "2024-01-06", "Expiration Date": "2024-01-07"},
            [
                "Expiration Date: expires on 2024-01-07, in the same weekend as the entry on 2024-01-06: no session"
                " lies between, correct one of them or leave the row out"
            ],
        ),
        (
            {"Symbol": "AAPL250230C00200000"},
            ["Symbol: 'AAPL250230C00200000' has the form of an option symbol, but 250230 is no date"],
        ),
        (
            {**CALL, "Strike Price": "200.0005"},
            [
                "Symbol: this option has no OCC symbol: a strike of 200.0005 cannot be written in an option symbol:"
                " correct it, or hold it as PRIVATE"
            ],
        ),
        (
            {
                "Symbol": "AAPL250620C00200000",
                "Underlying Symbol": "MSFT",
                "Strike Price": "190",
                "Expiration Date": "2025-06-21",
                "Option Type": "PUT",
            },
            [
                "Underlying Symbol: is MSFT, but the symbol AAPL250620C00200000 says AAPL: correct one",
                "Option Type: is PUT, but the symbol AAPL250620C00200000 says CALL: correct one",
                "Strike Price: is 190, but the symbol AAPL250620C00200000 says 200: correct one",
                "Expiration Date: is 2025-06-21, but the symbol AAPL250620C00200000 says 2025-06-20: correct one",
            ],
        ),
        (
            {"Symbol": "B;AD", "Quantity": "x", "Entry Price Per Share": "y", "Entry Date": "z", "Exit Date": "w"},
            [
                "Quantity: 'x' is not a number: write it like 1234.50",
                "Entry Price Per Share: 'y' is not a number: write it like 1234.50",
                "Entry Date: 'z' is not a date written YYYY-MM-DD",
                "Exit Date: 'w' is not a date written YYYY-MM-DD",
                "Symbol: 'B;AD' is not a symbol (letters, digits and . - ^ = / _, at most 32 of them)",
                "Exit Price Per Share: is empty, but Exit Date is not: give both or neither",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_lot(tmp_path, changes, expected):
    assert problems(tmp_path, {**STOCK, **changes}) == [f"2: {each}" for each in expected]


@pytest.mark.parametrize(
    ("entered", "expires"),
    # a Friday to a Saturday, a Sunday to the Saturday after it, a Saturday to a Monday, one Friday
    [
        ("2024-01-05", "2024-01-06"),
        ("2024-01-07", "2024-01-13"),
        ("2024-01-06", "2024-01-08"),
        ("2024-01-05", "2024-01-05"),
    ],
)
def test_an_option_needs_no_more_than_one_weekday_to_live(tmp_path, entered, expires):
    found = lot(tmp_path, **{**CALL, "Entry Date": entered, "Expiration Date": expires})
    assert found.contract and found.contract.expiration_date == date.fromisoformat(expires)


@pytest.mark.parametrize(
    "second",
    [
        {},
        {"Symbol": "aapl", "Quantity": "-5"},
        {"Investment Class": "PRIVATE"},
        {"Quantity": "bad"},
    ],
)
def test_a_second_lot_of_a_day_is_to_be_merged(tmp_path, second):
    found = problems(tmp_path, STOCK, {**STOCK, "Entry Date": "2024-01-03"}, {**STOCK, **second})
    said = "4: Symbol: a second lot of AAPL entered 2024-01-02 in 'Growth' (the first is on line 2): merge them"
    other_side = ", or load a purchase and a short sale of one day as transactions (load transactions --help)"
    assert found[-1] == said + (other_side if second.get("Quantity") == "-5" else "")


def test_an_option_by_columns_and_by_symbol_is_one_lot(tmp_path):
    assert problems(tmp_path, CALL, {**STOCK, "Symbol": "AAPL250620C00200000"})[0].startswith("3: Symbol: a second lot")


def test_lots_of_several_portfolios(tmp_path):
    (tmp_path / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        "Growth,AAPL,1,1,2024-01-02\nIncome,AAPL,1,1,2024-01-02\n,AAPL,1,1,2024-01-02\nGrowth,x y,1,1,2024-01-02\n"
    )
    file = read_positions(tmp_path / "positions.csv")
    assert [lot.portfolio for lot in file.lots] == ["Growth", "Income"]
    assert file.portfolios == {"Growth", "Income"}
    assert [problem.line for problem in file.csv.problems] == [4, 5]
    assert file.unsound == {(None, "AAPL", date(2024, 1, 2)), ("Growth", None, date(2024, 1, 2))}


def test_a_position_file_has_no_column_portfolio(tmp_path):
    (tmp_path / "lots.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nA,B,1,1,2024-01-02\n"
    )
    assert [str(each) for each in read_positions_of(tmp_path / "lots.csv", "Growth").csv.problems] == [
        "lots.csv:1: portfolio: is not a column of this file: remove it, or give it the name of one"
    ]
