"""Activity lists of brokers as transactions: their actions become our types, and then they are judged like our own."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingest.books.cells import plain, shown
from ingest.books.csv_files import CsvFile, FileProblem, Row
from ingest.books.instruments import is_cash, read_instrument, read_option, security_number
from ingest.books.layouts.layout import ACTIVITY, TableLayout, recognise
from ingest.books.layouts.positions import read_symbols
from ingest.books.layouts.rows import TableReading, account_of, rows_of_table
from ingest.books.layouts.tables import RawFile, key_of, read_raw
from ingest.books.transaction_files import judge, read_transactions, settled_once
from ingest.books.transactions import IN_LIEU, TransactionFile, TransactionOptions
from warehouse.errors import BadInput

# "AAPL(US0378331005) Cash Dividend USD 0.25 per Share"
_SYMBOL_IN_WORDS = re.compile(r"^([A-Z][A-Z0-9. ]{0,9}?)\s*\([A-Z]{2}[A-Z0-9]{9}[0-9]\)")
_LETTERS_AFTER = re.compile(r"(?<=[0-9])[sS]$")
# Types that move money and nothing else. OTHER is decided by its sign.
_MONEY_ALONE = frozenset({"DIVIDEND", "INTEREST", "FEE", "TAX", "DEPOSIT", "WITHDRAWAL", "OTHER"})
_EVENTS = "what companies do to their shares is taken from the market's events (`actions add --help`)"
# The words of brokers, and Robinhood's codes.
_SPINOFF = re.compile("spin|distribution|^soff$", re.IGNORECASE)
_RENAME = re.compile("name change|symbol change|rename|change to|^namc$", re.IGNORECASE)
_MERGER = re.compile("merg|acqui|tender|exchange|reorg|^mrg[sc]$|^sxch$", re.IGNORECASE)
_SPLIT = re.compile("split", re.IGNORECASE)
_OURS = frozenset({"date", "type"})


def read_activity(paths: Sequence[Path], options: TransactionOptions) -> tuple[list[TransactionFile], list[str]]:
    """Read files of transactions in our own columns or a broker's, and say how they were read.

    Raises BadInput where the file for --symbols cannot be read.
    """
    try:
        symbols = read_symbols(options.symbols)
    except (OSError, ValueError) as error:
        raise BadInput([str(error)]) from None
    files, notes = [], []
    for path in paths:
        try:
            raw = read_raw(path)
        except (OSError, ValueError) as error:
            what = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
            files.append(TransactionFile(CsvFile(path.name, problems=[FileProblem(path.name, 1, "file", what)])))
            continue
        if options.layout is None and _is_ours(raw):
            names = {key_of(cell) for cell in raw.lines[0][1]} if raw.lines else set()
            files.append(read_transactions(path, None if "portfolio" in names else options.portfolio or ""))
            if "portfolio" not in names and not options.portfolio:
                files[-1].csv.report(1, "portfolio", "the column is missing: pass --portfolio NAME")
        else:
            file, said = _read_broker(raw, options, symbols)
            files.append(file)
            notes += said
    for file in files:
        if not file.lines and not file.csv.problems:
            file.csv.report(1, "file", "holds no transaction: pass the list itself, or export it again")
    return files, notes


def _is_ours(raw: RawFile) -> bool:
    if not raw.lines:
        return not raw.tables
    names = {key_of(cell) for cell in raw.lines[0][1]}
    return names >= _OURS and bool(names & {"portfolio", "quantity", "amount"}) and "action" not in names


def _read_broker(
    raw: RawFile, options: TransactionOptions, symbols: Mapping[str, str]
) -> tuple[TransactionFile, list[str]]:
    csv = CsvFile(raw.name, complete_header=True)
    recognised = recognise(raw, options.layout, ACTIVITY)
    if isinstance(recognised, FileProblem):
        csv.problems.append(recognised)
        return TransactionFile(csv), []
    reading = TableReading(recognised, csv.problems, Counter())
    rows: list[tuple[bool, Row]] = []
    for layout, table in recognised.tables:
        if layout.kind != ACTIVITY:
            continue
        for line, cells, _ in rows_of_table(layout, table, reading):
            portfolio = options.portfolio or account_of(cells, table, recognised)
            if not portfolio:
                reading.report(line, "portfolio", "the file names no account: pass --portfolio NAME")
                break
            row = _read_row(line, cells, portfolio, layout, reading, options, symbols)
            if row:
                row.cells["account"] = account_of(cells, table, recognised)
                rows.append((layout.may_flip, row))
    _cancel(rows, reading)
    read = [table for _, table in recognised.tables]
    for table in raw.tables:
        if table.rows and table not in read and {"description", "quantity", "proceeds"} <= set(table.keys):
            reading.warn(table.line, table.section or "table", f"{len(table.rows)} rows are left out: {_EVENTS}")
    # a list that begins with its newest day is in reverse order within its days as well
    days = [row.cells["date"] for _, row in rows if row.cells["date"]]
    if len(days) > 1 and days[0] > days[-1]:
        rows.reverse()
        reading.skipped.pop("", None)
    rows.sort(key=lambda each: each[1].cells["date"])
    csv.rows = [row for _, row in rows]
    file = judge(csv)
    file.lines = settled_once(file.lines)
    file.warnings = reading.warnings
    return file, reading.notes()


def _cancel(rows: list[tuple[bool, Row]], reading: TableReading) -> None:
    """Take out each line that is a cancellation, and the line that it cancels."""
    for each in [each for each in rows if each[1].cells["type"] == "CANCEL"]:
        rows.remove(each)
        cells = each[1].cells
        cancelled = [
            other
            for other in rows
            if other[1].cells["symbol"] == cells["symbol"]
            and abs(other[1].cells["quantity"] or 0) == abs(cells["quantity"] or 0)
            and (cells["amount"] is None or abs(other[1].cells["amount"] or 0) == abs(cells["amount"]))
        ]
        if cancelled:
            rows.remove(min(cancelled, key=lambda other: abs(other[1].cells["date"] - cells["date"])))
            reading.skipped["rows that cancel each other"] += 2
        else:
            what = f"cancels a line of {cells['symbol']} that the file does not have"
            reading.report(each[1].line, "action", f"{what}: load the list that has both, or --skip this one")


def _read_row(
    line: int,
    cells: dict[str, str],
    portfolio: str,
    layout: TableLayout,
    reading: TableReading,
    options: TransactionOptions,
    symbols: Mapping[str, str],
) -> Row | None:
    """Turn a broker's row into one of our own; None where it moves nothing, or is reported."""
    action, description = cells.get("action", ""), cells.get("description", "")
    if reading.is_skipped((action, cells.get("symbol", ""), description), options.skip):
        return None
    day = reading.day(cells, line, "date")
    cells["quantity"] = _LETTERS_AFTER.sub("", cells.get("quantity", ""))
    quantity = reading.amount(cells, line, "quantity") or None
    price = reading.amount(cells, line, "price")
    amount = reading.amount(cells, line, "amount")
    fees = _fees(cells, line, layout, reading)
    rate = reading.amount(cells, line, "fees_rate")
    if rate:
        fees = round(fees * rate, 10)
    if day is None:
        reading.skipped["rows without a date"] += not cells.get("date")
        return None
    kind = None if _is_foreign(cells, line, reading) else _kind_of(cells, quantity, line, layout, reading)
    if kind is None:
        return None
    symbol = _symbol(cells, symbols)
    if kind == "EVENT":
        told = f"{action or description} of {symbol}" if symbol else action or description
        cure = _event_to_add(action or description, symbol, day, quantity, amount)
        reading.warn(line, "action", f"{told} is left out: {cure}")
        return None
    if cells.get("price_currency", "USD").strip().upper() not in ("", "USD"):
        price = None
    if amount is None and layout.money and kind in _MONEY_ALONE:
        amount = quantity if layout.money == "quantity" else (quantity or Decimal(0)) * (price or Decimal(0))
    told, kind = kind, _settled_kind(kind, quantity, amount, symbol)
    if told == "IN_LIEU" and kind in ("INTEREST", "FEE"):
        what = (
            f"{action}: {plain(amount or Decimal(0))} counts as income, because no symbol says what it is a fraction of"
        )
        reading.warn(line, "symbol", f"{what}: write the symbol, or what a number stands for with --symbols FILE")
    if kind is None or (symbol and is_cash(symbol) and kind in ("BUY", "SELL", "REINVEST", "SPLIT")):
        reading.skipped["rows that move money between cash and a money-market fund" if symbol else "empty rows"] += 1
        return None
    if symbol and is_cash(symbol):
        # what a money-market fund pays is interest
        symbol, quantity, price = None, None, None
        kind = "INTEREST" if kind == "DIVIDEND" else kind
    if symbol and kind not in _MONEY_ALONE - {"DIVIDEND"} and not _is_readable(symbol, description, line, reading):
        return None
    if kind in ("DIVIDEND", "INTEREST", "FEE", "TAX", "DEPOSIT", "WITHDRAWAL", "SPLIT", IN_LIEU):
        quantity, price = None, None
        if not amount and kind in ("FEE", "TAX") and fees:
            amount = None
        elif not amount and kind != "SPLIT":
            reading.skipped["rows without an amount"] += 1
            return None
        elif not layout.gross or kind == "SPLIT":
            fees = Decimal(0)
    elif layout.gross and amount is not None:
        amount = amount - fees
    # a rebate is part of what was received
    fees = max(fees, Decimal(0))
    if kind in ("TRANSFER_IN", "TRANSFER_OUT"):
        price, amount = price or None, amount or None
        if kind == "TRANSFER_IN" and price is None and amount is None:
            what = f"{symbol} came without what it has cost: it counts at its value of the day"
            reading.warn(line, "price", f"{what}: write cost and day as price and lot into a transactions.csv")
    if kind in ("ASSIGN", "EXERCISE") or (kind == "EXPIRE" and not price and not amount):
        price = amount = None
    return Row(
        line,
        {
            "portfolio": portfolio,
            "date": day,
            "type": kind,
            "symbol": symbol,
            "quantity": quantity,
            "price": price,
            "amount": amount,
            "fees": fees,
            "lot": None,
            "may_flip": layout.may_flip,
        },
        set(),
    )


def _is_foreign(cells: Mapping[str, str], line: int, reading: TableReading) -> bool:
    """Whether a row is not in USD, which is reported; rows of totals have other words in the currency's place."""
    currency = cells.get("currency", "").strip().upper()
    if currency in ("", "USD") or currency.startswith("BASE"):
        return False
    if currency.isalpha() and len(currency) == len("USD"):
        name = cells.get("symbol") or cells.get("description") or cells.get("action", "")
        cure = f"only transactions in USD can be loaded, leave it out with --skip {shown(name)}"
        reading.report(line, "currency", f"is {currency}: {cure}")
    else:
        reading.skipped["rows of totals"] += 1
    return True


def _kind_of(
    cells: Mapping[str, str], quantity: Decimal | None, line: int, layout: TableLayout, reading: TableReading
) -> str | None:
    """What the layout takes a row's action for; None, and counted or reported, where it is to be skipped."""
    action, symbol = cells.get("action", ""), cells.get("symbol", "")
    kind = next((kind for pattern, kind in layout.types if pattern.search(action)), None)
    told = action or cells.get("description", "")
    if kind is None:
        what = f"{shown(told)} is no action that the layout {reading.recognised.layout.name} knows"
        reading.report(line, "action", f"{what}: leave it out with --skip {shown(told)}")
    if kind == "DISTRIBUTION":
        # if it moves shares, a company does it; if it moves money, the account does it
        kind = "EVENT" if quantity and symbol else "TRANSFER"
    if kind == "SKIP":
        reading.skipped[f"rows of {action}"] += 1
    return None if kind == "SKIP" else kind


def _event_to_add(told: str, symbol: str | None, day: date, quantity: Decimal | None, amount: Decimal | None) -> str:
    """Say how the market's events take over what a broker's line of one moved, and how to tell one that they lack.

    The shares that come are of the new symbol, those that go of the old one.
    """
    moved = [f"{plain(quantity)} shares"] if quantity else []
    moved += [f"{amount:,.2f} in cash"] if amount else []
    acts = f"its {' and '.join(moved)} come from the market's event" if moved else "it is taken from the market's event"
    named = symbol if symbol and not security_number(symbol) else None
    if _SPINOFF.search(told):
        event = f"PARENT {day} SPINOFF RATIO --new-symbol {named or 'CHILD'}"
    elif _RENAME.search(told):
        event = f"OLD {day} RENAME --new-symbol {named or 'NEW'}"
        if quantity and quantity < 0 and named:
            event = f"{named} {day} RENAME --new-symbol NEW"
    elif _MERGER.search(told):
        event = f"{named or 'OLD'} {day} MERGER RATIO --new-symbol NEW"
        if quantity and amount:
            paid = plain(round(abs(amount / quantity), 6))
            event = f"{named or 'OLD'} {day} MERGER --cash-per-share {paid}"
        elif quantity and quantity > 0 and named:
            event = f"OLD {day} MERGER RATIO --new-symbol {named}"
    elif _SPLIT.search(told):
        event = f"{named or 'SYMBOL'} {day} SPLIT RATIO"
    else:
        event = "--help"
    return f"{acts}; if no source reports it, `actions add {event}`"


def _is_readable(symbol: str, description: str, line: int, reading: TableReading) -> bool:
    """Whether a symbol is one; reports what is none."""
    number = security_number(symbol)
    if number:
        what = f"{shown(symbol)} ({description[:40]}) is its {number}, not the symbol that it trades under"
        cure = f"write `{symbol},SYMBOL` into a file and pass --symbols FILE, or pass --skip {symbol}"
        reading.report(line, "symbol", f"{what}: {cure}")
        return False
    try:
        read_instrument(symbol)
    except ValueError as error:
        reading.report(line, "symbol", f"{error}, or pass --skip {shown(symbol)}")
        return False
    return True


def _fees(cells: Mapping[str, str], line: int, layout: TableLayout, reading: TableReading) -> Decimal:
    """What a row costs; below zero for a rebate, which only signed fees can tell."""
    told = [reading.amount(cells, line, name) or Decimal(0) for name in ("fees", "more_fees")]
    return -sum(told, Decimal(0)) if layout.signed_fees else sum(map(abs, told), Decimal(0))


def _settled_kind(kind: str, quantity: Decimal | None, amount: Decimal | None, symbol: str | None) -> str | None:
    """Settle what the sign of a quantity or an amount decides."""
    if kind == "TRADE":
        return None if quantity is None else "BUY" if quantity > 0 else "SELL"
    if kind == "TRANSFER":
        if symbol and quantity and not is_cash(symbol):
            return "TRANSFER_IN" if quantity > 0 else "TRANSFER_OUT"
        return None if not amount else "DEPOSIT" if amount > 0 else "WITHDRAWAL"
    if kind == "IN_LIEU" and symbol and quantity:
        return "SELL"
    if kind == "IN_LIEU" and symbol and amount and not security_number(symbol):
        return IN_LIEU
    if kind == "DEPOSIT" and (amount or 0) < 0:
        # a payment that was returned
        return "WITHDRAWAL"
    if kind in ("OTHER", "IN_LIEU"):
        return None if not amount else "INTEREST" if amount > 0 else "FEE"
    if kind == "DIVIDEND" and quantity and (amount or 0) < 0:
        return "REINVEST"
    if kind == "REINVEST" and not quantity:
        # money that is about to be reinvested is the dividend itself
        return "DIVIDEND" if (amount or 0) > 0 else None
    return kind


def _symbol(cells: Mapping[str, Any], symbols: Mapping[str, str]) -> str | None:
    """The symbol of a row: an option's where its symbol or description spells one, else as written."""
    written, description = cells.get("symbol", "").strip(), cells.get("description", "").strip()
    for name in (written, description):
        if name and name.upper() in symbols:
            return symbols[name.upper()]
    for text in (written, description, description.removeprefix("Option Expiration for ")):
        try:
            option = read_option(text) if text else None
        except ValueError:
            return text
        if option:
            return option.symbol
    if not written:
        found = _SYMBOL_IN_WORDS.match(description)
        return found.group(1) if found else None
    return None if written in ("-", "--") else written
