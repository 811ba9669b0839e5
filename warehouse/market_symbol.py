"""The symbol whose prices and statistics a position has; for dbt, `dbt_project/macros/market_symbol.sql` says it."""

from typing import LiteralString


def market_symbol(positions: LiteralString, held: LiteralString = "") -> LiteralString:
    """SQL for it: an option has its underlying's, all else its own.

    It says nothing of private holdings, which have none: whoever asks leaves them out.

    Args:
        positions: the relation with a position's terms.
        held: the relation with the symbol that it is held under that day, where that is another one: after a spin-off
            it may be in no book, and has no terms.
    """
    return f"coalesce({positions}.underlying_symbol, {held or positions}.symbol)"
