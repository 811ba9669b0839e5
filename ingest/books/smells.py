"""A load's warnings about figures that are valid but hardly true, each with the figure and the cure.

Everything here queries the loaded data, in the same transaction; nothing is changed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.books.csv_files import CsvFile, FileProblem
from ingest.books.files import PortfolioFiles
from ingest.books.in_kind import find_contributions_in_kind
from ingest.books.layouts.positions import BrokerStatement
from ingest.books.lots import PositionFile
from ingest.books.smells_of_cash import cash_at_inception, cash_below_zero, costs_beyond_equity
from ingest.books.smells_of_prices import odd_entry_prices, odd_prices, prices_of_another_hour
from ingest.books.smells_of_symbols import unknown_symbols
from ingest.books.transactions import BUYS, SELLS, TransactionFile

# A quantity is odd at this multiple of the rest of its portfolio, where that has at least so many others.
_QUANTITY_FACTOR = 100
_QUANTITIES_NEEDED = 4


def smells_of_transactions(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Return the oddities in the lines of these files, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    found: list[FileProblem] = []
    trades = []
    quantities: dict[str, list[Decimal]] = {}
    for file in files:
        found += file.warnings
        for line in file.lines:
            if line.trade_date > today:
                found.append(FileProblem(line.file, line.number, "date", f"{line.trade_date} lies in the future"))
            if line.type in ("FEE", "TAX") and line.cash > 0:
                what = f"{plain(line.cash)} comes in by a {line.type}: write what it costs with a minus"
                found.append(FileProblem(line.file, line.number, "amount", what))
            if line.type not in BUYS | SELLS or not line.instrument or line.quantity is None:
                continue
            if not line.unit_price:
                what = f"{line.instrument.symbol} for nothing: give the price, or TRANSFER_IN what came without one"
                found.append(FileProblem(line.file, line.number, "price", what))
            if line.instrument.contract and line.quantity != int(line.quantity):
                what = f"{plain(line.quantity)} contracts of {line.instrument.symbol}: contracts are whole"
                found.append(FileProblem(line.file, line.number, "quantity", what))
            if not line.instrument.contract:
                quantities.setdefault(line.portfolio, []).append(line.quantity)
            trades.append((line.file, line.number, line.instrument.symbol, line.trade_date, line.unit_price))
    for file in files:
        for line in file.lines:
            others = quantities.get(line.portfolio, ())
            if line.type in BUYS | SELLS and line.instrument and not line.instrument.contract and line.quantity:
                found += _far_above_the_rest(line.file, line.number, "quantity", line.quantity, others)
    found += odd_prices(conn, trades, "price")
    found += unknown_symbols(conn, [(file, number, symbol) for file, number, symbol, *_ in trades], "symbol")
    found += cash_below_zero(conn, files, portfolio_ids)
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def smells_of_statement(conn: psycopg.Connection[Any], statements: Sequence[BrokerStatement]) -> list[FileProblem]:
    """Return the oddities in position lists, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    found: list[FileProblem] = []
    told: list[tuple] = []
    for statement in statements:
        found += statement.warnings
        shares = [abs(lot.quantity) for lot in statement.lots if not lot.instrument.contract]
        if statement.as_of and statement.as_of > today:
            found.append(FileProblem(statement.file, 1, "as-of", f"{statement.as_of} lies in the future"))
        for lot in statement.lots:
            symbol = lot.instrument.symbol
            told.append((statement.file, lot.line, symbol, statement.as_of, lot.price))
            if lot.instrument.contract and lot.quantity != int(lot.quantity):
                what = f"{plain(lot.quantity)} contracts of {symbol}: contracts are whole"
                found.append(FileProblem(statement.file, lot.line, "quantity", what))
            if not lot.instrument.contract:
                found += _far_above_the_rest(statement.file, lot.line, "quantity", lot.quantity, shares)
            if lot.unit_cost is not None and not lot.unit_cost:
                found.append(FileProblem(statement.file, lot.line, "cost", f"{symbol} has cost nothing, says the file"))
        for account, cash in statement.cash.items():
            if cash < 0:
                what = f"{account or 'the account'} owes {-cash:,.2f}: a margin loan, or a sign that is wrong?"
                found.append(FileProblem(statement.file, 1, "cash", what))
        found += prices_of_another_hour(conn, statement)
    found += odd_prices(conn, told, "price")
    found += unknown_symbols(conn, [(file, line, symbol) for file, line, symbol, *_ in told], "symbol")
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def smells_of_lots(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Return the oddities in the lots, closes and equities of these files, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    positions = files.positions
    if any(lot.joins_on for lot in positions.lots):
        return []
    name = positions.csv.name
    found: list[FileProblem] = []
    told: list[tuple] = []
    shares: dict[str, list[Decimal]] = defaultdict(list)
    for lot in positions.lots:
        if lot.investment_class == "PUBLIC":
            shares[lot.portfolio].append(abs(lot.quantity))
    for lot in positions.lots:
        for column, day in (("Entry Date", lot.entry_date), ("Exit Date", lot.exit_date)):
            if day and day > today:
                found.append(FileProblem(name, lot.line, column, f"{day} lies in the future"))
        if not lot.entry_price and lot.investment_class != "PRIVATE":
            what = f"{lot.symbol} for nothing: its whole value will be a gain"
            found.append(FileProblem(name, lot.line, "Entry Price Per Share", what))
        if lot.contract and lot.quantity != int(lot.quantity):
            what = f"{plain(lot.quantity)} contracts of {lot.symbol}: contracts are whole"
            found.append(FileProblem(name, lot.line, "Quantity", what))
        if lot.investment_class == "PUBLIC":
            found += _far_above_the_rest(name, lot.line, "Quantity", lot.quantity, shares[lot.portfolio])
        if lot.investment_class != "PRIVATE":
            told.append((name, lot.line, lot.symbol, lot.entry_date, lot.entry_price))
    found += odd_entry_prices(conn, positions, told, portfolio_ids)
    found += unknown_symbols(conn, [(file, line, symbol) for file, line, symbol, *_ in told], "Symbol")
    found += _contributions_in_kind(conn, positions, portfolio_ids)
    if files.closes:
        for row in files.closes.rows:
            if row.cells["trade_date"] and row.cells["trade_date"] > today:
                what = f"{row.cells['trade_date']} lies in the future"
                found.append(FileProblem(files.closes.name, row.line, "trade_date", what))
        found += _closed_too_far(conn, files.closes, portfolio_ids)
    beyond = costs_beyond_equity(conn, files, portfolio_ids)
    lines = {problem.line for problem in beyond}
    found += beyond
    found += [problem for problem in cash_at_inception(conn, files, portfolio_ids) if problem.line not in lines]
    order = [file.name for file in (files.portfolios, positions.csv, *files.others)]
    return sorted(found, key=lambda problem: (order.index(problem.file), problem.line))


def _contributions_in_kind(
    conn: psycopg.Connection[Any], positions: PositionFile, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Lots that are carried in and told as a contribution too."""
    lines = {(lot.portfolio, lot.symbol, lot.entry_date): lot.line for lot in positions.lots}
    return [
        FileProblem(positions.csv.name, lines.get(came.lot, 1), "Entry Date", came.message)
        for came in find_contributions_in_kind(conn, sorted(portfolio_ids.values()))
    ]


def _closed_too_far(
    conn: psycopg.Connection[Any], closes: CsvFile, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Closes of more shares than their lot has, in shares of today; the rest would be ignored."""
    rows = conn.execute(
        """
        select
            portfolios.name,
            lot.symbol,
            lot.entry_date,
            abs(lot.quantity),
            sum(event.quantity_closed),
            (
                select string_agg(other.entry_date::text, ', ' order by other.entry_date)
                from raw.positions as other
                where
                    other.portfolio_id = lot.portfolio_id
                    and other.symbol = lot.symbol
                    and other.position_id <> lot.position_id
                    and other.deleted_at is null
            )
        from raw.positions as lot
        inner join raw.portfolios using (portfolio_id)
        inner join raw.position_realized_events as event using (position_id)
        where
            portfolio_id = any(%s)
            and not exists (
                select 1 from raw.corporate_actions as split
                where split.symbol = lot.symbol and split.action_type <> 'DIVIDEND' and split.ex_date > lot.entry_date
            )
        group by portfolios.name, lot.portfolio_id, lot.position_id, lot.symbol, lot.entry_date, lot.quantity
        having sum(event.quantity_closed) > abs(lot.quantity) + 0.000001
        order by 1, 2, 3
        """,
        [sorted(portfolio_ids.values())],
    )
    found = []
    for name, symbol, entered, quantity, closed, others in rows:
        line = next(
            (
                row.line
                for row in closes.rows
                if row.cells["portfolio"] == name
                and row.cells["entry_date"] == entered
                and str(row.cells["symbol"]).upper() == symbol.upper()
            ),
            1,
        )
        what = f"{plain(closed)} are closed of the {plain(quantity)} {symbol} of {entered}: the rest is left out"
        cure = f"give the lots of {others} rows of their own" if others else "is a split missing, or a lot?"
        found.append(FileProblem(closes.name, line, "quantity_closed", f"{what}; {cure}"))
    return found


def _far_above_the_rest(
    file: str, number: int, column: str, quantity: Decimal, others: Sequence[Decimal]
) -> list[FileProblem]:
    if len(others) <= _QUANTITIES_NEEDED:
        return []
    usual = median(others)
    if usual <= 0 or abs(quantity) < _QUANTITY_FACTOR * usual or abs(quantity) < _QUANTITY_FACTOR:
        return []
    what = f"{plain(abs(quantity))} is more than {_QUANTITY_FACTOR} times the {plain(usual)} that is usual in this file"
    return [FileProblem(file, number, column, f"{what}: is it an amount, or is a decimal point missing?")]
