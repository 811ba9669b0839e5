"""Position files: the columns of a lot, and the rules for its cells together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from ingest.books.cells import (
    LIMIT,
    one_of,
    parse_date,
    parse_non_negative,
    parse_non_zero,
    parse_number,
    parse_positive,
    parse_text,
    plain,
    shown,
)
from ingest.books.csv_files import Column, CsvFile, Row, read_csv
from ingest.books.instruments import is_cash, read_instrument, read_option
from ingest.symbols import OptionContract, canonical_symbol, format_option_symbol, option_root, parse_option_symbol

CONTRACT_SIZE = 100
_SATURDAY = 5
_DECIMALS = Decimal(1).scaleb(-10)

_COMPACT_DATE = re.compile(r"([0-9]{4})/?([0-9]{2})/?([0-9]{2})")
# Columns of other programs that would change the meaning of a row, and the texts that they may have.
_SAYS_CURRENCY = frozenset({"currency", "ccy", "currency code"})
_SAYS_SIDE = frozenset(
    {"side", "long/short", "direction", "position type", "transaction type", "type", "action", "buy/sell", "event"}
)
_SHORT = frozenset({"short", "s", "sell short", "sold short", "short position"})
_TRADE = frozenset({"sell", "sold", "sale", "cover", "dividend", "deposit", "withdrawal", "split", "fee", "interest"})


def _parse_entry_date(text: str) -> date:
    """Read a date, also as 20240102 or 2024/01/02, which have a single meaning."""
    compact = _COMPACT_DATE.fullmatch(text)
    return parse_date("-".join(compact.groups()) if compact else text)


PORTFOLIO = Column("portfolio", parse_text)
POSITION_COLUMNS = (
    Column("Symbol", parse_text, optional=True, aliases=("Ticker", "Stock Symbol", "Instrument")),
    Column(
        "Quantity", parse_non_zero, aliases=("Qty", "Shares", "Units", "Qty (Quantity)", "Position", "Number of Shares")
    ),
    Column(
        "Entry Price Per Share",
        parse_non_negative,
        optional=True,
        stand_in="Total Cost",
        aliases=(
            "Entry Price",
            "Average Cost Basis",
            "Avg Cost Basis",
            "Average Cost",
            "Avg Cost",
            "Average Price",
            "Avg Price",
            "Cost Per Share",
            "Cost/Share",
            "Unit Cost",
            "Cost Price",
            "CostBasisPrice",
            "Cost Basis Per Share",
            "Purchase Price",
            "Price Paid",
            "Buy Price",
        ),
    ),
    Column(
        "Total Cost",
        parse_number,
        required=False,
        optional=True,
        aliases=(
            "Cost Basis Total",
            "Total Cost Basis",
            "Cost Basis",
            "CostBasisMoney",
            "Cost",
            "Book Cost",
            "Book Value",
            "Amount Invested",
        ),
    ),
    Column(
        "Entry Date",
        _parse_entry_date,
        aliases=("Purchase Date", "Date Acquired", "Acquired", "Open Date", "Trade Date", "Date Purchased", "Buy Date"),
    ),
    Column("Investment Class", one_of("PUBLIC", "OPTIONS", "PRIVATE"), required=False, optional=True),
    Column("Investment Subtype", parse_text, required=False, optional=True),
    Column("Underlying Symbol", canonical_symbol, required=False, optional=True),
    Column("Strike Price", parse_positive, required=False, optional=True),
    Column("Expiration Date", parse_date, required=False, optional=True),
    Column("Option Type", one_of("CALL", "PUT"), required=False, optional=True),
    Column("Exit Date", parse_date, required=False, optional=True),
    Column("Exit Price Per Share", parse_non_negative, required=False, optional=True),
)
# In the order of the fields of OptionContract.
_OPTION_COLUMNS = ("Underlying Symbol", "Option Type", "Strike Price", "Expiration Date")
_EXIT_COLUMNS = ("Exit Date", "Exit Price Per Share")


@dataclass(frozen=True, slots=True)
class Lot:
    """A row of a position file: one lot, as raw.positions holds it. `quantity` is signed, prices are USD a share."""

    portfolio: str
    symbol: str
    entry_date: date
    quantity: Decimal
    entry_price: Decimal
    exit_date: date | None
    exit_price: Decimal | None
    contract: OptionContract | None
    investment_class: str
    investment_subtype: str | None
    # the day at whose close a lot of a statement joins; None for any other
    joins_on: date | None = None
    # its line in the file
    line: int = 1

    @property
    def position_type(self) -> str:
        """LONG or SHORT; for an option L or S with C or P: LC, LP, SC, SP."""
        if self.contract is None:
            return "LONG" if self.quantity > 0 else "SHORT"
        return ("L" if self.quantity > 0 else "S") + self.contract.option_type[0]


@dataclass(slots=True)
class PositionFile:
    """A position file: its valid lots, and the keys of its other rows.

    `unsound` holds (portfolio, symbol, entry date) of invalid rows, with None for cells that could not be read. A close
    that names such a lot is not reported as a second problem.
    """

    csv: CsvFile
    lots: list[Lot] = field(default_factory=list)
    unsound: set[tuple[str | None, str | None, date | None]] = field(default_factory=set)

    @property
    def portfolios(self) -> set[str]:
        """The portfolios that the file names."""
        return {row.cells["portfolio"] for row in self.csv.rows} - {None}


def read_positions(path: Path) -> PositionFile:
    """Read the positions of several portfolios, named in the column `portfolio`."""
    return _judge(read_csv(path, path.name, (PORTFOLIO, *POSITION_COLUMNS), lenient=True))


def read_positions_of(path: Path, portfolio: str) -> PositionFile:
    """Read one brokerage-style position file, whose rows all belong to `portfolio`."""
    csv = read_csv(path, path.name, POSITION_COLUMNS, lenient=True)
    for row in csv.rows:
        row.cells["portfolio"] = portfolio
    return _judge(csv)


def _judge(read: CsvFile) -> PositionFile:
    positions = PositionFile(read)
    first_lines: dict[tuple, int] = {}
    sides: dict[tuple, bool] = {}
    money: list[str] = []
    for row in read.rows:
        if _is_money(row):
            money.append(f"{row.cells['Symbol']} {row.cells['Quantity']:,.2f} (line {row.line})")
            continue
        problems_before = len(read.problems)
        lot = _read_lot(row, read)
        key = (row.cells["portfolio"], lot.symbol if lot else _readable_symbol(row), row.cells["Entry Date"])
        first = row.line if None in key else first_lines.setdefault(key, row.line)
        sides.setdefault(key, (row.cells["Quantity"] or 0) < 0)
        if first != row.line:
            what = f"a second lot of {key[1]} entered {key[2]} in {shown(key[0])} (the first is on line {first})"
            is_short = (row.cells["Quantity"] or 0) < 0
            cure = "merge them"
            if sides.setdefault(key, is_short) != is_short:
                cure += ", or load a purchase and a short sale of one day as transactions (load transactions --help)"
            read.report(row.line, "Symbol", f"{what}: {cure}")
        if lot and len(read.problems) == problems_before:
            positions.lots.append(lot)
        else:
            positions.unsound.add(key)
    if money:
        read.notes.append(f"{read.name}: cash is part of the starting equity and no position: {', '.join(money)}")
    return positions


def _is_money(row: Row) -> bool:
    """Whether a row is cash or a money-market fund, at 1 USD a unit; at another price it is a share of that name."""
    cells = row.cells
    return (
        not row.bad
        and bool(cells["Symbol"])
        and cells["Investment Class"] != "PRIVATE"
        and is_cash(cells["Symbol"])
        and _unit_cost(row) == 1
    )


def _unit_cost(row: Row) -> Decimal | None:
    """The cost of a share: from its own column, or from the total cost."""
    price, total, quantity = (row.cells[name] for name in ("Entry Price Per Share", "Total Cost", "Quantity"))
    if price is not None or total is None or not quantity:
        return price
    size = CONTRACT_SIZE if _is_option(row) else 1
    return (abs(total) / (abs(quantity) * size)).quantize(_DECIMALS)


def _is_option(row: Row) -> bool:
    if row.cells["Investment Class"] == "OPTIONS" or row.cells["Strike Price"] is not None:
        return True
    try:
        return bool(row.cells["Symbol"]) and read_option(row.cells["Symbol"]) is not None
    except ValueError:
        return False


def _check_other_columns(row: Row, read: CsvFile) -> None:
    """Report an ignored column whose cell would change the meaning of the row."""
    for written, text in row.others.items():
        name, word = written.strip().lower(), text.strip().lower()
        if name in _SAYS_CURRENCY and word != "usd":
            read.report(row.line, written, f"is {shown(text)}: only holdings in USD can be loaded, leave the row out")
        if name in _SAYS_SIDE and word in _SHORT and (row.cells["Quantity"] or 0) > 0:
            read.report(row.line, written, f"is {shown(text)}: write a short with a negative Quantity")
        if name in _SAYS_SIDE and word in _TRADE:
            what = f"is {shown(text)}, so these are trades and no lots"
            read.report(row.line, written, f"{what}: load the file with `load transactions`, or leave the row out")


def _readable_symbol(row: Row) -> str | None:
    """The symbol of an invalid row, as far as it can be read."""
    written = row.cells["Symbol"]
    if not written or row.cells["Investment Class"] == "PRIVATE":
        return written
    try:
        return read_instrument(written).symbol
    except ValueError:
        return None


def _read_lot(row: Row, read: CsvFile) -> Lot | None:
    """Check a row's cells together; report them and return None where they do not make a lot."""
    problems_before = len(read.problems)
    cells = row.cells
    is_private = cells["Investment Class"] == "PRIVATE"
    symbol: str | None = None
    contract: OptionContract | None = None
    if is_private:
        symbol = _private_symbol(row, read)
    elif row.bad.isdisjoint(("Symbol", "Investment Class")):
        symbol, contract = _listed_symbol(row, read)
    _check_exit(row, read)
    _check_other_columns(row, read)
    quantity, entry_price, total = cells["Quantity"], _unit_cost(row), cells["Total Cost"]
    if entry_price is None and row.bad.isdisjoint(("Entry Price Per Share", "Total Cost", "Quantity")):
        read.report(row.line, "Entry Price Per Share", "is empty: fill it in, or the column Total Cost")
    if entry_price is None or row.bad or len(read.problems) > problems_before:
        return None
    size = CONTRACT_SIZE if contract else 1
    if total is not None and abs(abs(total) - abs(quantity) * size * entry_price) > max(1, abs(total) / 100):
        told = (abs(total) / (abs(quantity) * size)).quantize(_DECIMALS)
        what = f"is {plain(abs(total))}, which is {plain(told)} a share, but the price says {plain(entry_price)}"
        hundredfold = " (a contract is 100 shares)" if contract else ""
        read.report(row.line, "Total Cost", f"{what}: correct the one that is wrong{hundredfold}")
        return None
    cost = abs(quantity) * entry_price * size
    if cost >= LIMIT:
        read.report(
            row.line, "Quantity", f"{plain(quantity)} at {plain(entry_price)} cost too much, 10^15 or more: correct one"
        )
        return None
    return Lot(
        portfolio=cells["portfolio"],
        symbol=symbol,
        entry_date=cells["Entry Date"],
        quantity=quantity,
        entry_price=entry_price,
        exit_date=cells["Exit Date"],
        exit_price=cells["Exit Price Per Share"],
        contract=contract,
        investment_class="PRIVATE" if is_private else "OPTIONS" if contract else "PUBLIC",
        investment_subtype=cells["Investment Subtype"],
        line=row.line,
    )


def _check_exit(row: Row, read: CsvFile) -> None:
    entry, leaving = row.cells["Entry Date"], row.cells["Exit Date"]
    empty = [column for column in _EXIT_COLUMNS if row.cells[column] is None and column not in row.bad]
    if len(empty) == 1:
        [filled] = set(_EXIT_COLUMNS).difference(empty)
        read.report(row.line, empty[0], f"is empty, but {filled} is not: give both or neither")
    if entry and leaving and leaving < entry:
        read.report(row.line, "Exit Date", f"{leaving} lies before the entry on {entry}: correct one of them")


def _private_symbol(row: Row, read: CsvFile) -> str | None:
    """Read the symbol of a PRIVATE holding: any text, kept as written."""
    if row.cells["Symbol"] is None and "Symbol" not in row.bad:
        read.report(row.line, "Symbol", "is empty: name the holding")
    for column in _OPTION_COLUMNS:
        if row.cells[column] is not None:
            read.report(row.line, column, "a PRIVATE holding has none: leave it empty")
    return row.cells["Symbol"]


def _listed_symbol(row: Row, read: CsvFile) -> tuple[str | None, OptionContract | None]:
    """Read a listed symbol and, where the symbol or the option columns describe an option, its contract."""
    cells = row.cells
    try:
        symbol = read_instrument(cells["Symbol"]).symbol if cells["Symbol"] else None
    except ValueError as error:
        read.report(row.line, "Symbol", str(error))
        return None, None
    contract = parse_option_symbol(symbol) if symbol else None
    filled = [column for column in _OPTION_COLUMNS if cells[column] is not None or column in row.bad]
    if contract:
        contract = _check_against_symbol(row, symbol, contract, read)
    elif filled or cells["Investment Class"] == "OPTIONS":
        contract = _contract_of_columns(row, filled, read)
        symbol = _symbol_of_contract(row, symbol, contract, read)
    elif not symbol:
        read.report(row.line, "Symbol", "is empty, and so are the option columns: name the holding")
    if contract and cells["Investment Class"] == "PUBLIC":
        read.report(row.line, "Investment Class", "is PUBLIC, but this is an option: write OPTIONS or leave it empty")
    entry = cells["Entry Date"]
    if contract and entry:
        column = "Expiration Date" if cells["Expiration Date"] else "Symbol"
        expiry = contract.expiration_date
        if expiry < entry:
            read.report(row.line, column, f"expires on {expiry}, before the entry on {entry}: correct one of them")
        elif _lie_in_one_weekend(entry, expiry):
            what = f"expires on {expiry}, in the same weekend as the entry on {entry}: no session lies between"
            read.report(row.line, column, f"{what}, correct one of them or leave the row out")
    return symbol, contract


def _lie_in_one_weekend(first: date, last: date) -> bool:
    return first.weekday() >= _SATURDAY and last - first < timedelta(days=2) and last.weekday() >= _SATURDAY


def _check_against_symbol(row: Row, symbol: str, contract: OptionContract, read: CsvFile) -> OptionContract:
    """Report each option column that contradicts the symbol.

    An underlying that fits the symbol's root is kept as written, because the root has lost its dots.
    """
    underlying = row.cells["Underlying Symbol"]
    if underlying and option_root(underlying) == option_root(contract.underlying_symbol):
        contract = replace(contract, underlying_symbol=underlying)
    of_symbol = (contract.underlying_symbol, contract.option_type, contract.strike_price, contract.expiration_date)
    for column, expected in zip(_OPTION_COLUMNS, of_symbol, strict=True):
        stated = row.cells[column]
        if stated is not None and stated != expected:
            read.report(
                row.line,
                column,
                f"is {_written(stated)}, but the symbol {symbol} says {_written(expected)}: correct one",
            )
    return contract


def _contract_of_columns(row: Row, filled: Sequence[str], read: CsvFile) -> OptionContract | None:
    """Read an option from its columns: all four are needed."""
    if not filled and row.cells["Symbol"]:
        what = f"{shown(row.cells['Symbol'])} is no option symbol, and the option columns are empty: fill them in"
        read.report(row.line, "Symbol", what)
        return None
    reason = f"{filled[0]} is filled" if filled else "its class is OPTIONS"
    for column in _OPTION_COLUMNS:
        if column not in filled:
            read.report(row.line, column, f"is empty, but this is an option ({reason}): fill it in")
    if len(filled) < len(_OPTION_COLUMNS) or not row.bad.isdisjoint(_OPTION_COLUMNS):
        return None
    return OptionContract(*(row.cells[column] for column in _OPTION_COLUMNS))


def _symbol_of_contract(row: Row, symbol: str | None, contract: OptionContract | None, read: CsvFile) -> str | None:
    """The OCC symbol of an option whose Symbol cell has another one, which would otherwise be priced as a share."""
    if not contract:
        return None
    try:
        option_symbol = format_option_symbol(contract)
    except ValueError as error:
        read.report(row.line, "Symbol", f"this option has no OCC symbol: {error}: correct it, or hold it as PRIVATE")
        return None
    if symbol:
        what = f"is {symbol}, but the option columns say {option_symbol}: write that, or leave it empty"
        read.report(row.line, "Symbol", what)
    return option_symbol


def _written(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
