"""A load's warnings about prices that are not those of their day."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.books.csv_files import FileProblem
from ingest.books.entry_prices import find_odd_entries
from ingest.books.layouts.positions import BrokerStatement
from ingest.books.lots import PositionFile

# A price is odd this far outside of its day's range.
_PRICE_TOLERANCE = Decimal("0.2")
# The price of a position list may lie this far from its session's close.
_CLOSE_TOLERANCE = Decimal("0.002")


def odd_prices(conn: psycopg.Connection[Any], trades: Sequence[tuple], column: str) -> list[FileProblem]:
    """Prices more than a fifth outside of their session's low and high, where the session is known."""
    rows = conn.execute(
        """
        select told.file, told.line, told.symbol, told.price, bar.price_date,
            coalesce(bar.low, bar.close), coalesce(bar.high, bar.close)
        from unnest(%s::text[], %s::integer[], %s::text[], %s::date[], %s::numeric[])
            as told (file, line, symbol, traded_on, price)
        cross join lateral (
            select min(session_date) as session_date from raw.trading_sessions where session_date >= told.traded_on
        ) as session
        inner join raw.market_data_cache as bar
            on told.symbol = bar.symbol and session.session_date = bar.price_date
        where
            told.price > 0
            and (
                told.price > coalesce(bar.high, bar.close) * (1 + %s)
                or told.price < coalesce(bar.low, bar.close) * (1 - %s)
            )
        order by told.file, told.line
        """,
        [*([trade[place] for trade in trades] for place in range(5)), _PRICE_TOLERANCE, _PRICE_TOLERANCE],
    )
    return [
        FileProblem(
            file,
            line,
            column,
            f"{plain(price)} for {symbol} lies outside of {plain(low)} to {plain(high)} on {day}: correct it, or its"
            " date; for a day before a split, write the shares and the price of that day",
        )
        for file, line, symbol, price, day, low, high in rows
    ]


def odd_entry_prices(
    conn: psycopg.Connection[Any], positions: PositionFile, told: Sequence[tuple], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Entry prices that do not fit their session, each once, with a later split where one explains it."""
    column = "Entry Price Per Share"
    lines = {(lot.portfolio, lot.symbol, lot.entry_date): lot.line for lot in positions.lots}
    odd = find_odd_entries(conn, dict.fromkeys(portfolio_ids.values(), date.min))
    in_shares_of_later = {
        lines[key]: entry.message
        for entry in odd
        if entry.split and (key := (entry.portfolio, entry.symbol, entry.entry_date)) in lines
    }
    found = [FileProblem(positions.csv.name, line, column, message) for line, message in in_shares_of_later.items()]
    return found + [problem for problem in odd_prices(conn, told, column) if problem.line not in in_shares_of_later]


def prices_of_another_hour(conn: psycopg.Connection[Any], statement: BrokerStatement) -> list[FileProblem]:
    """Lists whose prices are not the closes of their day: the difference would end up in their cash."""
    lots = [lot for lot in statement.lots if lot.price and not lot.instrument.contract]
    closes = dict(
        conn.execute(
            "select symbol, close from raw.market_data_cache where price_date = %s and symbol = any(%s)",
            [statement.as_of, [lot.instrument.symbol for lot in lots]],
        ).fetchall()
    )
    off = [
        (lot, close, lot.quantity * (close - lot.price))
        for lot in lots
        if lot.price
        and (close := closes.get(lot.instrument.symbol)) is not None
        and abs(close - lot.price) > _CLOSE_TOLERANCE * close
    ]
    if not off:
        return []
    lot, close, _ = off[0]
    what = f"{lot.instrument.symbol} is {plain(lot.price or Decimal(0))} in the list and closed at {plain(close)}"
    others = f" ({len(off)} of {len(lots)} prices differ)" if len(off) > 1 else ""
    missed = sum((difference for *_, difference in off), Decimal(0))
    cure = (
        f"{missed:,.2f} would be missing in cash: export it after the close, or pass the day of its prices by --as-of"
    )
    return [FileProblem(statement.file, lot.line, "price", f"{what}{others}: {cure}")]
