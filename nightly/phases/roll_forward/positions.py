"""What phases 2.5 and 2.75 report of positions: old prices, missing values, and who chose the sector tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from warehouse.phrases import and_more
from warehouse.queries import fetch_one


def read_values(conn: psycopg.Connection, portfolio_ids: Sequence[UUID]) -> dict[str, Any]:
    """The positions held that are valued at an old price or none, and those without any value, by symbol.

    `stale`: of positions held at their portfolio's last session, with the date of the price (None: never priced, at
    cost) and of a delisting without a value, if there was one. `without_value`: of positions that have had no session
    yet, or never will, with the reason.
    """
    rows = conn.cursor(row_factory=dict_row)
    stale = rows.execute(
        """
        with stale as materialized (
            select
                positions.symbol,
                positions.price_date,
                positions.entry_date,
                positions.as_of_date
            from analytics.positions as positions
            inner join ops.roll_forward_state as state
                on positions.portfolio_id = state.portfolio_id and positions.as_of_date = state.last_session
            inner join analytics.position_values as held
                on
                    positions.portfolio_id = held.portfolio_id
                    and positions.position_id = held.position_id
                    and positions.as_of_date = held.value_date
            where positions.is_stale and held.quantity <> 0 and positions.portfolio_id = any(%s)
        )

        select
            positions.symbol,
            to_char(positions.price_date, 'YYYY-MM-DD') as price_date,
            to_char(delisted.ex_date, 'YYYY-MM-DD') as delisted_on,
            count(*) as positions
        from stale as positions
        left join lateral (
            select max(delisting.ex_date) as ex_date
            from raw.corporate_actions as delisting
            where
                delisting.symbol = positions.symbol
                and delisting.value_pending
                and delisting.ex_date > positions.entry_date
                and delisting.ex_date <= positions.as_of_date
        ) as delisted on true
        group by positions.symbol, positions.price_date, delisted.ex_date
        order by positions.price_date nulls first, positions.symbol
        """,
        (list(portfolio_ids),),
    ).fetchall()
    without_value = rows.execute(
        """
        select symbol, reason, count(*) as positions
        from (
            select
                positions.symbol,
                case
                    when state.last_session is null then format('its portfolio begins on %%s', inception_date)
                    when positions.entry_date > state.last_session then format('entered on %%s', positions.entry_date)
                    when lots.position_id is null and positions.entry_date < portfolios.inception_date
                        then 'gone before its portfolio began'
                    when lots.position_id is null then 'no session while it was held'
                    else 'not rolled yet'
                end as reason
            from analytics.positions as positions
            inner join raw.portfolios as portfolios on positions.portfolio_id = portfolios.portfolio_id
            left join ops.roll_forward_state as state on positions.portfolio_id = state.portfolio_id
            left join intermediate.lots as lots on positions.position_id = lots.position_id
            where positions.as_of_date is null and positions.portfolio_id = any(%s)
        ) as explained
        group by symbol, reason
        order by symbol, reason
        """,
        (list(portfolio_ids),),
    ).fetchall()
    return {"stale": stale, "without_value": without_value}


def describe_values(stale: Sequence[Mapping[str, Any]], without_value: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each of the two, where there is any."""
    old = [(each, _why_stale(each)) for each in stale]
    none = [(each, each["reason"]) for each in without_value]
    return [*_line("stale", old), *_line("without a value", none)]


def read_tags(conn: psycopg.Connection, portfolio_ids: Sequence[UUID]) -> dict[str, Any]:
    """How many positions have their profile's sector, how many one that a person chose; and the symbols without any."""
    (profile, manual, untagged) = fetch_one(
        conn.execute(
            """
        select
            count(*) filter (where tags.source = 'profile'),
            count(*) filter (where tags.source = 'manual'),
            coalesce(array_agg(distinct positions.symbol) filter (where tags.source is null), '{}')
        from analytics.positions as positions
        left join analytics.position_sector_tags as tags on positions.position_id = tags.position_id
        where positions.deleted_at is null and positions.portfolio_id = any(%s)
        """,
            (list(portfolio_ids),),
        )
    )
    return {"profile": profile, "manual": manual, "untagged": untagged}


def describe_tags(profile: int, manual: int, untagged: Sequence[str]) -> list[str]:
    """One line: whose choice the tags are, and who has none."""
    parts = [f"{profile:,} by profile"] if profile else []
    parts += [f"{manual:,} chosen by a person and kept"] if manual else []
    parts += [f"none for {and_more(untagged)} (no profile names a sector)"] if untagged else []
    return [f"sectors of positions: {', '.join(parts)}"] if parts else []


def _why_stale(symbol: Mapping[str, Any]) -> str:
    priced = f"no price since {symbol['price_date']}" if symbol["price_date"] else "never priced, at cost"
    delisted_on = symbol.get("delisted_on")
    return f"{priced}: delisted on {delisted_on}, its value is not told yet" if delisted_on else priced


def _line(what: str, explained: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    if not explained:
        return []
    total = sum(each["positions"] for each, _ in explained)
    return [f"{total:,} {what}: " + and_more([f"{each['symbol']} ({reason})" for each, reason in explained])]
