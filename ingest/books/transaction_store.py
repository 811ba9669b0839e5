"""Writes transactions to raw.transactions, and checks that a portfolio with transactions has no lots besides."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.csv_files import FileProblem
from ingest.books.transactions import TransactionFile, rows_of, spans_of
from warehouse.bulk import MergeCounts, merge_rows

# The columns, in the order of `rows_of`.
_COLUMNS = (
    "transaction_id", "portfolio_id", "trade_date", "sequence", "transaction_type", "symbol", "quantity", "price",
    "amount", "fees", "lot_date", "effect", "side", "unit_price", "cash", "underlying_symbol", "option_type",
    "strike_price", "expiration_date", "investment_class",
)  # fmt: skip


def merge_transactions(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID], *, keep: bool
) -> MergeCounts:
    """Make the lines of these files all that their portfolios have.

    Args:
        conn: the database, inside a transaction.
        files: in the order of their lines.
        portfolio_ids: by name, of every portfolio that a file names.
        keep: leave lines alone that lie outside the days from the first to the last line of their portfolio in a file.
    """
    lines = [line for file in files for line in file.lines]
    named = sorted({portfolio_ids[name] for file in files for name in file.portfolios})
    spans = [(portfolio_ids[name], first, last) for name, first, last in spans_of(files)]
    within = "portfolio_id = any(%(portfolio_ids)s)"
    if keep:
        within = (
            "exists (select 1 from unnest(%(spanned)s::uuid[], %(first)s::date[], %(last)s::date[])"
            " as span (portfolio_id, first, last)"
            " where span.portfolio_id = target.portfolio_id and target.trade_date between span.first and span.last)"
        )
    return merge_rows(
        conn,
        "raw.transactions",
        ("transaction_id",),
        (*_COLUMNS, "source"),
        ((*row, files[0].csv.name) for row in rows_of(lines, portfolio_ids)),
        within=within,
        parameters={
            "portfolio_ids": named,
            "spanned": [span[0] for span in spans],
            "first": [span[1] for span in spans],
            "last": [span[2] for span in spans],
        },
    )


def set_lot_matching(conn: psycopg.Connection[Any], rules: Mapping[UUID, str]) -> None:
    """Store the rule by which the sales of these portfolios choose lots."""
    for portfolio_id, rule in rules.items():
        conn.execute(
            "update raw.portfolios set lot_matching = %s where portfolio_id = %s and lot_matching <> %s",
            [rule, portfolio_id, rule],
        )


def lost_history(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Report stored lines before the first line of these files: someone who loads last month's list means to add it."""
    problems = []
    for file in files[:1]:
        for name in sorted({name for each in files for name in each.portfolios}):
            first = min(
                (line.trade_date for each in files for line in each.lines if line.portfolio == name), default=None
            )
            (count, earliest) = conn.execute(
                "select count(*), min(trade_date) from raw.transactions where portfolio_id = %s and trade_date < %s",
                [portfolio_ids[name], first],
            ).fetchone() or (0, None)
            if count:
                what = (
                    f"{name!r} has {count:,} transactions from {earliest} on, before the first of this file on {first}"
                )
                problems.append(
                    FileProblem(file.csv.name, 1, "file", f"{what}: pass --add to keep them, --replace to drop")
                )
    return problems


def misplaced(
    conn: psycopg.Connection[Any], portfolio_ids: Iterable[UUID], files: Sequence[TransactionFile], listed_in: str
) -> list[FileProblem]:
    """Report portfolios that have both transactions and lots, and transactions before their inception.

    `listed_in` is the file at fault where that is none of `files`.
    """
    problems = []
    or_replace = ", or let them go by `load transactions FILE --replace`" if files else ""
    rows = conn.execute(
        """
        select
            name,
            inception_date,
            (select min(trade_date) from raw.transactions where portfolio_id = portfolios.portfolio_id),
            exists (select 1 from raw.positions where portfolio_id = portfolios.portfolio_id and deleted_at is null),
            exists (select 1 from raw.equity_changes where portfolio_id = portfolios.portfolio_id),
            exists (select 1 from raw.cash_items where portfolio_id = portfolios.portfolio_id)
        from raw.portfolios
        where
            portfolio_id = any(%s)
            and exists (select 1 from raw.transactions where portfolio_id = portfolios.portfolio_id)
        order by name
        """,
        [sorted(portfolio_ids)],
    ).fetchall()
    for name, inception, first, has_lots, has_flows, has_items in rows:
        file, number = next(
            ((line.file, line.number) for each in files for line in each.lines if line.portfolio == name), (None, 1)
        )
        file = file or (files[0].csv.name if files else listed_in)
        if has_lots:
            told = "has positions loaded as lots" if files else "has transactions loaded"
            what = f"{name!r} {told}, and a portfolio is kept by lots or by transactions"
            problems.append(FileProblem(file, number, "portfolio", f"{what}: choose another name{or_replace}"))
            continue
        for has, kind, types in (
            (has_flows, "capital flows", "DEPOSIT and WITHDRAWAL"),
            (has_items, "cash items", "INTEREST, FEE and TAX"),
        ):
            if has:
                what = f"{name!r} has {kind} of their own, and its transactions have them as {types}"
                problems.append(FileProblem(file, number, "portfolio", f"{what}: leave them out{or_replace}"))
        if first < inception:
            early = next(
                (
                    line
                    for each in files
                    for line in each.lines
                    if line.portfolio == name and line.trade_date < inception
                ),
                None,
            )
            what = f"{first} lies before the inception of {name!r} on {inception}"
            cure = "let it begin with its first transaction, or enter what it held by then as TRANSFER_IN"
            problems.append(
                FileProblem(early.file if early else file, early.number if early else number, "date", f"{what}: {cure}")
            )
    return problems


def drop_lots(conn: psycopg.Connection[Any], portfolio_ids: Iterable[UUID]) -> int:
    """Remove the lots, flows and cash items of portfolios that have transactions from now on."""
    return sum(
        conn.execute(f"delete from {table} where portfolio_id = any(%s)", [sorted(portfolio_ids)]).rowcount
        for table in ("raw.positions", "raw.equity_changes", "raw.cash_items")
    )
