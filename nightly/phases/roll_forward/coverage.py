"""How much of the book, by value, the prices of the trade date cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from nightly.record import Problem
from warehouse.phrases import and_more

REQUIRED_SHARE = 0.9


def measure(conn: psycopg.Connection, trade_date: date, portfolio_ids: Sequence[UUID]) -> dict[str, Any] | None:
    """The share of |market value| at the trade date whose price is of that session, and the symbols whose is not.

    Private holdings do not count: nobody quotes them. None where the portfolios hold nothing that is quoted.
    """
    stale = conn.cursor(row_factory=dict_row).execute(
        """
        with book as (
            select
                position_values.symbol,
                to_char(min(position_values.price_date), 'YYYY-MM-DD') as price_date,
                sum(abs(position_values.market_value)) as value,
                bool_or(position_values.is_stale) as is_stale
            from analytics.position_values
            inner join raw.position_terms as positions on position_values.position_id = positions.position_id
            where
                position_values.value_date = %s
                and position_values.portfolio_id = any(%s)
                and positions.investment_class <> 'PRIVATE'
                and position_values.quantity <> 0
            group by position_values.symbol
        )
        select symbol, price_date, is_stale, (value / nullif(sum(value) over (), 0))::float as share
        from book
        order by value desc, symbol
        """,
        (trade_date, list(portfolio_ids)),
    )
    book = stale.fetchall()
    if not book or book[0]["share"] is None:
        return None
    missing = [row for row in book if row.pop("is_stale")]
    return {"fresh_share": 1 - sum(row["share"] for row in missing), "stale": missing}


def find_problems(measured: Mapping[str, Any] | None, trade_date: date) -> list[Problem]:
    """An error of the run when too little of the book has a fresh price, a warning when some of it has none."""
    if not measured or not measured["stale"]:
        return []
    share = measured["fresh_share"]
    named = [f"{row['symbol']} ({_since(row['price_date'])}, {row['share']:.1%})" for row in measured["stale"]]
    low = share < REQUIRED_SHARE
    return [
        Problem(
            "coverage",
            f"prices of {trade_date} cover {share:.1%} of the book by value"
            + (f", {REQUIRED_SHARE:.0%} are required" if low else "")
            + f"; valued at older prices: {and_more(named)}",
            "error" if low else "warning",
        )
    ]


def _since(price_date: str | None) -> str:
    return f"since {price_date}" if price_date else "never priced, at cost"
