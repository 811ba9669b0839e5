"""Position lists of brokers: what was held on a day, at what it has cost, and the cash beside it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from ingest.books.cells import plain, shown
from ingest.books.csv_files import FileProblem
from ingest.books.instruments import Instrument, is_cash, read_instrument, read_option, security_number
from ingest.books.layouts.layout import CASH, POSITIONS, TableLayout, recognise
from ingest.books.layouts.rows import TableReading, account_of, rows_of_table
from ingest.books.layouts.tables import Table, read_raw
from ingest.books.layouts.values import read_day
from ingest.books.lots import CONTRACT_SIZE

_SHORT_SIDES = frozenset({"short", "s", "sell short", "sold short"})
_TRADES = frozenset({"sell", "sold", "sale", "cover", "dividend", "deposit", "withdrawal", "split", "fee", "interest"})
_DOLLAR = Decimal(1)
# How far a cost or value may lie from price times quantity.
_NEARLY = Decimal("0.01")
_DECIMALS = Decimal(1).scaleb(-10)


@dataclass(frozen=True, slots=True)
class StatedLot:
    """A row of a position list: signed quantity, cost and price a share, and its value in USD as the list says."""

    line: int
    account: str
    instrument: Instrument
    quantity: Decimal
    unit_cost: Decimal | None
    price: Decimal | None
    value: Decimal | None
    entry_date: date | None = None

    @property
    def multiplier(self) -> int:
        """Shares per unit."""
        return CONTRACT_SIZE if self.instrument.contract else 1


@dataclass(slots=True)
class BrokerStatement:
    """A position list: its date, its lots, and the cash of each account; with problems, it is of no use."""

    file: str
    layout: str
    as_of: date | None = None
    lots: list[StatedLot] = field(default_factory=list)
    cash: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    problems: list[FileProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # oddities, and what is left out; the list is loaded all the same
    warnings: list[FileProblem] = field(default_factory=list)

    @property
    def accounts(self) -> list[str]:
        """The accounts that the list names, in its order."""
        return list(dict.fromkeys([*(lot.account for lot in self.lots), *self.cash]))


def read_statement(
    path: Path, layout: str | None, symbols: Mapping[str, str], skip: Sequence[str] = ()
) -> BrokerStatement:
    """Read a position list. Never raises for what is in the file: look at `problems`.

    Args:
        path: the file.
        layout: the name of its layout; None to recognise it.
        symbols: what a security number or a name of the file trades as.
        skip: texts of rows to leave out.
    """
    statement = BrokerStatement(path.name, layout or "")
    try:
        raw = read_raw(path)
    except (OSError, ValueError) as error:
        what = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        statement.problems.append(FileProblem(path.name, 1, "file", what))
        return statement
    recognised = recognise(raw, layout, POSITIONS)
    if isinstance(recognised, FileProblem):
        statement.problems.append(recognised)
        return statement
    reading = TableReading(recognised, statement.problems, Counter())
    statement.layout = recognised.layout.name
    dates: list[date] = []
    for table_layout, table in recognised.tables:
        if table_layout.kind == CASH:
            _read_cash(table_layout, table, reading, statement)
        elif table_layout.kind == POSITIONS:
            rows = [
                row
                for row in rows_of_table(table_layout, table, reading)
                if not reading.is_skipped((row[1].get("symbol", ""), row[1].get("description", "")), skip)
            ]
            _settle_costs(rows, table_layout, table, reading, statement)
            lots_before, cash_before = len(statement.lots), sum(statement.cash.values(), Decimal(0))
            for line, cells, is_money in rows:
                account = account_of(cells, table, recognised)
                if cells.get("as_of"):
                    day = reading.day(cells, line, "as_of")
                    dates += [day] if day else []
                _read_row(line, cells, account, is_money, reading, statement, symbols)
            values = [lot.value for lot in statement.lots[lots_before:]]
            cash = sum(statement.cash.values(), Decimal(0)) - cash_before
            if not skip and None not in values:
                _check_total(sum(filter(None, values), Decimal(0)), cash, reading)
    for pattern in recognised.layout.as_of:
        found = pattern.search(raw.text)
        if found:
            try:
                day = read_day(found.group(1), day_first=reading.day_first)
            except ValueError:
                continue
            dates += [day] if day else []
            break
    statement.as_of = max(dates, default=None)
    if not statement.lots and not statement.cash and not statement.problems:
        reading.report(1, "file", "holds no position: pass the list itself, or export it again")
    statement.notes += reading.notes()
    statement.warnings = reading.warnings
    return statement


def _check_total(held: Decimal, cash: Decimal, reading: TableReading) -> None:
    """Warn where the rows of a table do not make the total that it tells, of the positions or with the cash."""
    if reading.total:
        (line, total), reading.total = reading.total, None
        if min(abs(total - held), abs(total - held - cash)) > max(_DOLLAR, abs(total) / 1000):
            what = f"the file's total is {total:,.2f}, and its rows make {held + cash:,.2f}"
            reading.warn(line, "total", f"{what}: see that each of them was read, and that none is edited")


def _settle_costs(
    rows: Sequence[tuple[int, dict[str, str], bool]],
    layout: TableLayout,
    table: Table,
    reading: TableReading,
    statement: BrokerStatement,
) -> None:
    """A column "Cost" is of a share or of all of them: whichever lies nearer to the prices, and that is said."""
    place = layout.place(table).get("cost_unclear")
    if place is None:
        return
    of_a_share = of_all = 0
    for _, cells, is_money in rows:
        cost, quantity, price = (reading.number(cells.get(name, "")) for name in ("cost_unclear", "quantity", "price"))
        if not is_money and cost and quantity and price and abs(quantity) != 1:
            apart, apart_in_all = (abs((abs(each) / price).ln()) for each in (cost, cost / quantity))
            of_a_share += apart < apart_in_all
            of_all += apart > apart_in_all
    for _, cells, _ in rows:
        cells["cost_price" if of_a_share > of_all else "cost_total"] = cells.pop("cost_unclear", "")
    of_what = "a share" if of_a_share > of_all else "the whole position"
    statement.notes.append(f"{reading.file}: {table.header[place]} is read as the cost of {of_what}")


def _read_cash(table_layout: TableLayout, table: Table, reading: TableReading, statement: BrokerStatement) -> None:
    """Cash reports name each currency, and a sum of them in the base currency."""
    totals: dict[str, Decimal] = {}
    account = ""
    for line, cells, _ in rows_of_table(table_layout, table, reading):
        account = account_of(cells, table, reading.recognised)
        amount = reading.amount(cells, line, "value", name="cash")
        if amount is not None:
            totals[cells.get("currency", "").strip().upper()] = amount
    summary = next((amount for currency, amount in totals.items() if currency.startswith("BASE")), None)
    foreign = [currency for currency, amount in totals.items() if amount and len(currency) == 3 and currency != "USD"]
    if foreign:
        statement.notes.append(f"{reading.file}: cash in {', '.join(foreign)} is left out, portfolios are in USD")
    amount = totals.get("USD", summary if not foreign else None)
    if amount is not None:
        statement.cash[account] += amount


def _read_row(
    line: int,
    cells: Mapping[str, str],
    account: str,
    is_money: bool,
    reading: TableReading,
    statement: BrokerStatement,
    symbols: Mapping[str, str],
) -> None:
    cells = dict(cells)
    named = (cells.get("symbol", "").strip(), cells.get("description", "").strip())
    written = next((symbols[name.upper()] for name in named if name.upper() in symbols), named[0])
    value = reading.amount(cells, line, "value")
    currency = cells.get("currency", "").strip().upper()
    if is_money or is_cash(written):
        quantity = reading.amount(cells, line, "quantity")
        amount = value if value is not None else quantity
        if amount is None:
            reading.skipped["rows of cash without an amount"] += 1
        elif currency in ("", "USD"):
            statement.cash[account] += amount
        elif amount:
            statement.notes.append(f"{reading.file}: cash in {currency} is left out, portfolios are in USD")
        return
    if currency not in ("", "USD"):
        what = f"{shown(written)}{f' ({named[1][:40]})' if named[1] else ''} is held in {currency}"
        cure = f"only holdings in USD can be loaded, leave it out with --skip {shown(written)}"
        reading.report(line, "currency", f"{what}: {cure}")
        return
    instrument = _instrument(line, cells, reading, symbols)
    quantity = reading.amount(cells, line, "quantity")
    if instrument is None:
        return
    if not quantity:
        if value and not cells.get("quantity", "").strip():
            what = f"is empty, and {instrument.symbol} is worth {value:,.2f}"
            reading.report(line, "quantity", f"{what}: write how many it is, or pass --skip {shown(written)}")
        reading.skipped["rows without a quantity"] += 1
        return
    side = cells.get("side", "").strip().lower()
    if side in _SHORT_SIDES:
        quantity = -abs(quantity)
    elif side in _TRADES:
        what = f"is {shown(cells['side'])}, so these are trades: load the file with `load transactions`"
        reading.report(line, "side", what)
        return
    multiplier = CONTRACT_SIZE if instrument.contract else 1
    stated = reading.amount(cells, line, "multiplier") if cells.get("multiplier") else None
    if stated is not None and stated != multiplier:
        what = f"{instrument.symbol} has {plain(stated)} shares a unit, and adjusted contracts cannot be loaded"
        reading.report(line, "multiplier", f"{what}: leave it out with --skip {shown(written)}")
        return
    shares = abs(quantity) * multiplier
    total = reading.amount(cells, line, "cost_total")
    gain = reading.amount(cells, line, "gain")
    if total is None and gain is not None and value is not None:
        total = value - gain
    unit_cost = reading.amount(cells, line, "cost_price")
    _check_product(line, "cost", unit_cost, shares, total, reading)
    if total is not None and (total or not unit_cost):
        unit_cost = (abs(total) / shares).quantize(_DECIMALS)
    price = reading.amount(cells, line, "price")
    _check_product(line, "value", price, shares, value, reading)
    if price is None and value is not None:
        price = (abs(value) / shares).quantize(_DECIMALS)
    if value is None and price is not None:
        value = quantity * multiplier * price
    statement.lots.append(
        StatedLot(
            line=line,
            account=account,
            instrument=instrument,
            quantity=quantity,
            unit_cost=None if unit_cost is None else abs(unit_cost),
            price=price,
            value=None if value is None else abs(value).copy_sign(quantity),
            entry_date=reading.day(cells, line, "entry_date") if cells.get("entry_date") else None,
        )
    )


def _check_product(
    line: int, column: str, price: Decimal | None, shares: Decimal, total: Decimal | None, reading: TableReading
) -> None:
    """Warn where a price a share, and what all of them make, are not of one position."""
    if not price or not total:
        return
    made = abs(price) * shares
    # a printed price is rounded, to a cent or to half of its last digit
    rounding = shares * Decimal(1).scaleb(min(-2, int(price.normalize().as_tuple().exponent))) / 2
    if abs(made - abs(total)) > max(_DOLLAR, made * _NEARLY, rounding):
        what = f"is {plain(abs(total))}, and {plain(shares)} at {plain(abs(price))} make {plain(made)}"
        reading.warn(line, column, f"{what}: correct the one that is wrong, the {column} counts")


def _instrument(
    line: int, cells: Mapping[str, str], reading: TableReading, symbols: Mapping[str, str]
) -> Instrument | None:
    """What a row holds: by its symbol, by a description that is an option, or by what the caller knows it as."""
    written, description = cells.get("symbol", "").strip(), cells.get("description", "").strip()
    for name in (written, description):
        if name and name.upper() in symbols:
            written = symbols[name.upper()]
    try:
        if written and security_number(written) and description and (option := read_option(description)):
            return option
        if written in ("", "-", "--"):
            if description and (option := read_option(description)):
                return option
            cure = (
                f"write `{description[:40]},SYMBOL` into a file and pass --symbols FILE, or --skip {shown(description)}"
            )
            reading.report(line, "symbol", f"is empty for {shown(description)}: {cure}")
            return None
        number = security_number(written)
        if number:
            what = f"{shown(written)} ({description[:40]}) is its {number}, not the symbol that it trades under"
            cure = (
                f"write `{written},SYMBOL` into a file and pass --symbols FILE, or leave it out with --skip {written}"
            )
            reading.report(line, "symbol", f"{what}: {cure}")
            return None
        return read_instrument(written)
    except ValueError as error:
        reading.report(line, "symbol", f"{error}, or pass --skip {shown(written)}")
        return None


def read_symbols(path: Path | None) -> dict[str, str]:
    """Read what security numbers and names trade as: lines of `written,symbol`. Raises ValueError for other lines."""
    if path is None:
        return {}
    known: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        written, _, symbol = line.rpartition(",")
        if not written or not symbol.strip():
            raise ValueError(f"{path.name}:{number}: symbols: is not `written,symbol`: {shown(line)}")
        known[written.strip().strip('"').upper()] = symbol.strip()
    return known


def merged(lots: Sequence[StatedLot]) -> list[StatedLot]:
    """Make one lot of rows that hold the same thing since the same day, at their average cost."""
    by_key: dict[tuple[str, date | None], list[StatedLot]] = defaultdict(list)
    for lot in lots:
        by_key[lot.instrument.symbol, lot.entry_date].append(lot)
    result = []
    for rows in by_key.values():
        first = rows[0]
        if len(rows) == 1:
            result.append(first)
            continue
        quantity = sum((row.quantity for row in rows), Decimal(0))
        costs = [row.unit_cost for row in rows if row.unit_cost is not None]
        unit_cost = None
        if len(costs) == len(rows) and quantity:
            cost = sum((abs(row.quantity) * (row.unit_cost or 0) for row in rows), Decimal(0))
            unit_cost = (cost / sum(abs(row.quantity) for row in rows)).quantize(_DECIMALS)
        values = [row.value for row in rows if row.value is not None]
        result.append(
            StatedLot(
                first.line,
                first.account,
                first.instrument,
                quantity,
                unit_cost,
                first.price,
                sum(values, Decimal(0)) if len(values) == len(rows) else None,
                first.entry_date,
            )
        )
    return [lot for lot in result if lot.quantity]
