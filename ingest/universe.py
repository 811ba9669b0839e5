"""Which symbols a run needs prices of, and for which sessions."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import psycopg

from ingest.share_growth import share_growth
from warehouse.errors import UserError
from warehouse.market_symbol import market_symbol

BENCHMARK = "SPY"

# A lot that begins on a session without a price is valued at the last earlier close: ask for some sessions before it.
_SESSIONS_BEFORE_A_LOT = 10


class Role(StrEnum):
    """Why a symbol is needed, the strongest reason first."""

    HOLDING = "holding"
    OPTION = "option"
    UNDERLYING = "underlying"
    BENCHMARK = "benchmark"
    FACTOR = "factor ETF"


_STRENGTH = {role: place for place, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class ActiveSymbol:
    """A symbol and the sessions, first and last included, whose prices a run needs.

    `expires` is the session that settles an option: a price of it is welcome, and none is no miss.
    """

    symbol: str
    role: Role
    first: date
    last: date
    expires: date | None = None


# A lot needs prices from the close before it (a carried-in lot joins at the close before inception) up to its exit, its
# expiration, or the close that leaves nothing. It matters if it lasts into the run, or if the roll-forward still has to
# take it in. Whether closes leave nothing depends on splits, which come with prices. So this is believed only where the
# splits up to then are known; in doubt a lot is open.
_NEEDS = f"""
with recursive lots as (
    select
        lot.position_id,
        lot.portfolio_id,
        lot.symbol,
        lot.underlying_symbol,
        lot.investment_class = 'OPTIONS' as is_option,
        lot.quantity,
        greatest(lot.entry_date, portfolio.inception_date) as joined_on,
        greatest(lot.entry_date, portfolio.inception_date, lot.shares_as_of) as share_date,
        case
            when lot.entry_date < portfolio.inception_date then portfolio.inception_date - 1 else lot.entry_date
        end as first_date,
        expiry.session_date as expires,
        least(
            (select min(session_date) from raw.trading_sessions where session_date >= lot.exit_date),
            expiry.session_date,
            %(end)s
        ) as last_date
    from raw.positions as lot
    inner join raw.portfolios as portfolio using (portfolio_id)
    left join lateral (
        select max(session_date) as session_date from raw.trading_sessions
        where session_date <= lot.expiration_date
    ) as expiry on true
    where
        lot.deleted_at is null
        and portfolio.deleted_at is null
        and lot.investment_class <> 'PRIVATE'
        and (%(portfolio_ids)s::uuid[] is null or lot.portfolio_id = any(%(portfolio_ids)s))
        and greatest(lot.entry_date, portfolio.inception_date) <= %(end)s
),

closed_lots as (
    select lots.position_id, max(event.trade_date) as last_date
    from lots
    inner join raw.position_realized_events as event on event.position_id = lots.position_id
    cross join lateral (
        select
            case
                when lots.is_option then 1
                else {share_growth("lots.symbol", "lots.share_date", "event.trade_date")}
            end as growth
    ) as since_first_day
    where event.trade_date between lots.joined_on and %(end)s
    group by lots.position_id, lots.symbol, lots.quantity
    having
        sum(event.quantity_closed / since_first_day.growth) > abs(lots.quantity) - 0.000001
        and exists (
            select 1 from raw.market_data_cache as bar
            where bar.symbol = lots.symbol and bar.price_date >= max(event.trade_date)
        )
),

-- what a broker's lines trade, from the first of them to the one that leaves nothing
traded as (
    select
        line.portfolio_id,
        line.symbol,
        line.underlying_symbol,
        line.investment_class = 'OPTIONS' as is_option,
        min(line.trade_date) as first_date,
        max(line.trade_date) as last_date,
        max(line.expiration_date) filter (where line.option_type is not null) as expiration_date,
        sum(line.side * line.quantity / until_then.growth) as left_over
    from raw.transactions as line
    inner join raw.portfolios as portfolio using (portfolio_id)
    cross join lateral (
        select
            case
                when line.investment_class = 'OPTIONS' then 1
                else {share_growth("line.symbol", "'-infinity'", "line.trade_date")}
            end as growth
    ) as until_then
    where
        line.effect not in ('cash', 'none')
        and portfolio.deleted_at is null
        and (%(portfolio_ids)s::uuid[] is null or line.portfolio_id = any(%(portfolio_ids)s))
        and line.trade_date <= %(end)s
    group by line.portfolio_id, line.symbol, line.underlying_symbol, is_option
),

lives as (
    select
        lots.position_id,
        lots.portfolio_id,
        lots.symbol,
        lots.underlying_symbol,
        lots.is_option,
        lots.expires,
        lots.first_date,
        least(
            lots.last_date,
            (select min(session_date) from raw.trading_sessions where session_date >= closed_lots.last_date)
        ) as last_date
    from lots
    left join closed_lots using (position_id)
    union all
    select
        null,
        traded.portfolio_id,
        traded.symbol,
        traded.underlying_symbol,
        traded.is_option,
        expiry.session_date,
        traded.first_date,
        least(
            case
                when
                    abs(traded.left_over) < 0.000001
                    and exists (
                        select 1 from raw.market_data_cache as bar
                        where bar.symbol = traded.symbol and bar.price_date >= traded.last_date
                    )
                    then (select min(session_date) from raw.trading_sessions where session_date >= traded.last_date)
            end,
            expiry.session_date,
            %(end)s
        )
    from traded
    left join lateral (
        select max(session_date) as session_date from raw.trading_sessions
        where session_date <= traded.expiration_date
    ) as expiry on true
),

-- a name that was delisted has no price from then on, unless it goes on under another
delisted as (
    select
        event.symbol,
        event.ex_date,
        (
            select max(session_date) from raw.trading_sessions
            where session_date < event.ex_date
        ) as last_date
    from raw.corporate_actions as event
    where
        event.value_pending
        and not exists (
            select 1 from raw.corporate_actions as later
            where
                later.symbol = event.symbol
                and later.new_symbol is not null
                and later.ex_date > event.ex_date
                and later.ex_date <= %(end)s
        )
),

quoted as (
    select
        lives.*,
        least(
            lives.last_date,
            (
                select min(delisted.last_date) from delisted
                where not lives.is_option and delisted.symbol = lives.symbol and delisted.ex_date > lives.first_date
            )
        ) as quoted_until
    from lives
),

lots_that_matter as (
    select *
    from quoted as lives
    left join ops.roll_forward_state as state using (portfolio_id)
    where
        lives.first_date <= lives.last_date
        and (
            lives.quoted_until >= %(start)s
            or state.last_session is null
            or state.last_session < lives.quoted_until
            or exists (
                select 1 from ops.input_changes as change
                where
                    change.rolled_at is null
                    and (
                        change.position_id = lives.position_id
                        or (change.input in ('portfolio', 'transaction') and change.portfolio_id = lives.portfolio_id)
                    )
            )
        )
),

-- what events make of it, and under what other name a source may have it
linked as (
    select
        {market_symbol("lots_that_matter")} as symbol,
        is_option,
        first_date,
        last_date,
        false as is_by_event
    from lots_that_matter
    union
    select other.symbol, linked.is_option, other.first_date, other.last_date, true
    from linked
    cross join lateral (
        select
            event.new_symbol as symbol,
            case event.action_type
                when 'RENAME' then linked.first_date else greatest(event.ex_date, linked.first_date)
            end as first_date,
            case event.action_type when 'SPINOFF' then %(end)s::date else linked.last_date end as last_date
        from raw.corporate_actions as event
        where
            event.symbol = linked.symbol
            and event.new_symbol is not null
            and event.ex_date >= linked.first_date
            and event.ex_date <= %(end)s
        union all
        select event.symbol, linked.first_date, linked.last_date
        from raw.corporate_actions as event
        where
            event.new_symbol = linked.symbol
            and event.action_type = 'RENAME'
            and event.ex_date >= linked.first_date
            and event.ex_date <= %(end)s
    ) as other
),

needed as (
    select
        symbol,
        case when is_option then 'option' else 'holding' end as role,
        first_date,
        last_date,
        case when is_option then expires end as expires
    from lots_that_matter
    union all
    select underlying_symbol, 'underlying', first_date, last_date, null
    from lots_that_matter
    where is_option
    union all
    select symbol, case when is_option then 'underlying' else 'holding' end, first_date, last_date, null
    from linked
    where is_by_event
)

select
    needed.symbol,
    needed.role,
    min(needed.first_date),
    max(
        least(
            needed.last_date,
            (
                select min(delisted.last_date) from delisted
                where delisted.symbol = needed.symbol and delisted.ex_date > needed.first_date
            )
        )
    ),
    max(needed.expires)
from needed
group by 1, 2
union all
-- from the close before inception, like a lot carried in
select benchmark, 'benchmark', min(inception_date) - 1, %(end)s, null
from raw.portfolios
where
    deleted_at is null
    and inception_date <= %(end)s
    and (%(portfolio_ids)s::uuid[] is null or portfolio_id = any(%(portfolio_ids)s))
group by 1
union all
select distinct symbol, 'factor ETF', %(start)s, %(end)s, null::date
from analytics.factor_definitions
cross join string_to_table(symbols, ' ') as symbol
where symbol <> ''
order by 1
"""


def active_symbols(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    *,
    calendar: Sequence[date],
    history_sessions: int,
    portfolio_ids: Sequence[UUID] | None = None,
) -> list[ActiveSymbol]:
    """Return what a run of the sessions `start` to `end` needs, by symbol; private holdings are never among it.

    Holdings, underlyings of options, benchmarks and the factor ETFs are needed from `history_sessions` sessions before
    `start`; a lot from shortly before its own first session and a portfolio's benchmark from before its inception, if
    that is earlier; options have a life and no history. `calendar` holds the sessions up to `end`, in order.
    `portfolio_ids` narrows the lots and benchmarks; None: all.

    Raises:
        UserError: the seed that names the factor ETFs has not been loaded.
    """
    try:
        rows = conn.execute(_NEEDS, {"start": start, "end": end, "portfolio_ids": portfolio_ids}).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise UserError(
            "analytics.factor_definitions is not there: load the seeds with `python run_nightly.py dbt -- seed`"
        ) from error
    rows.append((BENCHMARK, Role.BENCHMARK, start, end, None))
    history_start = calendar[max(0, bisect_left(calendar, start) - history_sessions)]
    active = []
    for symbol, reasons in groupby(sorted(rows, key=itemgetter(0)), key=itemgetter(0)):
        lives = []
        expires: date | None = None
        for _, role, first_date, last_date, settled in reasons:
            expires = expires or settled
            # Back to the session at or before the date, and a few more.
            first = calendar[max(0, bisect_right(calendar, first_date) - 1 - _SESSIONS_BEFORE_A_LOT)]
            if role != Role.OPTION and last_date >= start:
                first = min(first, history_start)
            lives.append((last_date, -_STRENGTH[Role(role)], Role(role), first))
        last, _, role, _ = max(lives)
        active.append(ActiveSymbol(symbol, role, min(first for *_, first in lives), last, expires))
    return active
