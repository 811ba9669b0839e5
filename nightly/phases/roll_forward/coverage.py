"""How much of the book, by value, the prices of the trade date cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from nightly.record import RunProblem
from warehouse.phrases import and_more

REQUIRED_SHARE = 0.9


def measure(conn: psycopg.Connection, trade_date: date, portfolio_ids: Sequence[UUID]) -> dict[str, Any] | None:
    """The share of |market value| at the trade date that has a price of that session, and the symbols without one.

    `portfolios` has the shares of those portfolios that lack some. Private holdings and what was delisted
    do not count: nobody quotes them. None where the portfolios hold nothing that is quoted.
    """
    rows = (
        conn.cursor(row_factory=dict_row)
        .execute(
            """
            select
                portfolios.name,
                position_values.symbol,
                min(position_values.price_date) as price_date,
                sum(abs(position_values.market_value)) as value,
                bool_or(position_values.is_stale) as is_stale
            from analytics.position_values
            left join raw.position_terms as positions on position_values.position_id = positions.position_id
            inner join raw.portfolios on position_values.portfolio_id = portfolios.portfolio_id
            left join (
                select symbol, max(ex_date) as ex_date from raw.corporate_actions
                where value_pending and ex_date <= %s
                group by symbol
            ) as delisted on position_values.symbol = delisted.symbol
            where
                position_values.value_date = %s
                and position_values.portfolio_id = any(%s)
                and positions.investment_class is distinct from 'PRIVATE'
                and position_values.quantity <> 0
                and not (
                    position_values.is_stale
                    and coalesce(delisted.ex_date > coalesce(positions.entry_date, '-infinity'), false)
                )
            group by portfolios.name, position_values.symbol
            """,
            (trade_date, trade_date, list(portfolio_ids)),
        )
        .fetchall()
    )
    total = sum(row["value"] for row in rows)
    if not total:
        return None
    stale: dict[str, dict[str, Any]] = {}
    fresh: dict[str, Decimal] = {}
    whole: dict[str, Decimal] = {}
    for row in rows:
        whole[row["name"]] = whole.get(row["name"], Decimal(0)) + row["value"]
        if row["is_stale"]:
            found = stale.setdefault(row["symbol"], {"symbol": row["symbol"], "price_date": None, "value": 0})
            found["price_date"] = row["price_date"] and row["price_date"].isoformat()
            found["value"] += row["value"]
        else:
            fresh[row["name"]] = fresh.get(row["name"], Decimal(0)) + row["value"]
    missing = sorted(stale.values(), key=lambda row: (-row["value"], row["symbol"]))
    for row in missing:
        row["share"] = float(row.pop("value") / total)
    portfolios = {
        name: float(fresh.get(name, Decimal(0)) / value)
        for name, value in sorted(whole.items())
        if value and fresh.get(name, Decimal(0)) < value
    }
    return {"fresh_share": 1 - sum(row["share"] for row in missing), "stale": missing, "portfolios": portfolios}


def find_problems(measured: Mapping[str, Any] | None, trade_date: date) -> list[RunProblem]:
    """An error of the run if too little of all books, or of one, has a fresh price; a warning if any of it has none."""
    if not measured or not measured["stale"]:
        return []
    share = measured["fresh_share"]
    named = [f"{row['symbol']} ({_since(row['price_date'])}, {row['share']:.1%})" for row in measured["stale"]]
    low = share < REQUIRED_SHARE
    short = {name: of_one for name, of_one in measured["portfolios"].items() if of_one < REQUIRED_SHARE}
    of_books = ", ".join(f"{name} {of_one:.1%}" for name, of_one in short.items())
    problems = [
        RunProblem(
            "coverage",
            f"prices of {trade_date} cover {share:.1%} of the book by value"
            + (f", {REQUIRED_SHARE:.0%} are required" if low else "")
            + f"; valued at older prices: {and_more(named)}"
            + (f"; by portfolio: {of_books}" if low and len(measured["portfolios"]) > 1 else ""),
            "error" if low else "warning",
        )
    ]
    if not low:  # otherwise the single error names them
        problems += [
            RunProblem(
                f"coverage of {name}",
                f"prices of {trade_date} cover {of_one:.1%} of this portfolio by value, {REQUIRED_SHARE:.0%} are"
                " required",
            )
            for name, of_one in short.items()
        ]
    return problems


def _since(price_date: str | None) -> str:
    return f"since {price_date}" if price_date else "never priced, at cost"
