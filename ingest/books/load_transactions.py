"""Loads files of transactions, in our own columns or a broker's, into schema `raw`: all of them or none."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from ingest.books.class_shares import settle_transactions
from ingest.books.csv_files import FileProblem
from ingest.books.files import EARLIEST_INCEPTION
from ingest.books.holdings import follow
from ingest.books.layouts.activity import read_activity
from ingest.books.load_report import LoadReport, summarised
from ingest.books.smells import smells_of_transactions
from ingest.books.transaction_files import without_repeats
from ingest.books.transaction_store import drop_lots, lost_history, merge_transactions, misplaced, set_lot_matching
from ingest.books.transactions import TransactionOptions
from ingest.identifiers import natural_id
from ingest.sources.fetch_state import forget_failures_of_new_lots
from warehouse.errors import BadInput


def load_transactions(conn: psycopg.Connection[Any], files: Sequence[Path], options: TransactionOptions) -> LoadReport:
    """Load files of transactions, in one transaction; a portfolio that is new begins with its first line.

    Raises:
        BadInput: with every problem of every file; nothing was loaded.
    """
    read, notes = read_activity(files, options)
    problems = [problem for file in read for problem in file.csv.problems]
    if problems:
        raise BadInput(summarised(problems))
    notes += without_repeats(read)
    report = LoadReport(", ".join(str(file) for file in files), notes=notes)
    report.notes += settle_transactions(conn, read)
    with conn.transaction():
        ids = {}
        named = sorted({name for file in read for name in file.portfolios})
        known = {
            name: (portfolio_id, inception, equity)
            for name, portfolio_id, inception, equity in conn.execute(
                "select name, portfolio_id, inception_date, starting_equity from raw.portfolios where name = any(%s)",
                [named],
            )
        }
        for name in named:
            first = min(line.trade_date for file in read for line in file.lines if line.portfolio == name)
            portfolio_id, inception, equity = known.get(name, (natural_id("portfolio", name), first, Decimal(0)))
            ids[name] = portfolio_id
            if options.replace or name not in known:
                inception = first
            inception = max(options.inception or inception, EARLIEST_INCEPTION)
            equity = equity if options.equity is None else options.equity
            conn.execute(
                """
                insert into raw.portfolios as known (portfolio_id, name, inception_date, starting_equity, source)
                values (%s, %s, %s, %s, %s)
                on conflict (portfolio_id) do update set
                    inception_date = excluded.inception_date,
                    starting_equity = excluded.starting_equity,
                    deleted_at = null
                where (known.inception_date, known.starting_equity, known.deleted_at)
                    is distinct from (excluded.inception_date, excluded.starting_equity, null)
                """,
                [portfolio_id, name, inception, equity, read[0].csv.name],
            )
            if name not in known:
                told = "its first transaction" if options.inception is None else "--inception"
                report.notes.append(f"{name!r} is new: it begins on {inception} ({told}) with equity {equity:,.2f}")
        if options.replace:
            drop_lots(conn, ids.values())
        elif not options.keep:
            problems += lost_history(conn, read, ids)
        if options.lots:
            set_lot_matching(conn, dict.fromkeys(ids.values(), options.lots))
        followed = follow(conn, read, ids, keep=options.keep)
        report.notes += followed.notes
        counts = report.counts["transactions"] = merge_transactions(conn, read, ids, keep=options.keep)
        problems += misplaced(conn, ids.values(), read, read[0].csv.name)
        forget_failures_of_new_lots(conn)
        warnings = followed.warnings + smells_of_transactions(conn, read, ids)
        if counts.deleted > counts.inserted and not options.replace:
            warnings.insert(0, _dropped(counts.deleted - counts.inserted, read[0].csv.name, keep=options.keep))
        if options.strict:
            problems += warnings
        else:
            report.notes += [f"warning: {warning}" for warning in warnings]
        if problems:
            raise BadInput(summarised(problems))
    return report


def _dropped(count: int, file: str, *, keep: bool) -> FileProblem:
    """Lines that were loaded before and are missing now."""
    lines = f"{count:,} transaction{'s' * (count > 1)} that {'were' if count > 1 else 'was'} loaded before"
    where = " for days between the first and the last of a file" if keep else ""
    gone = "are not in the files any more and are" if count > 1 else "is not in the files any more and is"
    cure = "load the files of all days together" if keep else "pass --add to keep what lies on other days"
    return FileProblem(file, 1, "file", f"{lines}{where} {gone} dropped: {cure}")
