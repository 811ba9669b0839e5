"""Corporate events and the lots around them: options left behind, lots that may count twice, events half told."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import psycopg

from ingest.market.known_events import DAYS_AFTER, DAYS_BEFORE
from ingest.rows import DELISTING, MERGER, RENAME, SPINOFF
from nightly.record import RunProblem

# A company that is listed on the day of its entry has a price within this many days.
_DAYS_WITHOUT_PRICE = 7


def find_problems(conn: psycopg.Connection) -> list[RunProblem]:
    """Warnings: about options every night, about the rest only for what was rolled now, so as not to repeat them."""
    return [*find_unfollowed(conn), *_told_twice(conn), *_without_earlier_prices(conn), *_without_value(conn)]


def find_unfollowed(conn: psycopg.Connection) -> list[RunProblem]:
    """A warning for each event of an underlying in the life of options on it: how far they follow it."""
    rows = conn.execute(
        """
        select distinct events.symbol, events.ex_date, events.action_type
        from raw.corporate_actions as events
        inner join raw.position_terms as options
            on
                events.symbol = options.underlying_symbol
                and options.entry_date < events.ex_date
                and options.expiration_date >= events.ex_date
                and options.deleted_at is null
        where events.action_type = any(%s)
        order by 1, 2
        """,
        [[RENAME, MERGER, SPINOFF, DELISTING]],
    )
    return [
        RunProblem(symbol, _of_options(action_type, ex_date), "warning", "2") for symbol, ex_date, action_type in rows
    ]


def _of_options(action_type: str, ex_date: date) -> str:
    if action_type == RENAME:
        return (
            f"options on it follow the RENAME of {ex_date}, and settle by closes of the new name; their own closes"
            " continue under a symbol of that name: load them under it, until then they stay at their last close"
        )
    return (
        f"options on it are adjusted contracts since the {action_type} of {ex_date}, with other shares or cash to"
        " deliver, and do not follow it: close them on that day and load what they have become"
    )


def _told_twice(conn: psycopg.Connection) -> list[RunProblem]:
    """Lots in what an event handed out, entered around its day, beside the lot that it was handed out for."""
    rows = conn.execute(
        """
        select distinct on (portfolios.name, stages.symbol, entered.entry_date)
            portfolios.name,
            stages.symbol,
            entered.entry_date,
            stages.what_happened
        from ops.roll_forward_window as due
        inner join raw.portfolios as portfolios on due.portfolio_id = portfolios.portfolio_id
        inner join intermediate.lot_stages as stages on due.portfolio_id = stages.portfolio_id
        inner join intermediate.sessions as happened on stages.from_session_number = happened.session_number
        inner join raw.position_terms as entered
            on
                stages.portfolio_id = entered.portfolio_id
                and stages.symbol = entered.symbol
                and entered.entry_date between happened.session_date - %s and happened.session_date + %s
        where
            (stages.is_birth or (stages.is_event and stages.price_key <> stages.previous_price_key))
            and entered.position_id not in (stages.position_id, stages.root_position_id)
            and entered.investment_class = 'PUBLIC'
            and entered.deleted_at is null
            and greatest(happened.session_date, entered.entry_date) >= due.first_session
        order by portfolios.name, stages.symbol, entered.entry_date, stages.from_session_number
        """,
        [DAYS_BEFORE, DAYS_AFTER],
    )
    return [
        RunProblem(
            f"{name}, {symbol} of {entry_date}",
            f"{what_happened}, and the lots held then have these shares already: if this lot is the same shares, delete"
            " it, or take the event back with `python run_nightly.py actions dismiss`; if it was bought, all is well",
            "warning",
            "2",
        )
        for name, symbol, entry_date, what_happened in rows
    ]


def _without_earlier_prices(conn: psycopg.Connection) -> list[RunProblem]:
    """Lots held before their symbol's first price, as when a company was renamed and that was not told."""
    rows = conn.execute(
        """
        select distinct portfolios.name, lots.first_symbol, entered.entry_date, priced.first_date
        from ops.roll_forward_window as due
        inner join raw.portfolios as portfolios on due.portfolio_id = portfolios.portfolio_id
        inner join intermediate.lots as lots on due.portfolio_id = lots.portfolio_id
        inner join raw.position_terms as entered on lots.position_id = entered.position_id
        inner join intermediate.sessions as held on lots.first_session_number = held.session_number
        cross join lateral (
            select min(price_date) as first_date
            from (
                (
                    select price_date from raw.market_data_cache
                    where lots.price_key = market_data_cache.symbol
                    order by price_date
                    limit 1
                )
                union all
                (
                    select price_date from intermediate.stitched_prices
                    where lots.price_key = stitched_prices.price_key
                    order by price_date
                    limit 1
                )
            ) as earliest
        ) as priced
        where
            lots.investment_class = 'PUBLIC'
            and priced.first_date > held.session_date + %s
            and held.session_date >= due.first_session
        order by portfolios.name, lots.first_symbol, entered.entry_date
        """,
        [_DAYS_WITHOUT_PRICE],
    )
    return [
        RunProblem(
            f"{name}, {symbol} of {entry_date}",
            f"no price before {first_date}, so it stands at its cost until then: if the company had another name,"
            f" enter it with `python run_nightly.py actions add OLD DATE RENAME --new-symbol {symbol}`; otherwise check"
            " the symbol and the entry date",
            "warning",
            "2",
        )
        for name, symbol, entry_date, first_date in rows
    ]


def _without_value(conn: psycopg.Connection) -> list[RunProblem]:
    """Delistings that lots were rolled through without a value: they stay at their last price until one is told."""
    rows = conn.execute(
        """
        select
            delisted.symbol,
            delisted.ex_date,
            delisted.previous_price,
            delisted.previous_price_date,
            count(distinct stages.position_id)
        from ops.roll_forward_window as due
        inner join intermediate.lot_stages as stages on due.portfolio_id = stages.portfolio_id
        inner join intermediate.corporate_events as delisted
            on
                stages.previous_price_key = delisted.price_key
                and stages.from_session_number = delisted.session_number
        inner join intermediate.sessions as happened on delisted.session_number = happened.session_number
        where
            stages.is_event
            and delisted.event_type = 'DELISTING'
            and happened.session_date between due.first_session and due.last_session
        group by delisted.symbol, delisted.ex_date, delisted.previous_price, delisted.previous_price_date
        order by delisted.ex_date, delisted.symbol
        """
    )
    return [
        RunProblem(
            symbol,
            f"delisted on {ex_date} without a value: {lots:,} {'lot stays' if lots == 1 else 'lots stay'} at"
            f" {_last_price(price, price_date)} until you enter what a share gives, in USD, 0 for nothing:"
            f" `python run_nightly.py actions add {symbol} {ex_date} {DELISTING} VALUE`",
            "warning",
            "2",
        )
        for symbol, ex_date, price, price_date, lots in rows
    ]


def _last_price(price: Decimal | None, price_date: date | None) -> str:
    return "their cost" if price is None else f"the price of {price_date}, {price.normalize():f},"
