"""Follows a portfolio's holdings line by line, to find sales of too much, and the fractions behind cash in lieu.

This only looks ahead for the load's report. The numbers that count are computed in dbt, anew every night.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.books.csv_files import FileProblem
from ingest.books.transactions import IN_LIEU, Line, Move, TransactionFile, moves_of, sold_fraction, spans_of

_NEXT_TO_NOTHING = Decimal("0.000001")
# The largest distance between the cash for a share and a close of those days.
_LIKE_THE_CLOSE = Decimal("0.25")
_DAYS_AFTER_A_SPLIT = timedelta(days=60)


@dataclass(slots=True)
class Followed:
    """The findings: `notes` on fractions that were sold, `warnings` of closes that find nothing to close."""

    notes: list[str] = field(default_factory=list)
    warnings: list[FileProblem] = field(default_factory=list)


class _Step(NamedTuple):
    """The effect of a line on its day; a line loaded earlier belongs to none of the files."""

    portfolio: str
    day: date
    moves: list[Move]
    line: Line | None = None


@dataclass(slots=True)
class _Holding:
    long: Decimal = Decimal(0)
    short: Decimal = Decimal(0)
    splits: list[tuple[date, Decimal]] = field(default_factory=list)
    last_split: date | None = None

    def pass_to(self, day: date) -> None:
        """Go on to a day, and apply the splits until then."""
        while self.splits and self.splits[0][0] <= day:
            self.last_split, ratio = self.splits.pop(0)
            self.long, self.short = self.long * ratio, self.short * ratio

    def move(self, effect: str, side: int, quantity: Decimal) -> Decimal:
        """Open or close; returns the quantity that a close does not find."""
        if effect == "open":
            found = Decimal(0)
        elif effect == "expire":
            found = min(quantity, self.long + self.short)
            of_longs = min(found, self.long)
            self.long, self.short = self.long - of_longs, self.short - (found - of_longs)
        else:
            found = min(quantity, self.short if side > 0 else self.long)
            self.long, self.short = (self.long, self.short - found) if side > 0 else (self.long - found, self.short)
        rest = quantity - found
        if effect in ("open", "flip"):
            self.long, self.short = (self.long + rest, self.short) if side > 0 else (self.long, self.short + rest)
            rest = Decimal(0)
        return rest


def follow(
    conn: psycopg.Connection[Any],
    files: Sequence[TransactionFile],
    portfolio_ids: Mapping[str, UUID],
    *,
    keep: bool = False,
) -> Followed:
    """Walk through the lines of these files, and turn cash in lieu into a sale where the fraction is known.

    The fraction is the part of the holding beyond whole shares, if the cash is about its price. With `keep`, lines
    loaded earlier count too, on the days that the files do not cover.
    """
    lines = [line for file in files for line in file.lines]
    symbols = sorted({symbol for line in lines for symbol in _symbols_of(line)})
    splits, with_events = _actions(conn, symbols)
    holdings: dict[tuple[str, str], _Holding] = {}
    followed = Followed()
    settled: dict[int, Line] = {}
    steps = [_Step(line.portfolio, line.trade_date, moves_of(line), line) for line in lines]
    steps += _loaded(conn, files, portfolio_ids) if keep else []
    for step in sorted(steps, key=lambda step: step.day):
        line, moves = step.line, step.moves
        if line and line.type == IN_LIEU:
            held = _holding(holdings, line.portfolio, _of(line), splits)
            settled[id(line)] = sale = _settled(conn, line, held, followed)
            moves = moves_of(sale)
        for symbol, effect, side, quantity in moves:
            held = _holding(holdings, step.portfolio, symbol, splits)
            held.pass_to(step.day)
            missing = held.move(effect, side, quantity)
            if line and missing > _NEXT_TO_NOTHING and symbol not in with_events:
                followed.warnings.append(_finds_too_little(line, symbol, side, quantity, quantity - missing))
    for file in files if settled else ():
        file.lines = [settled.get(id(line), line) for line in file.lines]
    return followed


def _holding(
    holdings: dict[tuple[str, str], _Holding], portfolio: str, symbol: str, splits: Mapping[str, Sequence]
) -> _Holding:
    if (portfolio, symbol) not in holdings:
        holdings[portfolio, symbol] = _Holding(splits=list(splits.get(symbol, ())))
    return holdings[portfolio, symbol]


def _finds_too_little(line: Line, symbol: str, side: int, quantity: Decimal, found: Decimal) -> FileProblem:
    what = f"{line.type} of {plain(quantity)} {symbol} finds {plain(round(found, 6))}: the rest is left out"
    before = "enter what came before it (a purchase or TRANSFER_IN, a split by `actions add`)"
    cure = f"{before}, or SHORT what opens a short" if side < 0 else before
    return FileProblem(line.file, line.number, "quantity", f"{what}; {cure}")


def _symbols_of(line: Line) -> set[str]:
    return {_of(line), *(symbol for symbol, *_ in moves_of(line))} - {""}


def _of(line: Line) -> str:
    return line.instrument.symbol if line.instrument else ""


def _settled(conn: psycopg.Connection[Any], line: Line, held: _Holding, followed: Followed) -> Line:
    """Turn cash in lieu into the sale of a fraction of the holding, or into income with a warning."""
    held.pass_to(line.trade_date)
    whole = held.long if line.cash >= 0 else held.short
    fraction = round(whole % 1, 10)
    if _NEXT_TO_NOTHING < fraction < 1 - _NEXT_TO_NOTHING and _is_worth(conn, line, fraction, held):
        followed.notes.append(
            f"{line.file}:{line.number}: {plain(abs(line.cash))} in lieu is for {plain(fraction)} {_of(line)}"
        )
        return sold_fraction(line, fraction)
    what = f"{plain(line.cash)} in lieu of a fraction of {_of(line)} counts as income, because its size is not known"
    cure = "write it into the row's quantity, or load the file again once the split is known"
    followed.warnings.append(FileProblem(line.file, line.number, "quantity", f"{what}: {cure}"))
    return replace(line, type="INTEREST" if line.cash > 0 else "FEE", instrument=None)


def _is_worth(conn: psycopg.Connection[Any], line: Line, fraction: Decimal, held: _Holding) -> bool:
    """Whether the cash is about the fraction's value; without a close, whether a split has just made the fraction."""
    row = conn.execute(
        "select close from raw.market_data_cache where symbol = %s and price_date <= %s and price_date > %s::date - 10"
        " order by price_date desc limit 1",
        [_of(line), line.trade_date, line.trade_date],
    ).fetchone()
    if row and row[0]:
        return bool(abs(abs(line.cash) / fraction / row[0] - 1) <= _LIKE_THE_CLOSE)
    return held.last_split is not None and line.trade_date - held.last_split <= _DAYS_AFTER_A_SPLIT


def _actions(
    conn: psycopg.Connection[Any], symbols: Sequence[str]
) -> tuple[dict[str, list[tuple[date, Decimal]]], set[str]]:
    """Splits of these symbols in their order, and which of them an event has touched."""
    splits: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    with_events: set[str] = set()
    for symbol, new_symbol, ex_date, kind, value in conn.execute(
        "select symbol, new_symbol, ex_date, action_type, value::numeric from raw.corporate_actions"
        " where (symbol = any(%(symbols)s) or new_symbol = any(%(symbols)s)) and action_type <> 'DIVIDEND'"
        " order by ex_date",
        {"symbols": list(symbols)},
    ):
        if kind == "SPLIT":
            splits[symbol].append((ex_date, value))
        else:
            with_events |= {symbol, new_symbol}
    return splits, with_events


def _loaded(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[_Step]:
    """The effects of loaded lines that stay beside those of the files."""
    spans = spans_of(files)
    names = {portfolio_ids[name]: name for name, _, _ in spans}
    return [
        _Step(names[portfolio_id], day, [Move(*move)])
        for portfolio_id, day, *move in conn.execute(
            "select portfolio_id, trade_date, symbol, effect, side, quantity from raw.transactions"
            " where portfolio_id = any(%s) and effect not in ('cash', 'none') order by trade_date, sequence",
            [list(names)],
        )
        if not any(name == names[portfolio_id] and first <= day <= last for name, first, last in spans)
    ]
