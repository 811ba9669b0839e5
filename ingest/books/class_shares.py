"""Class shares with or without a dot: BRKB and BRK.B are the same, and the market data say which one they use."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import psycopg

from ingest.books.instruments import Instrument, other_spelling
from ingest.books.layouts.positions import BrokerStatement
from ingest.books.lots import PositionFile
from ingest.books.transactions import TransactionFile


def known_spellings(conn: psycopg.Connection[Any], symbols: Iterable[str]) -> dict[str, str]:
    """Map each symbol that the market knows only in the other spelling to that spelling."""
    others = {symbol: other for symbol in symbols if (other := other_spelling(symbol))}
    if not others:
        return {}
    known = {
        symbol
        for (symbol,) in conn.execute(
            """
            select symbol from unnest(%s::text[]) as asked (symbol)
            where
                exists (select 1 from raw.market_data_cache as bar where bar.symbol = asked.symbol)
                or exists (select 1 from raw.company_profiles as profile where profile.symbol = asked.symbol)
            """,
            [sorted({*others, *others.values()})],
        )
    }
    return {symbol: other for symbol, other in others.items() if other in known and symbol not in known}


def settle_positions(conn: psycopg.Connection[Any], positions: PositionFile) -> None:
    """Give the lots of a position file the spelling that the market knows, and note it."""
    listed = [lot for lot in positions.lots if lot.investment_class != "PRIVATE"]
    known = known_spellings(conn, {symbol for lot in listed for symbol in _names(Instrument(lot.symbol, lot.contract))})
    held = {(lot.portfolio, lot.symbol, lot.entry_date) for lot in positions.lots}
    for place, lot in enumerate(positions.lots):
        if lot.investment_class == "PRIVATE":
            continue
        settled = settle(Instrument(lot.symbol, lot.contract), known)
        if (settled.symbol, settled.contract) == (lot.symbol, lot.contract):
            continue
        if settled.symbol != lot.symbol and (lot.portfolio, settled.symbol, lot.entry_date) in held:
            what = f"{lot.symbol} is {settled.symbol}, of which a lot of {lot.entry_date} is there: merge them"
            positions.csv.report(lot.line, "Symbol", what)
        positions.lots[place] = replace(lot, symbol=settled.symbol, contract=settled.contract)
    positions.csv.notes += notes_of(known)


def settle_transactions(conn: psycopg.Connection[Any], files: Iterable[TransactionFile]) -> list[str]:
    """Give the lines of these files the spelling that the market knows; returns notes."""
    files = list(files)
    lines = [line for file in files for line in file.lines]
    known = known_spellings(conn, {name for line in lines if line.instrument for name in _names(line.instrument)})
    for file in files if known else ():
        file.lines = [
            replace(line, instrument=settle(line.instrument, known)) if line.instrument else line for line in file.lines
        ]
    return notes_of(known)


def settle_statements(conn: psycopg.Connection[Any], statements: Iterable[BrokerStatement]) -> None:
    """Give the lots of these position lists the spelling that the market knows, and note it."""
    for statement in statements:
        known = known_spellings(conn, {name for lot in statement.lots for name in _names(lot.instrument)})
        statement.lots = [replace(lot, instrument=settle(lot.instrument, known)) for lot in statement.lots]
        statement.notes += notes_of(known)


def settle(instrument: Instrument, known: dict[str, str]) -> Instrument:
    """Return an instrument in the known spelling; for an option, that of its underlying."""
    contract = instrument.contract
    if not contract:
        return replace(instrument, symbol=known.get(instrument.symbol, instrument.symbol))
    underlying = known.get(contract.underlying_symbol, contract.underlying_symbol)
    return replace(instrument, contract=replace(contract, underlying_symbol=underlying))


def notes_of(known: dict[str, str]) -> list[str]:
    """Say which symbols were replaced, and by which."""
    return [f"{written} is loaded as {symbol}, as the market knows it" for written, symbol in sorted(known.items())]


def _names(instrument: Instrument) -> tuple[str]:
    return (instrument.contract.underlying_symbol if instrument.contract else instrument.symbol,)
