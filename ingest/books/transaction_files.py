"""Files of transactions: their lines are read and judged, each by itself and then together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
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
    parse_text,
    plain,
    shown,
)
from ingest.books.csv_files import Column, CsvFile, Row, read_csv
from ingest.books.instruments import Instrument, read_instrument
from ingest.books.lots import CONTRACT_SIZE, PORTFOLIO
from ingest.books.transactions import (
    BUYS,
    DECIMALS,
    IN_LIEU,
    MONEY,
    OPTION_ENDS,
    SELLS,
    TRANSFERS,
    TYPES,
    Line,
    TransactionFile,
    delivers,
)

TRANSACTION_COLUMNS = (
    PORTFOLIO,
    Column("date", parse_date),
    Column("type", one_of(*TYPES)),
    Column("symbol", parse_text, required=False, optional=True),
    Column("quantity", parse_non_zero, required=False, optional=True),
    Column("price", parse_non_negative, required=False, optional=True),
    Column("amount", parse_number, required=False, optional=True),
    Column("fees", parse_number, required=False, optional=True, default=Decimal(0)),
    Column("lot", parse_date, required=False, optional=True),
)


_PENNIES = Decimal("0.02")
# An amount this far from quantity times price means that one of them must be wrong.
_WIDEST = Decimal("0.01")
# A broker reports the shares of an assignment within so many days of it.
_DELIVERY_DAYS = timedelta(days=5)


def read_transactions(path: Path, portfolio: str | None = None) -> TransactionFile:
    """Read a file in our own columns; `portfolio` replaces the column of that name where the file has none.

    The content of the file never raises: look at the problems of its `csv`.
    """
    columns = TRANSACTION_COLUMNS if portfolio is None else TRANSACTION_COLUMNS[1:]
    csv = read_csv(path, path.name, columns)
    for row in csv.rows if portfolio is not None else ():
        row.cells["portfolio"] = portfolio
    read = judge(csv)
    _check_deliveries(read)
    return read


def judge(csv: CsvFile) -> TransactionFile:
    """Turn rows in our own columns into lines, and report missing or contradictory cells."""
    read = TransactionFile(csv)
    # in a file that writes outgoing amounts with a minus, an amount without one is incoming
    is_signed = any((row.cells["amount"] or 0) < 0 for row in csv.rows)
    for row in csv.rows:
        if row.bad or not csv.complete_header:
            continue
        problems_before = len(csv.problems)
        line = _read_line(row, csv, is_signed)
        if line and len(csv.problems) == problems_before:
            read.lines.append(line)
    return read


def _read_line(row: Row, csv: CsvFile, is_signed: bool) -> Line | None:
    cells = row.cells
    kind: str = cells["type"]
    instrument = _instrument(row, csv, kind)
    line = Line(
        portfolio=cells["portfolio"],
        file=csv.name,
        number=row.line,
        trade_date=cells["date"],
        type=kind,
        instrument=instrument,
        quantity=None if cells["quantity"] is None else abs(cells["quantity"]),
        price=cells["price"],
        amount=cells["amount"],
        fees=abs(cells["fees"] or Decimal(0)),
        lot_date=cells["lot"],
        side=-1 if kind in TRANSFERS and (cells["quantity"] or 0) < 0 else 1,
        may_flip=bool(cells.get("may_flip")),
        account=cells.get("account") or "",
    )
    if kind in BUYS and (quantity := cells["quantity"] or Decimal(0)) < 0:
        cure = "leave a cancelled purchase out with its cancellation, and write a sale as SELL or SHORT"
        csv.report(row.line, "quantity", f"is {plain(quantity)}, and a {kind} brings shares in: {cure}")
        return None
    if kind in TRANSFERS and instrument is None and not cells["symbol"]:
        # money that moves between accounts is a deposit or a withdrawal
        line = replace(line, type="DEPOSIT" if kind == "TRANSFER_IN" else "WITHDRAWAL")
    if line.type in MONEY:
        return _money(line, csv, is_signed)
    if instrument is None:
        return None
    if line.type == IN_LIEU:
        return replace(line, cash=line.amount or Decimal(0))
    if line.type != "SPLIT" and line.quantity is None:
        csv.report(row.line, "quantity", f"is empty: a {line.type} needs one, write it")
        return None
    if line.type in OPTION_ENDS:
        return _option_end(line, csv)
    if line.type in TRANSFERS:
        return _transfer(line, csv)
    return line if line.type == "SPLIT" else _trade(line, csv)


def _instrument(row: Row, csv: CsvFile, kind: str) -> Instrument | None:
    written = row.cells["symbol"]
    if not written:
        if kind in BUYS | SELLS | OPTION_ENDS | {"DIVIDEND", "SPLIT"}:
            csv.report(row.line, "symbol", f"is empty: a {kind} needs one, write it")
        return None
    if kind in MONEY - {"DIVIDEND"}:
        return None
    try:
        return read_instrument(written)
    except ValueError as error:
        csv.report(row.line, "symbol", str(error))
        return None


def _money(line: Line, csv: CsvFile, is_signed: bool) -> Line | None:
    """A line of money alone: costs and withdrawals go out, whatever the sign of a withdrawal."""
    amount = line.amount
    if amount is None and line.type in ("FEE", "TAX") and line.fees:
        return replace(line, amount=-line.fees, fees=Decimal(0), cash=-line.fees)
    if not amount:
        csv.report(
            line.number, "amount", f"is {'empty' if amount is None else 'zero'}: a {line.type} needs one, write it"
        )
        return None
    if line.type == "DEPOSIT" and amount < 0:
        csv.report(
            line.number, "amount", f"is {plain(amount)}, and a DEPOSIT brings money in: write it as a WITHDRAWAL"
        )
        return None
    if line.type in ("DEPOSIT", "WITHDRAWAL"):
        cash = abs(amount) if line.type == "DEPOSIT" else -abs(amount)
    elif line.type in ("FEE", "TAX"):
        cash = amount if is_signed else -amount
    else:
        cash = amount
    return replace(line, amount=amount, cash=cash - line.fees)


def _trade(line: Line, csv: CsvFile) -> Line | None:
    """A purchase or sale: its price before fees comes from the amount where there is one, since that is exact."""
    side = 1 if line.type in BUYS else -1
    shares = (line.quantity or Decimal(0)) * line.multiplier
    if line.amount is None and line.price is None:
        csv.report(line.number, "price", f"is empty, and so is amount: a {line.type} needs one of them, write it")
        return None
    unit_price = line.price
    gross = shares * (line.price or Decimal(0))
    if line.amount is not None:
        net = gross + side * line.fees
        # a sale for less than its fees costs money
        costs = side < 0 and net < 0 and abs(line.amount - net) <= _PENNIES
        told = line.amount if costs else abs(line.amount)
        if line.price is None or (told != net and not (told == gross and line.fees)):
            if line.price is not None and abs(told - net) > max(_PENNIES, _WIDEST * gross):
                what = f"is {plain(told)}, but {plain(shares)} at {plain(line.price)} make {plain(gross)}"
                fees = f" and the fees are {plain(line.fees)}" if line.fees else ""
                hundredfold = " (a contract is 100 shares)" if line.multiplier == CONTRACT_SIZE else ""
                csv.report(line.number, "amount", f"{what}{fees}: correct the one that is wrong{hundredfold}")
                return None
            gross = told - side * line.fees
            if gross < 0:
                csv.report(
                    line.number,
                    "fees",
                    f"are {plain(line.fees)}, more than the amount of {plain(told)}: correct one of them",
                )
                return None
            unit_price = (gross / shares).quantize(DECIMALS)
    if gross >= LIMIT:
        csv.report(
            line.number, "quantity", f"{plain(shares)} shares cost too much, 10^15 or more: correct it or the price"
        )
        return None
    return replace(line, unit_price=unit_price, cash=-side * gross - line.fees)


def _transfer(line: Line, csv: CsvFile) -> Line | None:
    """Shares transferred in kind: price or amount is their cost, and lot the day of their purchase."""
    unit_price = line.price
    if unit_price is None and line.amount is not None and line.type == "TRANSFER_IN" and line.quantity:
        unit_price = (abs(line.amount) / (line.quantity * line.multiplier)).quantize(DECIMALS)
    if line.type == "TRANSFER_IN" and line.lot_date and line.lot_date > line.trade_date:
        csv.report(
            line.number, "lot", f"{line.lot_date} lies after the transfer on {line.trade_date}: correct one of them"
        )
        return None
    return replace(line, unit_price=unit_price if line.type == "TRANSFER_IN" else None, cash=-line.fees)


def _option_end(line: Line, csv: CsvFile) -> Line | None:
    """The end of an option: at 0 where shares are delivered, otherwise at its settlement price."""
    contract = line.instrument.contract if line.instrument else None
    if not contract:
        symbol = line.instrument.symbol if line.instrument else ""
        csv.report(
            line.number,
            "symbol",
            f"{shown(symbol)} is no option, and only an option can {line.type.lower()}: correct symbol or type",
        )
        return None
    if delivers(line):
        if line.price is not None and line.price not in (0, contract.strike_price):
            what = f"is {plain(line.price)}, but {line.type} delivers at the strike, {plain(contract.strike_price)}"
            csv.report(line.number, "price", f"{what}: leave it empty, or write a settlement in cash as EXPIRE")
            return None
        # the fees go with the shares
        return replace(line, unit_price=Decimal(0), cash=Decimal(0))
    shares = (line.quantity or Decimal(0)) * CONTRACT_SIZE
    if line.price is None and line.amount is None and line.type != "EXPIRE":
        what = f"is empty: {contract.underlying_symbol} is settled in cash, write the price per share or the amount"
        csv.report(line.number, "price", what)
        return None
    unit_price = line.price if line.price is not None else (abs(line.amount or 0) / shares).quantize(DECIMALS)
    return replace(line, unit_price=unit_price)


def _check_deliveries(read: TransactionFile) -> None:
    """Report a purchase or sale that repeats the shares of an assignment or exercise."""
    trades: dict[tuple, list[Line]] = defaultdict(list)
    for line in read.lines:
        if line.type in BUYS | SELLS and line.instrument:
            trades[line.portfolio, line.instrument.symbol, line.price, line.quantity].append(line)
    for line in read.lines:
        contract = line.instrument.contract if line.instrument else None
        if not contract or not delivers(line):
            continue
        shares = (line.quantity or 0) * CONTRACT_SIZE
        key = (line.portfolio, contract.underlying_symbol, contract.strike_price, shares)
        buys = (line.type == "EXERCISE") == (contract.option_type == "CALL")
        for trade in trades[key]:
            if abs(trade.trade_date - line.trade_date) <= _DELIVERY_DAYS and (trade.type in BUYS) == buys:
                what = f"the {line.type} on line {line.number} brings these shares already"
                cure = f"leave this line out, or write the {line.type} as EXPIRE"
                read.csv.report(trade.number, "type", f"{what}: {cure}")


def without_repeats(files: Sequence[TransactionFile]) -> list[str]:
    """Keep one copy of lines that several files contain, since exports overlap; returns a note for each such file.

    Equal lines count as often as they occur in the file that has most of them.
    """
    seen: Counter[tuple] = Counter()
    notes = []
    for file in files:
        own: Counter[tuple] = Counter()
        kept = []
        for line in file.lines:
            key = astuple(replace(line, file="", number=0, may_flip=False))
            own[key] += 1
            if own[key] > seen[key]:
                kept.append(line)
        repeated = len(file.lines) - len(kept)
        if repeated:
            notes.append(f"{file.csv.name}: {repeated:,} lines are in an earlier file too, and count once")
        seen |= own
        file.lines = kept
    return notes


def settled_once(lines: Iterable[Line]) -> list[Line]:
    """Return a broker's lines, with assignments and exercises turned into mere ends where the shares have a line.

    Most brokers report an assignment in two lines: the end of the option, and the shares at the strike.
    """
    lines = list(lines)
    by_shares: dict[tuple, list[date]] = defaultdict(list)
    for line in lines:
        if line.type in BUYS | SELLS and line.instrument:
            by_shares[line.portfolio, line.instrument.symbol, line.type in BUYS, line.price].append(line.trade_date)
    settled = []
    for line in lines:
        contract = line.instrument.contract if line.instrument else None
        if contract and delivers(line):
            buys = (line.type == "EXERCISE") == (contract.option_type == "CALL")
            told = by_shares[line.portfolio, contract.underlying_symbol, buys, contract.strike_price]
            if any(abs(day - line.trade_date) <= _DELIVERY_DAYS for day in told):
                line = replace(line, type="EXPIRE", unit_price=Decimal(0), cash=-line.fees)
        settled.append(line)
    return settled
