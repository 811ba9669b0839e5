"""Loads portfolios into schema `raw`, from a folder of CSV files or one position file: all of it or nothing."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from ingest.books.book import Book, Known, LotReference, assemble, named_portfolios
from ingest.books.book_tables import merge_book
from ingest.books.class_shares import settle_positions, settle_transactions
from ingest.books.corporate_actions import read_actions
from ingest.books.csv_files import CsvFile, FileProblem, Row
from ingest.books.files import EARLIEST_INCEPTION, FILES, PortfolioFiles, read_folder
from ingest.books.fund_sectors import read_fund_sectors
from ingest.books.holdings import follow
from ingest.books.layouts.layout import name_layout
from ingest.books.load_report import LoadReport, summarised
from ingest.books.lots import read_positions_of
from ingest.books.smells import smells_of_lots, smells_of_transactions
from ingest.books.transaction_store import merge_transactions, misplaced, set_lot_matching
from ingest.market.decisions import Saying, replace_file_actions, user_name
from ingest.market.fund_sectors import replace_sets
from ingest.market.settlement import PERSON
from ingest.sources.chain import source_order
from ingest.sources.fetch_state import forget_failures_of_new_lots
from warehouse.errors import BadInput, UserError
from warehouse.settings import load_settings

_NO_ENTRY_DATE = ("Entry Date", "the column is missing: add it to the header and to each row")


def load_folder(conn: psycopg.Connection[Any], folder: Path, *, strict: bool = False) -> LoadReport:
    """Load a folder of portfolio files, in one transaction.

    Each file replaces its kind of row for the portfolios that it names. Other portfolios, and kinds whose file is
    absent, stay as they are. Rows that are the same in the database already are not written again.

    Raises:
        BadInput: with every problem of every file; nothing was loaded.
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: give the one that holds {FILES[0]} and {FILES[1]}")
    files = read_folder(folder)
    report = load_files(conn, files, LoadReport(str(folder)), strict=strict)
    others = sorted(path.name for path in folder.glob("*.csv") if path.name not in FILES)
    if others:
        report.notes.append(f"not read: {', '.join(others)} (the files of a portfolio folder are {', '.join(FILES)})")
    return report


def load_positions_file(
    conn: psycopg.Connection[Any],
    file: Path,
    portfolio: str,
    equity: Decimal,
    inception: date | None = None,
    *,
    shares_as_of: date | None = None,
    strict: bool = False,
) -> LoadReport:
    """Load one brokerage-style position file as the positions of `portfolio`, in one transaction.

    Args:
        conn: the database.
        file: the position file.
        portfolio: its name; a new one is created, of an old one equity and inception are set; positions are replaced.
        equity: its starting equity in USD, as measured at the close of the session before inception.
        inception: its first day; by default the earliest entry date in the file.
        shares_as_of: the day in whose shares the file is stated; by default each lot's own first day.
        strict: refuse the file for oddities that are otherwise only warnings.

    Raises:
        BadInput: with every problem of the file; nothing was loaded.
    """
    positions = read_positions_of(file, portfolio)
    entries = [lot.entry_date for lot in positions.lots]
    if not entries and not positions.csv.problems:
        positions.csv.report(1, "file", "holds no position: give it rows, or pass the file that has them")
    report = LoadReport(str(file))
    if inception is None:
        inception = min(entries, default=EARLIEST_INCEPTION)
        report.notes.append(
            f"inception: {inception}, the earliest entry date in the file (--inception DATE sets another)"
        )
    if inception < EARLIEST_INCEPTION:
        what = f"{inception} is too early: pass --inception with {EARLIEST_INCEPTION} or later"
        positions.csv.report(1, "inception", what)
    row = {
        "name": portfolio,
        "starting_equity": equity,
        "inception_date": inception,
        # unchanged for a portfolio that is loaded already
        "benchmark": None,
        "currency": "USD",
        "shares_as_of": shares_as_of,
    }
    portfolios = CsvFile(file.name, [Row(1, row, set())], complete_header=True)
    _name_other_command(positions.csv, file)
    return load_files(conn, PortfolioFiles(portfolios, positions), report, strict=strict)


def _name_other_command(csv: CsvFile, file: Path) -> None:
    """For a file that is not a list of lots, name the command that takes it, in place of its missing columns."""
    lacking = [problem for problem in csv.problems if (problem.column, problem.what) == _NO_ENTRY_DATE]
    for problem in lacking:
        what = "no column says when the positions were entered: load the list as a statement of its day"
        csv.problems[csv.problems.index(problem)] = FileProblem(
            csv.name, problem.line, "Entry Date", f"{what} (load broker {csv.name} --as-of DATE)"
        )
    if csv.complete_header or lacking:
        return
    told = name_layout(file)
    if told:
        csv.problems[:] = [FileProblem(csv.name, 1, "header", told)]


def load_files(
    conn: psycopg.Connection[Any], files: PortfolioFiles, report: LoadReport, *, strict: bool = False
) -> LoadReport:
    """Load files that have been read, in one transaction or inside the one that is open.

    Raises BadInput with every problem; with `strict`, warnings count as problems too.
    """
    with conn.transaction():
        settle_positions(conn, files.positions)
        if files.transactions:
            report.notes += settle_transactions(conn, [files.transactions])
        book = assemble(files, _read_known(conn, files))
        actions = read_actions(files.actions) if files.actions else []
        today = datetime.now(ZoneInfo("America/New_York")).date()
        fund_sectors = read_fund_sectors(files.fund_sectors, today) if files.fund_sectors else []
        if files.problems:
            raise BadInput(summarised(files.problems))
        merge_book(conn, book, report)
        followed = follow(conn, [files.transactions], book.portfolio_ids) if files.transactions else None
        _load_transactions(conn, files, book, report)
        if actions:
            saying = Saying(user_name(), datetime.now(UTC), None, source_order(load_settings()))
            report.counts["actions"] = replace_file_actions(conn, actions, saying).counts
        if fund_sectors:
            report.counts["fund_sectors"] = replace_sets(conn, fund_sectors, all_of=PERSON)
        report.notes += _ignored_amounts(conn, book) + _costs_that_add(files)
        report.notes += [note for file in (files.portfolios, files.positions.csv, *files.others) for note in file.notes]
        warnings = smells_of_lots(conn, files, book.portfolio_ids)
        if followed:
            warnings += followed.warnings
        if files.transactions:
            warnings += smells_of_transactions(conn, [files.transactions], book.portfolio_ids)
        forget_failures_of_new_lots(conn)
        odd = [str(warning) for warning in warnings]
        if odd and strict:
            raise BadInput(
                [*odd, f"nothing was loaded: {len(odd)} warning{'s' * (len(odd) > 1)}, and --strict was passed"]
            )
        report.notes += [f"warning: {warning}" for warning in odd]
    return report


def _load_transactions(conn: psycopg.Connection[Any], files: PortfolioFiles, book: Book, report: LoadReport) -> None:
    """Load the folder's transactions, and refuse a portfolio that has both transactions and lots."""
    rules = {
        row.cells["name"]: row.cells["lot_matching"].lower()
        for row in files.portfolios.rows
        if row.cells.get("lot_matching")
    }
    set_lot_matching(conn, {book.portfolio_ids[name]: rule for name, rule in rules.items()})
    told = [files.transactions] if files.transactions else []
    if told:
        report.counts["transactions"] = merge_transactions(conn, told, book.portfolio_ids, keep=False)
    problems = misplaced(conn, book.portfolio_ids.values(), told, files.portfolios.name)
    if problems:
        raise BadInput(summarised(problems))


def _read_known(conn: psycopg.Connection[Any], files: PortfolioFiles) -> Known:
    """Read the possible targets of references: the portfolios named in the files, and lots that no file contains."""
    portfolios = conn.execute(
        "select name, portfolio_id, deleted_at is not null, benchmark from raw.portfolios where name = any(%s)",
        [sorted(named_portfolios(files))],
    ).fetchall()
    pointing = {row.cells["portfolio"] for file in (files.closes, files.marks, files.tags) if file for row in file.rows}
    lots = conn.execute(
        """
        select lots.position_id, portfolios.name, lots.symbol, lots.entry_date, lots.investment_class
        from raw.positions as lots
        inner join raw.portfolios using (portfolio_id)
        where portfolios.name = any(%s) and lots.deleted_at is null
        """,
        [sorted(pointing - files.positions.portfolios - {None})],
    ).fetchall()
    return Known(
        portfolio_ids={name: portfolio_id for name, portfolio_id, *_ in portfolios},
        deleted=frozenset(name for name, _, is_deleted, _ in portfolios if is_deleted),
        benchmarks={name: benchmark for name, *_, benchmark in portfolios},
        lots=[LotReference(*lot) for lot in lots],
        former_symbols=_former_symbols(conn, files) if files.closes or files.tags else {},
    )


def _former_symbols(conn: psycopg.Connection[Any], files: PortfolioFiles) -> dict[str, set[str]]:
    """Read, by symbol, the symbols that it was, or was a part of, before any number of events."""
    told = conn.execute("select symbol, new_symbol from raw.corporate_actions where new_symbol is not null").fetchall()
    told += [(row.cells["symbol"], row.cells["new_symbol"]) for row in (files.actions.rows if files.actions else [])]
    before: dict[str, set[str]] = defaultdict(set)
    for symbol, new_symbol in told:
        if symbol and new_symbol:
            before[new_symbol].add(symbol)
    former = {}
    for symbol in before:
        found: set[str] = set()
        looking = [symbol]
        while looking:
            looking += (more := before.get(looking.pop(), set()) - found)
            found |= more
        former[symbol] = found - {symbol}
    return former


def _ignored_amounts(conn: psycopg.Connection[Any], book: Book) -> list[str]:
    """Say which portfolios have flows or cash items before their inception; a date means its session or the next."""
    rows = conn.execute(
        """
        select portfolios.name, amounts.kind, portfolios.inception_date, count(*)
        from (
            select portfolio_id, 'flow' as kind, change_date as dated from raw.equity_changes
            union all
            select portfolio_id, 'cash item', item_date from raw.cash_items
        ) as amounts
        inner join raw.portfolios using (portfolio_id)
        left join lateral (
            select min(session_date) as session_date from raw.trading_sessions where session_date >= amounts.dated
        ) as counted on true
        left join lateral (
            select min(session_date) as session_date from raw.trading_sessions where session_date >= inception_date
        ) as inception on true
        where
            portfolio_id = any(%s)
            and coalesce(counted.session_date, amounts.dated) < coalesce(inception.session_date, inception_date)
        group by portfolios.name, amounts.kind, portfolios.inception_date
        order by portfolios.name, amounts.kind desc
        """,
        [book.portfolios.portfolio_ids],
    )
    return [
        f"{name!r}: {count:,} {kind}{'s' * (count > 1)} before the inception on {inception} will be ignored"
        for name, kind, inception, count in rows
    ]


def _costs_that_add(files: PortfolioFiles) -> list[str]:
    """Say which portfolios have fees, taxes or borrow costs without a minus, which as a rule was forgotten."""
    adding = Counter(
        (row.cells["portfolio"], row.cells["type"])
        for row in (files.cash_items.rows if files.cash_items else ())
        if row.cells["type"] in ("FEE", "TAX", "BORROW") and row.cells["amount"] > 0
    )
    return [
        f"{name!r}: {count:,} {what} above zero in cash_items.csv will be counted as income: write a cost with a minus"
        for (name, what), count in sorted(adding.items())
    ]
