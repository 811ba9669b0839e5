"""How many shares a share has become by splits; for dbt, `split_growth` has it by session."""

from typing import LiteralString


def share_growth(symbol: LiteralString, after: LiteralString, through: LiteralString) -> LiteralString:
    """SQL for the product of a symbol's split ratios after a day up to another, that one included; 1 without any.

    Args:
        symbol: SQL for the symbol.
        after: SQL for the day whose shares are counted. Its own split has taken place.
        through: SQL for the day in whose shares the result is.
    """
    return f"""(
        select intermediate.product_of_ratios(split.value)
        from raw.corporate_actions as split
        where
            split.symbol = {symbol}
            and split.action_type = 'SPLIT'
            and split.ex_date > {after}
            and split.ex_date <= {through}
    )"""
