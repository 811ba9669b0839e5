"""The tables of a book: a file's rows replace those of its kind, and marks stay with their symbol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from ingest.books.book import Book, Replacement
from ingest.books.load_report import LoadReport
from warehouse.bulk import MergeCounts, merge_rows
from warehouse.queries import fetch_one

_OF_PORTFOLIOS = "portfolio_id = any(%(portfolio_ids)s)"
_OF_THEIR_POSITIONS = f"position_id in (select position_id from raw.positions where {_OF_PORTFOLIOS})"


@dataclass(frozen=True, slots=True)
class _Table:
    """The table of a kind of row: its key and other columns in the order of `Book`, and the rows a file replaces."""

    name: LiteralString
    key: tuple[LiteralString, ...]
    others: tuple[LiteralString, ...]
    replaced: LiteralString | None


# By the field of `Book`, in the order of loading: closes, marks and tags refer to positions.
_TABLES = {
    "portfolios": _Table(
        "raw.portfolios",
        ("portfolio_id",),
        ("name", "inception_date", "starting_equity", "benchmark", "currency", "deleted_at"),
        None,
    ),
    "positions": _Table(
        "raw.positions",
        ("position_id",),
        (
            "portfolio_id",
            "symbol",
            "position_type",
            "quantity",
            "entry_price",
            "entry_date",
            "exit_price",
            "exit_date",
            "underlying_symbol",
            "option_type",
            "strike_price",
            "expiration_date",
            "investment_class",
            "investment_subtype",
            "shares_as_of",
            "deleted_at",
            "joins_on",
        ),
        _OF_PORTFOLIOS,
    ),
    "closes": _Table(
        "raw.position_realized_events",
        ("event_id",),
        ("position_id", "trade_date", "sequence", "quantity_closed", "close_price", "fees", "named_symbol"),
        _OF_THEIR_POSITIONS,
    ),
    "flows": _Table(
        "raw.equity_changes",
        ("change_id",),
        ("portfolio_id", "change_date", "change_type", "amount"),
        _OF_PORTFOLIOS,
    ),
    "cash_items": _Table(
        "raw.cash_items",
        ("item_id",),
        ("portfolio_id", "item_date", "item_type", "amount"),
        _OF_PORTFOLIOS,
    ),
    "marks": _Table("raw.manual_prices", ("position_id", "price_date"), ("price",), _OF_THEIR_POSITIONS),
    "tags": _Table("raw.manual_sector_tags", ("position_id",), ("sector",), _OF_THEIR_POSITIONS),
}


_HANGING_ON_POSITIONS = ("closes", "marks", "tags")


def merge_book(conn: psycopg.Connection[Any], book: Book, report: LoadReport) -> None:
    """Put the rows of a book into their tables, and count them in the report."""
    for kind, table in _TABLES.items():
        replacement: Replacement | None = getattr(book, kind)
        if kind == "positions":
            _merge_positions(conn, table, book, report)
        elif replacement:
            report.counts[kind] = _merge(conn, table, replacement)


def _merge_positions(conn: psycopg.Connection[Any], table: _Table, book: Book, report: LoadReport) -> None:
    """Merge positions, and handle the closes, tags and marks of removed lots, where no file replaces them.

    Closes and tags name a lot and go with it. Marks name a symbol and stay with its lots, whichever these are now.
    """
    hanging_on: dict[str, list[UUID]] = {}
    for kind in _HANGING_ON_POSITIONS:
        brought: Replacement | None = getattr(book, kind)
        hanging_on[kind] = sorted(
            set(book.positions.portfolio_ids).difference(brought.portfolio_ids if brought else ())
        )
    before = _count_hanging(conn, hanging_on)
    _keep_marks(conn, hanging_on["marks"])
    report.counts["positions"] = _merge(conn, table, book.positions)
    report.marks_spread = _spread_marks(conn)
    after = _count_hanging(conn, hanging_on)
    report.lost = {kind: before[kind] - after[kind] for kind in _HANGING_ON_POSITIONS}


def _merge(conn: psycopg.Connection[Any], table: _Table, replacement: Replacement) -> MergeCounts:
    return merge_rows(
        conn,
        table.name,
        table.key,
        (*table.key, *table.others, "source"),
        ((*row, replacement.source) for row in replacement.rows),
        within=table.replaced,
        parameters={"portfolio_ids": replacement.portfolio_ids},
    )


def _count_hanging(conn: psycopg.Connection[Any], portfolio_ids: Mapping[str, Sequence[UUID]]) -> dict[str, int]:
    """Count closes, tags and marks of these portfolios' positions; a mark counts once, however many lots share it."""
    closes, marks, tags = _TABLES["closes"].name, _TABLES["marks"].name, _TABLES["tags"].name
    row = fetch_one(
        conn.execute(
            f"""
            select
                (
                    select count(*) from {closes} inner join raw.positions using (position_id)
                    where portfolio_id = any(%(closes)s)
                ),
                (
                    select count(distinct (portfolio_id, symbol, price_date))
                    from {marks} inner join raw.positions using (position_id)
                    where portfolio_id = any(%(marks)s)
                ),
                (
                    select count(*) from {tags} inner join raw.positions using (position_id)
                    where portfolio_id = any(%(tags)s)
                )
            """,
            dict(portfolio_ids),
        )
    )
    return dict(zip(_HANGING_ON_POSITIONS, row, strict=True))


def _keep_marks(conn: psycopg.Connection[Any], portfolio_ids: Sequence[UUID]) -> None:
    """Remember the marks of these portfolios by symbol, before their lots are removed."""
    conn.execute(
        f"""
        create temp table kept_marks on commit drop as
        select distinct on (portfolio_id, symbol, price_date)
            portfolio_id, symbol, price_date, price, marks.source
        from raw.manual_prices as marks
        inner join raw.positions using (position_id)
        where {_OF_PORTFOLIOS}
        order by portfolio_id, symbol, price_date, marks.loaded_at desc
        """,
        {"portfolio_ids": portfolio_ids},
    )


def _spread_marks(conn: psycopg.Connection[Any]) -> int:
    """Give the remembered marks to every private lot of their symbol; returns the number of added rows."""
    added = conn.execute(
        """
        insert into raw.manual_prices (position_id, price_date, price, source)
        select position_id, price_date, price, kept_marks.source
        from pg_temp.kept_marks
        inner join raw.positions using (portfolio_id, symbol)
        where investment_class = 'PRIVATE'
        on conflict do nothing
        """
    ).rowcount
    conn.execute("drop table pg_temp.kept_marks")
    return added
