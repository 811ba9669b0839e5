"""Position lists of brokers into schema `raw`: portfolios that begin at the close of the day that a list is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from ingest.books.cells import plain
from ingest.books.class_shares import settle_statements
from ingest.books.csv_files import CsvFile, FileProblem, Row
from ingest.books.files import EARLIEST_INCEPTION, PortfolioFiles
from ingest.books.layouts.positions import BrokerStatement, StatedLot, merged, read_statement, read_symbols
from ingest.books.load_report import LoadReport, summarised
from ingest.books.lots import Lot, PositionFile
from ingest.books.portfolios import load_files
from ingest.books.smells import smells_of_statement
from warehouse.errors import BadInput


@dataclass(frozen=True, slots=True)
class StatementOptions:
    """The options of `load broker`; None where the file decides.

    `portfolio` is the name of one portfolio for all accounts, `as_of` the day of the list, `equity` its value at that
    close. `skip` has texts of rows to leave out. `symbols` maps security numbers and names to their symbols.
    """

    layout: str | None = None
    portfolio: str | None = None
    as_of: date | None = None
    equity: Decimal | None = None
    strict: bool = False
    symbols: Path | None = None
    skip: Sequence[str] = ()


def load_broker(conn: psycopg.Connection[Any], files: Sequence[Path], options: StatementOptions) -> LoadReport:
    """Load position lists, in one transaction. Each account becomes a portfolio, unless one is named for all.

    The portfolio begins at the close of the list's day. Its lots join there, at their cost and in that day's shares.
    Its equity is their value in the list plus the list's cash.

    Raises:
        BadInput: with every problem of every file; nothing was loaded.
    """
    statements = read_statements(files, options)
    settle_statements(conn, statements)
    problems = [problem for statement in statements for problem in statement.problems]
    notes = [note for statement in statements for note in statement.notes]
    accounts: dict[str, list[tuple[BrokerStatement, str]]] = {}
    for statement in statements:
        for account in statement.accounts:
            accounts.setdefault(options.portfolio or account or "", []).append((statement, account))
        if statement.as_of is None and not statement.problems:
            what = "the file does not say of which day it is: pass --as-of DATE, the day whose close it shows"
            problems.append(FileProblem(statement.file, 1, "as-of", what))
    if options.equity is not None and len(accounts) > 1:
        what = f"--equity is of one portfolio, and the list has {len(accounts)} accounts ({', '.join(accounts)})"
        problems.append(FileProblem(statements[0].file, 1, "equity", f"{what}: pass --portfolio NAME to hold them all"))
    if "" in accounts:
        problems.append(
            FileProblem(statements[0].file, 1, "portfolio", "the file names no account: pass --portfolio NAME")
        )
    problems += told_twice(statements)
    if problems:
        raise BadInput(summarised(problems))
    portfolios, positions = CsvFile(statements[0].file, complete_header=True), CsvFile(statements[0].file)
    positions.complete_header = True
    lots: list[Lot] = []
    for statement in statements:
        statement.as_of = _session_of(conn, statement, notes)
    for name, parts in accounts.items():
        days = {statement.as_of or EARLIEST_INCEPTION: statement.file for statement, _ in parts}
        as_of = max(days)
        if len(days) > 1:
            told = ", ".join(f"{file} of {day}" for day, file in sorted(days.items()))
            positions.report(1, "as-of", f"{name!r} has lists of several days ({told}): pass those of one day")
        if len(parts) > 1 and options.portfolio:
            notes.append(
                f"{name!r} holds all of {', '.join(account or statement.file for statement, account in parts)}"
            )
        if as_of < EARLIEST_INCEPTION:
            positions.report(1, "as-of", f"{as_of} is too early: {EARLIEST_INCEPTION} at the earliest")
        stated = merged([lot for statement, account in parts for lot in statement.lots if lot.account == account])
        cash = sum((statement.cash.get(account, Decimal(0)) for statement, account in parts), Decimal(0))
        equity = _equity(name, stated, cash, options, positions, parts[0][0].file, notes)
        lots += [_lot(name, lot, as_of, parts[0][0].file, notes) for lot in stated]
        row = {"name": name, "starting_equity": equity, "inception_date": as_of, "benchmark": None, "currency": "USD"}
        portfolios.rows.append(Row(1, row, set()))
        notes.append(
            f"{name!r} begins at the close of {as_of}: {len(stated)} position{'s' * (len(stated) != 1)},"
            f" cash {cash:,.2f}, equity {equity:,.2f}"
        )
    _check_dates(lots, positions)
    if positions.problems:
        raise BadInput(summarised(positions.problems))
    positions.rows = [Row(1, {"portfolio": name}, set()) for name in accounts]
    report = LoadReport(", ".join(str(file) for file in files), notes=notes)
    with conn.transaction():
        begun_anew = _begun_anew(conn, portfolios)
        load_files(conn, PortfolioFiles(portfolios, PositionFile(positions, lots)), report)
        warnings = begun_anew + smells_of_statement(conn, statements)
        if warnings and options.strict:
            raise BadInput(summarised(warnings))
        report.notes += [f"warning: {warning}" for warning in warnings]
    return report


def told_twice(statements: Sequence[BrokerStatement]) -> list[FileProblem]:
    """Report lists that are passed twice, and accounts with holdings or cash in several files: they would double."""
    problems = []
    first_told: dict[tuple[str, str, date | None], BrokerStatement] = {}
    for number, statement in enumerate(statements):
        told = (statement.lots, statement.cash, statement.as_of)
        same = [each.file for each in statements[:number] if told == (each.lots, each.cash, each.as_of)]
        if same and statement.accounts:
            problems.append(FileProblem(statement.file, 1, "file", f"says just what {same[0]} says: pass one of them"))
            continue
        named = [(lot.account, lot.instrument.symbol) for lot in statement.lots]
        for account, what in [*named, *((account, "cash") for account in statement.cash)]:
            first = first_told.setdefault((account, what, statement.as_of), statement)
            if account and first is not statement:
                cure = "pass one list of an account; other accounts of that name each alone, with --portfolio NAME"
                what = f"{account!r} has {what} in {first.file} too: {cure}"
                problems.append(FileProblem(statement.file, 1, "account", what))
                break
    return problems


def _begun_anew(conn: psycopg.Connection[Any], portfolios: CsvFile) -> list[FileProblem]:
    """Portfolios that exist and begin on another day: their history before this list is dropped."""
    days = {row.cells["name"]: row.cells["inception_date"] for row in portfolios.rows}
    known = conn.execute(
        "select name, inception_date from raw.portfolios where name = any(%s) and deleted_at is null order by name",
        [list(days)],
    )
    cure = "to keep it, load what happened since with `load transactions` and compare with `load statement`"
    return [
        FileProblem(portfolios.name, 1, "as-of", f"{name!r} began on {began} and now begins on {days[name]}: {cure}")
        for name, began in known
        if began != days[name]
    ]


def _session_of(conn: psycopg.Connection[Any], statement: BrokerStatement, notes: list[str]) -> date | None:
    """The session whose close a list shows; for a list made on a weekend that is Friday."""
    row = conn.execute(
        "select max(session_date) from raw.trading_sessions where session_date <= %s", [statement.as_of]
    ).fetchone()
    session = (row[0] if row else None) or statement.as_of
    if session != statement.as_of:
        notes.append(f"{statement.file}: {statement.as_of} is no session, so the list shows the close of {session}")
    return session


def read_statements(files: Sequence[Path], options: StatementOptions) -> list[BrokerStatement]:
    """Read the position lists; a day given by the user outranks the files' own.

    Raises BadInput where the file for --symbols cannot be read.
    """
    try:
        symbols = read_symbols(options.symbols)
    except (OSError, ValueError) as error:
        raise BadInput([str(error)]) from None
    statements = [read_statement(file, options.layout, symbols, options.skip) for file in files]
    for statement in statements:
        if options.as_of and statement.as_of and options.as_of != statement.as_of:
            statement.notes.append(
                f"{statement.file}: is of {statement.as_of} by itself, and of {options.as_of} by --as-of"
            )
        statement.as_of = options.as_of or statement.as_of
    return statements


def _equity(
    name: str,
    stated: Sequence[StatedLot],
    cash: Decimal,
    options: StatementOptions,
    positions: CsvFile,
    file: str,
    notes: list[str],
) -> Decimal:
    if options.equity is not None:
        return options.equity
    without = [lot for lot in stated if lot.value is None]
    if without:
        named = ", ".join(lot.instrument.symbol for lot in without[:5])
        what = f"the file says nothing of what {named} {'is' if len(without) == 1 else 'are'} worth"
        cure = f"pass --equity AMOUNT, what {name!r} is worth at that close"
        positions.report(without[0].line, "value", f"{what}: {cure}")
        return Decimal(0)
    equity = cash + sum((lot.value or Decimal(0) for lot in stated), Decimal(0))
    if equity < 0:
        what = (
            f"positions and cash of {name!r} make {plain(equity)}, less than nothing: correct a sign, or pass --equity"
        )
        positions.report(1, "value", what)
    return max(equity, Decimal(0))


def _lot(name: str, stated: StatedLot, as_of: date, file: str, notes: list[str]) -> Lot:
    unit_cost = stated.unit_cost
    if unit_cost is None:
        unit_cost = stated.price or Decimal(0)
        notes.append(f"{file}: {stated.instrument.symbol} has no cost there: it is carried in at {plain(unit_cost)}")
    contract = stated.instrument.contract
    entered = stated.entry_date if stated.entry_date and stated.entry_date <= as_of else as_of
    return Lot(
        portfolio=name,
        symbol=stated.instrument.symbol,
        entry_date=entered,
        quantity=stated.quantity,
        entry_price=unit_cost,
        exit_date=None,
        exit_price=None,
        contract=contract,
        investment_class="OPTIONS" if contract else "PUBLIC",
        investment_subtype=None,
        joins_on=as_of,
    )


def _check_dates(lots: Sequence[Lot], positions: CsvFile) -> None:
    """Leave out options that expired before the list was made: they were not held then."""
    for lot in lots:
        if lot.contract and lot.joins_on and lot.contract.expiration_date < lot.joins_on:
            what = f"{lot.symbol} expired on {lot.contract.expiration_date}, before the {lot.joins_on} of this list"
            positions.report(1, "symbol", f"{what}: pass the day of the list with --as-of")
