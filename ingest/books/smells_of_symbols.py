"""A load's warnings about symbols that no source knows."""

from collections.abc import Sequence
from typing import Any

import psycopg

from ingest.books.csv_files import FileProblem
from ingest.symbols import parse_option_symbol


def unknown_symbols(
    conn: psycopg.Connection[Any], told: Sequence[tuple[str, int, str]], column: str
) -> list[FileProblem]:
    """Symbols that no source has, after all were asked."""
    symbols = sorted({symbol for _, _, symbol in told})
    adjusted = _adjusted_options(conn, symbols)
    unknown = {
        symbol
        for (symbol,) in conn.execute(
            """
            select symbol
            from ops.fetch_state
            where symbol = any(%s) and kind = 'prices' and next_attempt_at is not null
            group by symbol
            having not exists (select 1 from raw.market_data_cache as bar where bar.symbol = fetch_state.symbol)
            """,
            [symbols],
        )
    }
    first: dict[str, tuple[str, int]] = {}
    for file, line, symbol in told:
        if symbol in unknown or symbol in adjusted:
            first.setdefault(symbol, (file, line))
    return [
        FileProblem(
            file,
            line,
            column,
            f"{symbol} looks like {adjusted[symbol]}'s adjusted options, which deliver something else than 100 shares,"
            f" and no price of that root is known: write {adjusted[symbol]} if the digit is a slip, or hold an adjusted"
            " option as PRIVATE with marks of your own"
            if symbol in adjusted
            else f"no source knows {symbol}: is it spelt as it trades, or has it been renamed?",
        )
        for symbol, (file, line) in first.items()
    ]


def _adjusted_options(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> dict[str, str]:
    """Return the symbols whose root is like AAPL1 and has no price, where AAPL is held too or has one; with that name.

    After a split or merger the old contracts get a digit after their root.
    """
    options = ((symbol, parse_option_symbol(symbol)) for symbol in symbols)
    roots = {symbol: option.underlying_symbol if option else symbol for symbol, option in options}
    names = {root: root[:-1] for root in roots.values() if root[:-1].isalpha() and root[-1].isdigit()}
    if not names:
        return {}
    priced = {
        symbol
        for (symbol,) in conn.execute(
            "select distinct symbol from raw.market_data_cache where symbol = any(%s)",
            [[*names, *names.values()]],
        )
    }
    known = priced.union(roots.values())
    return {
        symbol: names[root]
        for symbol, root in roots.items()
        if root in names and root not in priced and names[root] in known
    }
