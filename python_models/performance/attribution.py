"""Attribution of a day's P&L and active return: one statement for all portfolios and sessions at once.

P&L is money, so it is added up in SQL, in exact numbers. The remainder is a source too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from python_models.definitions import Definitions
from python_models.read import read_returns
from python_models.statistics.factors import ETF_WINDOW, choose_factor_etfs, factor_returns
from warehouse.market_symbol import market_symbol
from warehouse.queries import fetch_one
from warehouse.sessions import session_before, sessions_between

# Long and short holdings of a sector that net to less than this share of their sum have no meaningful return.
_LEAST_NET_SHARE = 0.01


@dataclass(frozen=True)
class FactorDays:
    """The return of each factor on each session (n_rows,), as the models see it, and of its ETF by itself.

    `returned` is the factor's return with the ETFs chosen at the close before, as for the exposures. `etf_returned` is
    that of its first ETF with a return. None where there is none.
    """

    days: Sequence[date]
    factors: Sequence[str]
    returned: Sequence[float | None]
    etf_returned: Sequence[float | None]


def read_factor_days(conn: psycopg.Connection[Any], definitions: Definitions, days: Sequence[date]) -> FactorDays:
    """The returns of the factors on some sessions, in order."""
    sessions = sessions_between(conn, session_before(conn, days[0], ETF_WINDOW), days[-1])
    panel = read_returns(conn, definitions.etfs, sessions)
    rows: list[tuple[date, str, float | None, float | None]] = []
    for day in days:
        row = panel.rows[day]
        chosen = choose_factor_etfs(panel.returns[:row], panel.symbols, definitions.candidates, definitions.sectors)
        factors = factor_returns(panel.returns[row : row + 1], panel.symbols, chosen)
        returned = dict(zip(factors.names, factors.values[0].tolist(), strict=True))
        today = dict(zip(panel.symbols, panel.returns[row].tolist(), strict=True))
        for factor, etfs in definitions.candidates.items():
            # a sector's ETF that is too young to stand for a factor still has a return
            own = next((today[etf] for etf in etfs if np.isfinite(today[etf])), np.nan)
            rows.append((day, factor, _known(returned.get(factor, np.nan)), _known(own)))
    return FactorDays(*(list(each) for each in zip(*rows, strict=True)) if rows else ([], [], [], []))


def write_attribution(
    conn: psycopg.Connection[Any], due: Mapping[date, Sequence[UUID]], factor_days: FactorDays
) -> dict[str, int]:
    """Write the attribution of some sessions' portfolios that have none yet; returns the rows written by table."""
    scopes = [(day, portfolio) for day, portfolios in due.items() for portfolio in portfolios]
    parameters = {
        "days": [day for day, _ in scopes],
        "portfolios": [portfolio for _, portfolio in scopes],
        "factor_days": factor_days.days,
        "factors": factor_days.factors,
        "returned": factor_days.returned,
        "etf_returned": factor_days.etf_returned,
        "least_net_share": _LEAST_NET_SHARE,
    }
    of_pnl, of_sectors = fetch_one(conn.execute(_HELD + _PNL + _SECTORS, parameters))
    return {"portfolio_pnl_attribution": of_pnl, "portfolio_sector_attribution": of_sectors}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# The scopes with the close before each, and their positions: what each earned by being held from then on. Weights are
# of that close: at inception of the starting equity, and of what is carried in.
_HELD = f"""
with scopes as materialized (
    select * from unnest(%(days)s::date[], %(portfolios)s::uuid[]) as scopes (day, portfolio_id)
),

begun as materialized (
    select
        portfolios.portfolio_id,
        portfolios.starting_equity,
        (
            select max(sessions.session_date) from raw.trading_sessions as sessions
            where sessions.session_date < portfolios.inception_date
        ) as session_before
    from raw.portfolios as portfolios
    where portfolios.portfolio_id = any(%(portfolios)s)
),

due as materialized (
    select
        scopes.day,
        scopes.portfolio_id,
        days.previous_day,
        snapshots.daily_cash_income,
        snapshots.daily_return::float8 as daily_return,
        snapshots.benchmark_return::float8 as benchmark_return,
        coalesce(before.equity_balance, begun.starting_equity)::float8 as equity,
        before.portfolio_id is null as is_inception,
        case when before.portfolio_id is null then scopes.day else days.previous_day end as weights_day,
        begun.session_before as session_before_inception
    from scopes
    inner join (
        select listed.day, max(session_date) as previous_day
        from (select distinct day from unnest(%(days)s::date[]) as day) as listed
        inner join raw.trading_sessions as sessions
            on sessions.session_date < listed.day and sessions.session_date >= listed.day - 14
        group by listed.day
    ) as days on scopes.day = days.day
    inner join begun on scopes.portfolio_id = begun.portfolio_id
    inner join analytics.portfolio_snapshots as snapshots
        on scopes.portfolio_id = snapshots.portfolio_id and scopes.day = snapshots.snapshot_date
    left join analytics.portfolio_snapshots as before
        on snapshots.portfolio_id = before.portfolio_id and days.previous_day = before.snapshot_date
),

factor_days as materialized (
    select * from unnest(
        %(factor_days)s::date[], %(factors)s::text[], %(returned)s::float8[], %(etf_returned)s::float8[]
    ) as factor_days (day, factor, returned, etf_returned)
),

lots as materialized (
    select
        positions.position_id,
        positions.investment_class,
        positions.underlying_symbol,
        {market_symbol("positions")} as market_symbol,
        positions.entry_date,
        positions.quantity * positions.entry_price as opening_cost,
        sector_tags.name as sector
    from analytics.positions as positions
    left join analytics.position_sector_tags as tagged on positions.position_id = tagged.position_id
    left join analytics.sector_tags as sector_tags on tagged.sector_tag_id = sector_tags.sector_tag_id
    where positions.portfolio_id = any(%(portfolios)s)
),

held as materialized (
    select
        due.day,
        due.portfolio_id,
        due.previous_day,
        due.weights_day,
        today.position_id,
        coalesce(lots.investment_class, 'PUBLIC') as investment_class,
        lots.underlying_symbol,
        lots.market_symbol,
        lots.sector,
        case
            when due.is_inception and lots.entry_date <= due.session_before_inception
                then lots.opening_cost * today.multiplier + today.opening_unrealized_pnl
        end as carried_in_value,
        today.dividend_income,
        today.trading_pnl,
        today.daily_pnl - today.dividend_income - today.trading_pnl as held_pnl
    from due
    inner join analytics.position_values as today
        on due.portfolio_id = today.portfolio_id and due.day = today.value_date
    left join lots on today.position_id = lots.position_id
)
"""

_PNL = """,

deltas as (
    select
        held.day,
        held.portfolio_id,
        sum(exposures.exposure * returns.price_return::float8 order by held.position_id)::numeric as pnl,
        count(*) filter (where exposures.exposure is not null and returns.price_return is null) as without_return
    from held
    left join analytics.position_risk_contributions as exposures
        on
            held.portfolio_id = exposures.portfolio_id
            and held.position_id = exposures.position_id
            and held.previous_day = exposures.calculation_date
    left join analytics.daily_returns as returns
        on held.underlying_symbol = returns.symbol and held.day = returns.value_date and returns.gap_sessions = 1
    where held.investment_class = 'OPTIONS'
    group by held.day, held.portfolio_id
),

totals as (
    select
        due.day,
        due.portfolio_id,
        due.daily_cash_income,
        coalesce(sum(held.trading_pnl), 0) as trading,
        coalesce(sum(held.dividend_income), 0) as dividends,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'PRIVATE'), 0) as private,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'OPTIONS'), 0) as options,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'PUBLIC'), 0) as shares
    from due
    left join held on due.day = held.day and due.portfolio_id = held.portfolio_id
    group by due.day, due.portfolio_id, due.daily_cash_income
),

by_factor as (
    select
        due.day,
        due.portfolio_id,
        exposures.factor as source,
        exposures.exposure_dollar * factor_days.returned as pnl,
        case
            when exposures.exposure_dollar is null
                then coalesce(exposures.reason, 'no exposure at the close before') || ': its part is in Specific'
            when factor_days.returned is null then 'no return of the factor on the day: its part is in Specific'
        end as reason
    from due
    inner join analytics.portfolio_factor_exposures as exposures
        on due.portfolio_id = exposures.portfolio_id and due.previous_day = exposures.calculation_date
    left join factor_days on due.day = factor_days.day and exposures.factor = factor_days.factor
    where exposures.model = 'ridge'
),

factors as (
    select day, portfolio_id, coalesce(sum(pnl::numeric), 0) as pnl from by_factor group by day, portfolio_id
),

shared as (
    select day, portfolio_id, source, pnl, reason from by_factor
    union all
    select
        totals.day,
        totals.portfolio_id,
        parts.source,
        parts.pnl::float8,
        parts.reason
    from totals
    left join factors on totals.day = factors.day and totals.portfolio_id = factors.portfolio_id
    left join deltas on totals.day = deltas.day and totals.portfolio_id = deltas.portfolio_id
    cross join lateral (
        values
            (
                'Specific',
                totals.shares + coalesce(deltas.pnl, 0) - coalesce(factors.pnl, 0),
                case when factors.day is null and totals.shares + totals.options <> 0
                    then 'no factor exposures of the close before: what factors gave is in here' end
            ),
            ('Trading', totals.trading, null),
            ('Dividends', totals.dividends, null),
            ('Cash items', totals.daily_cash_income, null),
            ('Private', totals.private, null),
            (
                'Options',
                totals.options - coalesce(deltas.pnl, 0),
                case when deltas.without_return > 0
                    then 'no return of ' || deltas.without_return || ' underlyings on the day: it is in here' end
            )
    ) as parts (source, pnl, reason)
),

written_pnl as (
    insert into analytics.portfolio_pnl_attribution (calculation_date, portfolio_id, source, pnl, reason)
    select day, portfolio_id, source, pnl, reason from shared
    returning 1
)
"""

_SECTORS = """,

funds as materialized (
    select symbol, sector, weight, from_date, to_date from analytics.fund_sectors
),

-- the close before and the day one after the other, not joined: a planner that expects few rows would look up each
of_portfolios as materialized (
    select
        parts.day,
        parts.portfolio_id,
        coalesce(funds.sector, parts.sector, 'Unclassified') as sector,
        coalesce(sum(coalesce(funds.weight * parts.opening_value, parts.opening_value)), 0)::float8 as value,
        coalesce(sum(abs(coalesce(funds.weight * parts.opening_value, parts.opening_value))), 0)::float8 as gross,
        coalesce(sum(coalesce(funds.weight * parts.pnl, parts.pnl)), 0)::float8 as pnl
    from (
        select
            day, portfolio_id, weights_day, investment_class, market_symbol, sector,
            carried_in_value as opening_value, held_pnl + dividend_income as pnl
        from held
        union all
        select
            due.day, due.portfolio_id, due.weights_day, lots.investment_class, lots.market_symbol, lots.sector,
            before.market_value, null::numeric
        from due
        inner join analytics.position_values as before
            on due.portfolio_id = before.portfolio_id and due.previous_day = before.value_date
        left join lots on before.position_id = lots.position_id
        where before.market_value <> 0
    ) as parts
    -- what a fund earns, each of its sectors has earned; the weights are those of the exposures
    left join funds
        on
            parts.market_symbol = funds.symbol
            and parts.sector is null
            and parts.investment_class <> 'PRIVATE'
            and parts.weights_day between funds.from_date and funds.to_date
    group by parts.day, parts.portfolio_id, coalesce(funds.sector, parts.sector, 'Unclassified')
),

of_benchmark as materialized (
    select
        due.day,
        due.portfolio_id,
        exposures.sector,
        exposures.benchmark_weight::float8 as weight,
        factor_days.etf_returned as returned
    from due
    inner join analytics.portfolio_sector_exposures as exposures
        on
            due.portfolio_id = exposures.portfolio_id
            and due.weights_day = exposures.value_date
    left join factor_days on due.day = factor_days.day and exposures.sector = factor_days.factor
    where exposures.benchmark_weight > 0
),

-- what can be compared: the portfolio has weights, and the benchmark a return by its sectors
bases as materialized (
    select due.*, case when due.equity > 0 then built.returned end as built_return
    from due
    left join (
        select
            day,
            portfolio_id,
            sum(weight * returned order by sector) / nullif(sum(weight order by sector), 0) as returned
        from of_benchmark
        where returned is not null
        group by day, portfolio_id
    ) as built on due.day = built.day and due.portfolio_id = built.portfolio_id
    where due.daily_return is not null
),

-- a sector whose ETF has no return earned what the others did; cash what its items say, and in the benchmark nothing
compared as materialized (
    select
        bases.day,
        bases.portfolio_id,
        sectors.sector,
        bases.built_return,
        sectors.benchmark_weight,
        coalesce(sectors.benchmark_return, bases.built_return) as benchmark_return,
        sectors.benchmark_weight > 0 and sectors.benchmark_return is null as is_without_return,
        sectors.value / bases.equity as weight,
        sectors.pnl / bases.equity as contribution,
        abs(sectors.value) < %(least_net_share)s * sectors.gross as is_netted
    from bases
    inner join (
        select
            day, portfolio_id, sector,
            sum(benchmark_weight) as benchmark_weight,
            max(benchmark_return) as benchmark_return,
            sum(value) as value,
            sum(gross) as gross,
            sum(pnl) as pnl
        from (
            select
                day, portfolio_id, sector, weight as benchmark_weight, returned as benchmark_return,
                0 as value, 0 as gross, 0 as pnl
            from of_benchmark
            union all
            select day, portfolio_id, sector, 0, null, value, gross, pnl from of_portfolios
        ) as both_sides
        group by day, portfolio_id, sector
    ) as sectors on bases.day = sectors.day and bases.portfolio_id = sectors.portfolio_id
    where bases.built_return is not null
    union all
    select
        bases.day, bases.portfolio_id, 'Cash', bases.built_return, 0, 0, false,
        1 - coalesce(invested.value, 0) / bases.equity,
        bases.daily_cash_income::float8 / bases.equity,
        false
    from bases
    left join (
        select day, portfolio_id, sum(value order by sector) as value from of_portfolios group by day, portfolio_id
    ) as invested on bases.day = invested.day and bases.portfolio_id = invested.portfolio_id
    where bases.built_return is not null
),

returned as (
    select
        *,
        case when weight <> 0 and not is_netted then contribution / weight end as portfolio_return,
        contribution - benchmark_weight * benchmark_return - (weight - benchmark_weight) * built_return as total
    from compared
),

effects as (
    select
        *,
        (weight - benchmark_weight) * (benchmark_return - built_return) as allocation,
        benchmark_weight * (coalesce(portfolio_return, benchmark_return) - benchmark_return) as selection
    from returned
),

-- what no sector explains: entries, closes and fees, and what contributions thin out; and what the benchmark differs by
-- from the one that is built of sectors
rests as (
    select
        bases.*,
        bases.daily_return - coalesce(explained.contribution, 0) as trading,
        coalesce(bases.built_return, 0) - bases.benchmark_return as of_benchmark
    from bases
    left join (
        select day, portfolio_id, sum(contribution order by sector) as contribution
        from compared
        group by day, portfolio_id
    ) as explained on bases.day = explained.day and bases.portfolio_id = explained.portfolio_id
),

written_sectors as (
    insert into analytics.portfolio_sector_attribution (
        calculation_date, portfolio_id, sector, portfolio_weight, benchmark_weight, portfolio_return, benchmark_return,
        allocation, selection, interaction, total, reason
    )
    select
        day, portfolio_id, sector, weight, benchmark_weight, portfolio_return, benchmark_return,
        allocation, selection, total - allocation - selection, total,
        case
            when is_without_return then 'no return of its ETF on the day: it is given that of the other sectors'
            when is_netted then 'long and short nearly cancel: no return of its own, all of it in interaction'
        end
    from effects
    union all
    select
        day, portfolio_id, 'Trading', null, null, null, null, 0, 0, trading, trading,
        case
            when equity <= 0 then 'equity of the close before is not positive: no weights, all of it is here'
            when built_return is null then 'no sector ETF has a return on the day: no sectors, all of it is here'
        end
    from rests
    union all
    select
        day, portfolio_id, 'Benchmark', null, null, null, benchmark_return,
        case when of_benchmark is not null then 0 end,
        case when of_benchmark is not null then 0 end,
        of_benchmark,
        of_benchmark,
        case when of_benchmark is null then 'the benchmark has no return on the day' end
    from rests
    returning 1
)

select (select count(*) from written_pnl), (select count(*) from written_sectors)
"""
