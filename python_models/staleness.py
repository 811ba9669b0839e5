"""Which stored results stand on inputs that have changed since, and why: marked in `ops.risk_state`.

A mark is a suspicion. The change log says what a change can reach, and fingerprints decide what is computed again.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from python_models.volatility import VOLATILITY_LOOKBACK

# Every change is looked at once, after P&L and returns have taken it in.
_MARK = """
with taken as (
    update ops.input_changes set risk_taken_at = clock_timestamp()
    where
        risk_taken_at is null
        and rolled_at is not null
        and (returns_taken_at is not null or input not in ('price', 'split', 'dividend'))
    returning *
),

changes as (
    select
        change_id,
        input,
        symbol,
        coalesce(
            portfolio_id,
            (select positions.portfolio_id from raw.positions where positions.position_id = taken.position_id)
        ) as portfolio_id,
        from_date,
        through_date,
        concat_ws(
            ' ',
            symbol,
            case input when 'price' then 'close' else input end,
            'of ' || nullif(from_date, '-infinity'),
            case what when 'new' then 'added' else what end
        ) as cause
    from taken
    where from_date <= (select max(calculation_date) from ops.risk_state)
),

-- a price moves two returns, its session's and the next one's; the windows of results reach back over them
moved as (
    select
        changes.*,
        symbol = any(%(etfs)s) as is_etf,
        coalesce(
            (
                select session_date from raw.trading_sessions
                where session_date > changes.through_date
                order by session_date
                offset %(reach)s limit 1
            ),
            'infinity'
        ) as last_date
    from changes
    where input in ('price', 'split', 'dividend')
),

reached as (
    -- statistics of symbols, where they have some; what stands for a factor is behind all of them
    select change_id, 'symbols' as kind, null::uuid as portfolio_id, state.calculation_date as first_date,
        state.calculation_date as last_date, cause
    from moved
    inner join ops.risk_state as state
        on state.portfolio_id is null and state.calculation_date between moved.from_date and moved.last_date
    where
        is_etf
        or exists (
            select from analytics.symbol_volatility as known
            where known.calculation_date = state.calculation_date and known.symbol = moved.symbol
        )
    union all
    select change_id, 'portfolios', null, from_date, last_date, cause from moved where is_etf
    union all
    -- a replay goes with what happened in its window
    select change_id, 'portfolios', null, window_end, 'infinity', cause
    from moved
    inner join (
        select distinct window_start, window_end from analytics.stress_test_scenarios where window_end is not null
    ) as replays on moved.is_etf and moved.from_date <= window_end and moved.through_date >= window_start
    union all
    -- whoever holds the symbol; what they earned stays in their drawdown
    select change_id, 'portfolio', positions.portfolio_id, greatest(from_date, min(positions.entry_date)), 'infinity',
        cause
    from changes
    inner join raw.positions
        on
            changes.symbol in (positions.symbol, positions.underlying_symbol)
            and positions.investment_class <> 'PRIVATE'
    where changes.portfolio_id is null
    group by change_id, positions.portfolio_id, from_date, cause
    union all
    select change_id, 'portfolio', portfolio_id, from_date, 'infinity', cause from changes
    where portfolio_id is not null
    union all
    -- what is held decides whose statistics there are
    select change_id, 'symbols', null, from_date, 'infinity', cause from changes
    where input in ('portfolio', 'position', 'close', 'session')
    union all
    select change_id, 'portfolios', null, from_date, 'infinity', cause from changes where input = 'session'
),

due as (
    select distinct on (state.calculation_date, state.portfolio_id) state.ctid as place, cause
    from reached
    inner join ops.risk_state as state
        on
            state.calculation_date between reached.first_date and reached.last_date
            and case reached.kind
                when 'symbols' then state.portfolio_id is null
                when 'portfolio' then state.portfolio_id = reached.portfolio_id
                else state.portfolio_id is not null
            end
    where state.stale_because is null
    order by state.calculation_date, state.portfolio_id, change_id
)

update ops.risk_state as state set stale_because = due.cause from due where state.ctid = due.place
"""

# Sessions after the last result of a portfolio, and marked ones.
_FIND = """
select calculation_date, array_agg(distinct stale_because)
from ops.risk_state
where stale_because is not null and (calculation_date < %(start)s or calculation_date > %(end)s)
    and (%(portfolios)s::uuid[] is null or portfolio_id is null or portfolio_id = any(%(portfolios)s))
group by calculation_date
union all
select snapshots.snapshot_date, '{}'
from raw.portfolios
cross join lateral (
    select max(calculation_date) as last_date from ops.risk_state
    where risk_state.portfolio_id = portfolios.portfolio_id and calculation_date < %(start)s
) as computed
inner join analytics.portfolio_snapshots as snapshots
    on
        portfolios.portfolio_id = snapshots.portfolio_id
        and snapshots.snapshot_date > computed.last_date
        and snapshots.snapshot_date < %(start)s
where %(portfolios)s::uuid[] is null or portfolios.portfolio_id = any(%(portfolios)s)
group by snapshots.snapshot_date
"""


def mark_stale(conn: psycopg.Connection[Any], definitions: Mapping[str, str], etfs: Sequence[str]) -> None:
    """Mark the results that may not be what they would be now, with the cause; a number of statements that is fixed.

    Args:
        conn: a connection with autocommit on; all marks are made in one transaction.
        definitions: fingerprints of what all results rest on beside the inputs, by a name for it ("risk models").
        etfs: the symbols that may stand for a factor: everybody's results rest on them.
    """
    keys = {f"risk: {name}": name for name in definitions}
    with conn.transaction():
        conn.execute(_MARK, {"etfs": list(etfs), "reach": VOLATILITY_LOOKBACK - 1})
        known = dict(
            conn.execute("select name, fingerprint from ops.preparations where name = any(%s)", [list(keys)]).fetchall()
        )
        changed = {key: name for key, name in keys.items() if known.get(key) != definitions[name]}
        if changed:
            conn.execute(
                "update ops.risk_state set stale_because = %s where stale_because is null",
                [f"{', '.join(changed.values())} changed"],
            )
            conn.execute(
                "insert into ops.preparations (name, fingerprint) select * from unnest(%s::text[], %s::text[])"
                " on conflict (name) do update set fingerprint = excluded.fingerprint, prepared_at = now()",
                [list(changed), [definitions[name] for name in changed.values()]],
            )


def find_stale(
    conn: psycopg.Connection[Any], start: date, end: date, portfolio_ids: Sequence[UUID] | None = None
) -> dict[date, list[str]]:
    """The sessions outside of `start` to `end` that need a look, with the causes: marked ones, and those missed.

    Missed are the sessions before `start` that a portfolio has been rolled to since its last result; they have no
    cause. With `portfolio_ids`, only what concerns these, or symbols.
    """
    portfolios = None if portfolio_ids is None else list(portfolio_ids)
    causes: dict[date, list[str]] = {}
    for day, found in conn.execute(_FIND, {"start": start, "end": end, "portfolios": portfolios}):
        causes[day] = [*causes.get(day, []), *found]
    return dict(sorted(causes.items()))
