"""Compares a position list with the stored positions: each difference of quantity, cost or cash, with its cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.books.class_shares import settle_statements
from ingest.books.csv_files import FileProblem
from ingest.books.layouts.positions import BrokerStatement, StatedLot, merged
from ingest.books.load_broker import StatementOptions, read_statements, told_twice
from ingest.books.load_report import summarised
from warehouse.errors import BadInput, UserError

_NEXT_TO_NOTHING = Decimal("0.000001")
_PENNY = Decimal("0.01")
# A broker rounds the cost of each lot to the cent.
_COST_TOLERANCE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class _Held:
    quantity: Decimal
    cost: Decimal


def reconcile(
    conn: psycopg.Connection[Any], files: Sequence[Path], options: StatementOptions
) -> tuple[list[str], bool]:
    """Compare position lists with the sessions that were rolled; returns lines for a person, and whether all agrees.

    Raises:
        BadInput: with every problem of the files.
        UserError: a portfolio does not exist, or has not been rolled to the day of the list.
    """
    statements = read_statements(files, options)
    problems = [problem for statement in statements for problem in statement.problems]
    for statement in statements:
        if statement.as_of is None and not statement.problems:
            what = "the file does not say of which day it is: pass --as-of DATE, the day whose close it shows"
            problems.append(FileProblem(statement.file, 1, "as-of", what))
    problems += told_twice(statements)
    if problems:
        raise BadInput(summarised(problems)[:-1])
    settle_statements(conn, statements)
    lines: list[str] = []
    agrees = True
    parts: dict[tuple[str, date | None], list[tuple[BrokerStatement, str]]] = {}
    for statement in statements:
        lines += statement.notes
        for account in statement.accounts:
            parts.setdefault((options.portfolio or account, statement.as_of), []).append((statement, account))
    for (name, as_of), told in parts.items():
        lots = [lot for statement, account in told for lot in statement.lots if lot.account == account]
        cash = [statement.cash[account] for statement, account in told if account in statement.cash]
        found = _compare(conn, name, as_of, merged_by_symbol(lots), sum(cash, Decimal(0)) if cash else None)
        agrees = agrees and not found
        files_told = ", ".join(dict.fromkeys(statement.file for statement, _ in told))
        headline = f"{name!r} at the close of {as_of}"
        differences = f"{len(found)} difference{'s' * (len(found) != 1)}"
        lines.append(f"{headline}: {differences}" if found else f"{headline}: agrees with {files_told}")
        lines += [f"  {difference}" for difference in found]
    return lines, agrees


def merged_by_symbol(lots: Sequence[StatedLot]) -> dict[str, StatedLot]:
    """One row for each symbol."""
    dateless = [
        StatedLot(lot.line, lot.account, lot.instrument, lot.quantity, lot.unit_cost, lot.price, lot.value)
        for lot in lots
    ]
    return {lot.instrument.symbol: lot for lot in merged(dateless)}


def _compare(
    conn: psycopg.Connection[Any],
    name: str,
    as_of: date | None,
    stated: dict[str, StatedLot],
    cash: Decimal | None,
) -> list[str]:
    row = conn.execute(
        "select portfolio_id from raw.portfolios where name = %s and deleted_at is null", [name]
    ).fetchone()
    if row is None:
        raise UserError(f"there is no portfolio {name!r}: name the one to compare with by --portfolio NAME")
    (portfolio_id,) = row
    session, balance = _balance(conn, portfolio_id, name, as_of or date.min)
    held = {
        symbol: _Held(quantity, cost)
        for symbol, quantity, cost in conn.execute(
            "select symbol, sum(quantity), sum(cost_basis) from analytics.position_values"
            " where portfolio_id = %s and value_date = %s and quantity <> 0 group by symbol",
            [portfolio_id, session],
        )
    }
    found = []
    for symbol in sorted(stated.keys() | held.keys()):
        theirs, ours = stated.get(symbol), held.get(symbol)
        their_quantity = theirs.quantity if theirs else Decimal(0)
        our_quantity = ours.quantity if ours else Decimal(0)
        if abs(their_quantity - our_quantity) >= _NEXT_TO_NOTHING:
            cause = _cause(conn, portfolio_id, symbol, their_quantity, our_quantity, session)
            found.append(f"{symbol}: {plain(their_quantity)} in the list, {plain(our_quantity)} here: {cause}")
        elif theirs and ours and theirs.unit_cost is not None:
            cost = theirs.unit_cost * abs(theirs.quantity) * theirs.multiplier
            if abs(cost - abs(ours.cost)) > max(_PENNY, _COST_TOLERANCE * cost):
                found.append(
                    f"{symbol}: cost {cost:,.2f} in the list, {abs(ours.cost):,.2f} here: other lots were sold"
                    " (--lots), fees stand elsewhere, or a wash sale was adjusted"
                )
    if cash is not None and abs(cash - balance) >= _PENNY:
        difference = cash - balance
        found.append(
            f"cash: {cash:,.2f} in the list, {balance:,.2f} here, {difference:+,.2f}:"
            f" {_cash_cause(conn, portfolio_id, difference, session)}"
        )
    return found


def _balance(conn: psycopg.Connection[Any], portfolio_id: UUID, name: str, as_of: date) -> tuple[date, Decimal]:
    row = conn.execute(
        "select snapshot_date, cash_value from analytics.portfolio_snapshots"
        " where portfolio_id = %s and snapshot_date <= %s order by snapshot_date desc limit 1",
        [portfolio_id, as_of],
    ).fetchone()
    last = conn.execute(
        "select max(snapshot_date) from analytics.portfolio_snapshots where portfolio_id = %s", [portfolio_id]
    ).fetchone()
    expected = conn.execute(
        "select max(session_date) from raw.trading_sessions where session_date <= %s", [as_of]
    ).fetchone()
    if row is None or (expected and row[0] != expected[0]):
        until = f"to {last[0]}" if last and last[0] else "not at all"
        raise UserError(
            f"{name!r} is rolled {until}, and the list is of {as_of}:"
            f" run `python run_nightly.py backfill --end {as_of}` first"
        )
    return row


def _cause(
    conn: psycopg.Connection[Any], portfolio_id: UUID, symbol: str, theirs: Decimal, ours: Decimal, session: date
) -> str:
    """The most common cause of a difference in quantity."""
    splits = conn.execute(
        "select ex_date, value from raw.corporate_actions where symbol = %s and action_type = 'SPLIT'"
        " and ex_date between %s::date - 400 and %s::date + 10 order by ex_date desc",
        [symbol, session, session],
    ).fetchall()
    for ex_date, ratio in splits:
        if ours and abs(theirs - ours / ratio) < _NEXT_TO_NOTHING:
            return f"the split of {ex_date} counts here and not in the list"
        if ours and abs(theirs - ours * ratio) < _NEXT_TO_NOTHING:
            return f"the split of {ex_date} counts twice or not here"
    if ours and theirs and theirs / ours in {Decimal(ratio) for ratio in (2, 3, 4, 5, 10, 20)}:
        return f"is a {plain(theirs / ours)}:1 split missing? `python run_nightly.py actions add {symbol} …`"
    near = conn.execute(
        "select transaction_type, trade_date, quantity from raw.transactions where portfolio_id = %s and symbol = %s"
        " and trade_date between %s::date - 3 and %s::date + 5 order by trade_date",
        [portfolio_id, symbol, session, session],
    ).fetchall()
    for kind, day, quantity in near:
        if quantity is not None and abs(abs(theirs - ours) - quantity) < _NEXT_TO_NOTHING:
            return f"the {kind} of {day} counts on one side of the day alone"
    ignored = conn.execute(
        "select reason from intermediate.ignored_inputs where portfolio_id = %s and symbol = %s limit 1",
        [portfolio_id, symbol],
    ).fetchone()
    if ignored:
        return str(ignored[0])
    if not ours:
        return "no transaction opens it: a purchase or a TRANSFER_IN is missing"
    if not theirs:
        return "its sale, transfer or expiry is missing here"
    return "a sale is missing here" if abs(theirs) < abs(ours) else "a purchase or a reinvestment is missing here"


def _cash_cause(conn: psycopg.Connection[Any], portfolio_id: UUID, difference: Decimal, session: date) -> str:
    near = conn.execute(
        "select transaction_type, trade_date from raw.transactions where portfolio_id = %s"
        " and abs(abs(cash) - %s) < 0.01 and trade_date between %s::date - 10 and %s::date + 10 limit 1",
        [portfolio_id, abs(difference), session, session],
    ).fetchone()
    if near:
        return f"the {near[0]} of {near[1]} has settled on one side alone"
    dividends = conn.execute(
        "select coalesce(sum(dividend_income), 0) from analytics.position_values"
        " where portfolio_id = %s and value_date between %s::date - 45 and %s",
        [portfolio_id, session, session],
    ).fetchone()
    if dividends and difference < 0 and abs(dividends[0] + difference) < _PENNY:
        return "dividends count here on their ex-date and are not paid yet"
    return "interest, a fee, a deposit or a dividend is missing on one side" + (
        ", or trades have not settled" if abs(difference) > 100 else ""
    )
