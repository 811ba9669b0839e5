"""Marks stored results in `ops.risk_state` whose inputs have changed since, with the cause.

A mark is a suspicion. The change log says which results a change can reach, and fingerprints decide which of them are
computed again. Performance has no fingerprint of its own: it is computed again for all marked results.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from python_models.statistics.volatility import VOLATILITY_LOOKBACK
from warehouse.market_symbol import market_symbol
from warehouse.preparations import read_preparations, record_preparations
from warehouse.queries import fetch_one

# Every change is examined once, after P&L and returns have taken it in.
_MARK = """
with taken as (
    update ops.input_changes set risk_taken_at = clock_timestamp()
    where
        risk_taken_at is null
        and rolled_at is not null
        and (
            returns_taken_at is not null
            or input not in ('price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting')
        )
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
        -- a name that is given up or taken changes days before it too
        case input when 'rename' then '-infinity' else from_date end as from_date,
        case when input in ('rename', 'merger', 'spinoff', 'delisting') then 'infinity' else through_date end
            as through_date,
        input in ('price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting') as is_of_market,
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
    where is_of_market
),

-- every symbol that a lot has had, or is priced by
held_as as (
    select portfolio_id, entry_date, symbol from raw.position_terms where investment_class <> 'PRIVATE'
    union all
    select portfolio_id, entry_date, underlying_symbol from raw.position_terms where underlying_symbol is not null
    union all
    select lots.portfolio_id, lots.entry_date, coalesce(names.symbol, stages.price_key)
    from intermediate.lot_stages as stages
    inner join raw.position_terms as lots on stages.root_position_id = lots.position_id
    left join intermediate.symbol_names as names on stages.price_key = names.price_key
),

-- who holds a symbol, and since when; what is held decides whose statistics there are
holders as (
    select changes.change_id, held_as.portfolio_id, min(held_as.entry_date) as since
    from changes
    inner join held_as on changes.symbol = held_as.symbol
    where changes.portfolio_id is null
    group by changes.change_id, held_as.portfolio_id
    union all
    -- and who is compared with it
    select changes.change_id, portfolios.portfolio_id, portfolios.inception_date
    from changes
    inner join raw.portfolios on changes.symbol = portfolios.benchmark
    where changes.is_of_market
),

reached as (
    -- statistics of symbols: of what is held, and of what stands for a factor
    select change_id, cause, 'symbols' as kind, null::uuid as portfolio_id, from_date as first_date, last_date
    from moved where is_etf
    union all
    select change_id, cause, 'symbols', null, greatest(from_date, (
        select min(since) from holders where holders.change_id = moved.change_id
    )), last_date
    from moved where not is_etf and change_id in (select change_id from holders)
    union all
    select change_id, cause, 'symbols', null, from_date, 'infinity' from changes
    where input in ('portfolio', 'position', 'close', 'transaction', 'session')
    union all
    -- all portfolios are exposed to factors; a replay goes with what happened in its window
    select change_id, cause, 'portfolios', null, from_date, last_date from moved where is_etf
    union all
    select change_id, cause, 'portfolios', null, window_end, 'infinity'
    from moved
    inner join (
        select distinct window_start, window_end from analytics.stress_test_scenarios where window_end is not null
    ) as replays on moved.is_etf and moved.from_date <= window_end and moved.through_date >= window_start
    union all
    select change_id, cause, 'portfolios', null, from_date, 'infinity' from changes where input = 'session'
    union all
    -- and each to what it holds: what that earned stays in the drawdown
    select change_id, cause, 'portfolio', holders.portfolio_id, greatest(from_date, since), 'infinity'
    from changes inner join holders using (change_id)
    union all
    select change_id, cause, 'portfolio', portfolio_id, from_date, 'infinity' from changes
    where portfolio_id is not null
),

-- one span for each, so that many changes cost no more than one
spans as (
    select
        kind,
        portfolio_id,
        min(first_date) as first_date,
        max(last_date) as last_date,
        concat_ws(
            ' ',
            (array_agg(cause order by change_id))[1],
            'and ' || nullif(count(distinct change_id) - 1, 0) || ' more'
        ) as cause
    from reached
    group by kind, portfolio_id
),

due as (
    select state.ctid as place, spans.cause
    from spans
    inner join ops.risk_state as state
        on
            spans.portfolio_id = state.portfolio_id
            and state.calculation_date between spans.first_date and spans.last_date
    union all
    select state.ctid, spans.cause
    from spans
    inner join ops.risk_state as state
        on
            (state.portfolio_id is null) = (spans.kind = 'symbols')
            and state.calculation_date between spans.first_date and spans.last_date
    where spans.kind <> 'portfolio'
)

update ops.risk_state as state set stale_because = coalesce(state.stale_because, due.cause), performance_at = null
from due
where state.ctid = due.place and (state.stale_because is null or state.performance_at is not null)
"""

_MARKED = """
select calculation_date, array_agg(distinct stale_because order by stale_because)
from ops.risk_state
where
    stale_because is not null
    and calculation_date not between %(start)s and %(end)s
    and (%(portfolios)s::uuid[] is null or portfolio_id is null or portfolio_id = any(%(portfolios)s))
group by calculation_date
"""

_MISSED = """
with computed as (
    select
        portfolios.portfolio_id,
        (
            select max(risk_state.calculation_date) from ops.risk_state
            where risk_state.portfolio_id = portfolios.portfolio_id and risk_state.calculation_date < %(start)s
        ) as last_date
    from raw.portfolios
    where %(portfolios)s::uuid[] is null or portfolios.portfolio_id = any(%(portfolios)s)
)

select distinct snapshots.snapshot_date
from computed
inner join analytics.portfolio_snapshots as snapshots
    on
        computed.portfolio_id = snapshots.portfolio_id
        and snapshots.snapshot_date > computed.last_date
        and snapshots.snapshot_date < %(start)s
"""


def mark_stale(conn: psycopg.Connection[Any], definitions: Mapping[str, str], etfs: Sequence[str]) -> None:
    """Mark the results that might come out differently now, with the cause, in a fixed number of statements.

    Args:
        conn: a connection with autocommit on; all marks are made in one transaction.
        definitions: fingerprints that all results share beside their inputs, by a name for each ("risk models").
        etfs: the symbols that may stand for a factor: the results of all portfolios depend on them.
    """
    keys = {f"risk: {name}": name for name in definitions}
    with conn.transaction():
        conn.execute(_MARK, {"etfs": list(etfs), "reach": VOLATILITY_LOOKBACK - 1})
        known = read_preparations(conn)
        changed = {key: name for key, name in keys.items() if known.get(key) != definitions[name]}
        if changed:
            conn.execute(
                "update ops.risk_state set stale_because = %s, performance_at = null where stale_because is null",
                [f"{', '.join(changed.values())} changed"],
            )
            record_preparations(conn, {key: definitions[name] for key, name in changed.items()})


def mark_incomplete(
    conn: psycopg.Connection[Any], days: Sequence[date], without: Collection[str], etfs: Collection[str]
) -> None:
    """Mark the results of these sessions that miss symbols which were left out: the symbols' own, and their holders'.

    An ETF that may stand for a factor concerns the results of all portfolios.
    """
    conn.execute(
        f"""
        update ops.risk_state set stale_because = %(cause)s, performance_at = null
        where
            calculation_date = any(%(days)s)
            and (
                portfolio_id is null
                or %(everybody)s
                or portfolio_id in (
                    select lots.portfolio_id from raw.position_terms as lots
                    where {market_symbol("lots")} = any(%(without)s)
                )
            )
        """,
        {
            "cause": f"computed without {', '.join(sorted(without))}",
            "days": list(days),
            "everybody": not set(without).isdisjoint(etfs),
            "without": list(without),
        },
    )


def find_stale(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    *,
    portfolio_ids: Sequence[UUID] | None = None,
    longest_gap: int,
) -> dict[date, list[str]]:
    """The sessions outside of `start` to `end` to check, with the causes: the marked ones, and the missed ones.

    A session before `start` is missed if a portfolio has been rolled to it since its last result; it has no cause. If
    more than `longest_gap` are missed, that was somebody's choice and not failed nights, and they are left out. With
    `portfolio_ids`, only these portfolios and symbols count.
    """
    # Before the first results there is nothing to heal, and the table of snapshots may not exist yet.
    if not fetch_one(conn.execute("select exists (select 1 from ops.risk_state)"))[0]:
        return {}
    portfolios = None if portfolio_ids is None else list(portfolio_ids)
    asked = {"start": start, "end": end, "portfolios": portfolios}
    missed = conn.execute(_MISSED, asked).fetchall()
    causes: dict[date, list[str]] = {day: [] for (day,) in missed} if len(missed) <= longest_gap else {}
    return dict(sorted((causes | dict(conn.execute(_MARKED, asked).fetchall())).items()))
