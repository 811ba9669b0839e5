"""Where the P&L of a day came from, and the active return: two statements for all portfolios and sessions at once.

P&L is money, so it is added up where the money is: in SQL, in exact numbers, and what is left over is a source too.
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
from warehouse.sessions import session_before, sessions_between

# Held long and short of one sector that come to less than this share of both: a return on the rest says nothing.
_LEAST_NET_SHARE = 0.01


@dataclass(frozen=True)
class FactorDays:
    """What each factor returned on each session (n_rows,): as the models see it, and its ETF by itself.

    `returned` is of the ETFs that stood for the factors at the close before, from which the exposures are;
    `etf_returned` of the first that has a return. None where there is none.
    """

    days: Sequence[date]
    factors: Sequence[str]
    returned: Sequence[float | None]
    etf_returned: Sequence[float | None]


def read_factor_days(conn: psycopg.Connection[Any], definitions: Definitions, days: Sequence[date]) -> FactorDays:
    """What the factors returned on some sessions, in order."""
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
            # a sector's ETF may be too young to stand for a factor and has a return all the same
            own = next((today[etf] for etf in etfs if np.isfinite(today[etf])), np.nan)
            rows.append((day, factor, _known(returned.get(factor, np.nan)), _known(own)))
    return FactorDays(*(list(each) for each in zip(*rows, strict=True)) if rows else ([], [], [], []))


def write_attribution(
    conn: psycopg.Connection[Any], due: Mapping[date, Sequence[UUID]], factor_days: FactorDays
) -> dict[str, int]:
    """Replace the attribution of some sessions' portfolios, and say how many rows each table was given."""
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
    return {
        "portfolio_pnl_attribution": conn.execute(_PNL, parameters).rowcount,
        "portfolio_sector_attribution": conn.execute(_SECTORS, parameters).rowcount,
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# The scopes, the close before each, and what each position earned by being held from then on.
_HELD = """
with due as materialized (
    select
        scopes.day,
        scopes.portfolio_id,
        days.previous_day,
        snapshots.daily_pnl,
        snapshots.daily_cash_income,
        snapshots.daily_return,
        snapshots.benchmark_return
    from unnest(%(days)s::date[], %(portfolios)s::uuid[]) as scopes (day, portfolio_id)
    inner join (
        select listed.day, max(session_date) as previous_day
        from (select distinct day from unnest(%(days)s::date[]) as day) as listed
        inner join raw.trading_sessions as sessions
            on sessions.session_date < listed.day and sessions.session_date >= listed.day - 14
        group by listed.day
    ) as days on scopes.day = days.day
    inner join analytics.portfolio_snapshots as snapshots
        on scopes.portfolio_id = snapshots.portfolio_id and scopes.day = snapshots.snapshot_date
),

factor_days as materialized (
    select * from unnest(
        %(factor_days)s::date[], %(factors)s::text[], %(returned)s::float8[], %(etf_returned)s::float8[]
    ) as factor_days (day, factor, returned, etf_returned)
),

held as materialized (
    select
        due.day,
        due.portfolio_id,
        due.previous_day,
        today.position_id,
        today.symbol,
        coalesce(positions.investment_class, 'PUBLIC') as investment_class,
        positions.underlying_symbol,
        positions.quantity * positions.entry_price * today.multiplier + today.opening_unrealized_pnl as opening_value,
        positions.entry_date,
        today.dividend_income,
        today.trading_pnl,
        today.daily_pnl - today.dividend_income - today.trading_pnl as held_pnl
    from due
    inner join analytics.position_values as today
        on due.portfolio_id = today.portfolio_id and due.day = today.value_date
    left join analytics.positions as positions on today.position_id = positions.position_id
)
"""

_PNL = (
    _HELD
    + """,

deltas as (
    select
        held.day,
        held.portfolio_id,
        sum(exposures.exposure * returns.price_return::float8 order by held.position_id)::numeric as pnl,
        count(*) filter (where exposures.exposure is not null and returns.price_return is null) as without_return
    from held
    left join analytics.position_risk_contributions as exposures
        on held.position_id = exposures.position_id and held.previous_day = exposures.calculation_date
    left join analytics.daily_returns as returns
        on held.underlying_symbol = returns.symbol and held.day = returns.value_date and returns.gap_sessions = 1
    where held.investment_class = 'OPTIONS'
    group by held.day, held.portfolio_id
),

totals as (
    select
        due.*,
        coalesce(sum(held.trading_pnl), 0) as trading,
        coalesce(sum(held.dividend_income), 0) as dividends,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'PRIVATE'), 0) as private,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'OPTIONS'), 0) as options,
        coalesce(sum(held.held_pnl) filter (where held.investment_class = 'PUBLIC'), 0) as shares
    from due
    left join held on due.day = held.day and due.portfolio_id = held.portfolio_id
    group by
        due.day, due.portfolio_id, due.previous_day, due.daily_pnl, due.daily_cash_income, due.daily_return,
        due.benchmark_return
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

gone as (
    delete from analytics.portfolio_pnl_attribution as old
    using due
    where
        old.portfolio_id = due.portfolio_id
        and old.calculation_date = due.day
        and not exists (
            select from shared
            where
                shared.portfolio_id = old.portfolio_id and shared.day = old.calculation_date
                and shared.source = old.source
        )
)

insert into analytics.portfolio_pnl_attribution (calculation_date, portfolio_id, source, pnl, reason)
select day, portfolio_id, source, pnl, reason from shared
on conflict (portfolio_id, calculation_date, source) do update set pnl = excluded.pnl, reason = excluded.reason
"""
)

_SECTORS = (
    _HELD
    + """,

-- weights are of the close before: at inception of the starting equity, and of what is carried in
bases as (
    select
        due.*,
        coalesce(before.equity_balance, portfolios.starting_equity)::float8 as equity,
        before.portfolio_id is null as is_inception,
        portfolios.inception_date
    from due
    inner join raw.portfolios as portfolios on due.portfolio_id = portfolios.portfolio_id
    left join analytics.portfolio_snapshots as before
        on due.portfolio_id = before.portfolio_id and due.previous_day = before.snapshot_date
    where due.daily_return is not null
),

parts as (
    select
        bases.day,
        bases.portfolio_id,
        coalesce(funds.sector, sector_tags.name, 'Unclassified') as sector,
        coalesce(funds.weight, 1) * case
            when not bases.is_inception then before.market_value
            when exists (
                select from raw.trading_sessions as sessions
                where sessions.session_date >= held.entry_date and sessions.session_date < bases.inception_date
            ) then held.opening_value
        end as opening_value,
        coalesce(funds.weight, 1) * (held.held_pnl + held.dividend_income) as pnl
    from bases
    inner join held on bases.day = held.day and bases.portfolio_id = held.portfolio_id
    left join analytics.position_values as before
        on held.position_id = before.position_id and bases.previous_day = before.value_date
    left join analytics.position_sector_tags as tagged on held.position_id = tagged.position_id
    left join analytics.sector_tags as sector_tags on tagged.sector_tag_id = sector_tags.sector_tag_id
    -- what a fund earns, each of its sectors has earned; the weights are those of the exposures
    left join analytics.fund_sectors as funds
        on
            tagged.position_id is null
            and held.investment_class <> 'PRIVATE'
            and coalesce(held.underlying_symbol, held.symbol) = funds.symbol
            and case when bases.is_inception then bases.day else bases.previous_day end
            between funds.from_date and funds.to_date
    where bases.equity > 0
),

of_portfolios as (
    select
        day, portfolio_id, sector,
        coalesce(sum(opening_value), 0)::float8 as value,
        coalesce(sum(abs(opening_value)), 0)::float8 as gross,
        sum(pnl)::float8 as pnl
    from parts
    group by day, portfolio_id, sector
),

-- a sector whose ETF has no return earned what the others did
of_benchmark as (
    select
        bases.day,
        bases.portfolio_id,
        exposures.sector,
        exposures.benchmark_weight::float8 as weight,
        factor_days.etf_returned as returned
    from bases
    inner join analytics.portfolio_sector_exposures as exposures
        on
            bases.portfolio_id = exposures.portfolio_id
            and case when bases.is_inception then bases.day else bases.previous_day end = exposures.value_date
    left join factor_days on bases.day = factor_days.day and exposures.sector = factor_days.factor
    where exposures.benchmark_weight > 0
),

built as (
    select
        day, portfolio_id,
        sum(weight * returned order by sector) / nullif(sum(weight order by sector), 0) as returned
    from of_benchmark
    where returned is not null
    group by day, portfolio_id
),

compared as (
    select
        bases.day,
        bases.portfolio_id,
        sectors.sector,
        bases.equity,
        built.returned as built_return,
        coalesce(of_benchmark.weight, 0) as benchmark_weight,
        coalesce(of_benchmark.returned, built.returned) as benchmark_return,
        of_benchmark.weight > 0 and of_benchmark.returned is null as is_without_return,
        coalesce(of_portfolios.value, 0) / bases.equity as weight,
        coalesce(of_portfolios.pnl, 0) / bases.equity as contribution,
        coalesce(abs(of_portfolios.value) < %(least_net_share)s * of_portfolios.gross, false) as is_netted
    from bases
    inner join built on bases.day = built.day and bases.portfolio_id = built.portfolio_id
    inner join (
        select day, portfolio_id, sector from of_benchmark
        union
        select day, portfolio_id, sector from of_portfolios
    ) as sectors on bases.day = sectors.day and bases.portfolio_id = sectors.portfolio_id
    left join of_benchmark
        on
            sectors.day = of_benchmark.day and sectors.portfolio_id = of_benchmark.portfolio_id
            and sectors.sector = of_benchmark.sector
    left join of_portfolios
        on
            sectors.day = of_portfolios.day and sectors.portfolio_id = of_portfolios.portfolio_id
            and sectors.sector = of_portfolios.sector
    where bases.equity > 0 and built.returned is not null
    union all
    -- cash earns what its items say; the benchmark has none, and none earns nothing
    select
        bases.day, bases.portfolio_id, 'Cash', bases.equity, built.returned, 0, 0, false,
        1 - coalesce(sum(of_portfolios.value order by of_portfolios.sector), 0) / bases.equity,
        bases.daily_cash_income::float8 / bases.equity,
        false
    from bases
    inner join built on bases.day = built.day and bases.portfolio_id = built.portfolio_id
    left join of_portfolios on bases.day = of_portfolios.day and bases.portfolio_id = of_portfolios.portfolio_id
    where bases.equity > 0 and built.returned is not null
    group by bases.day, bases.portfolio_id, bases.equity, built.returned, bases.daily_cash_income
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

final as (
    select
        day, portfolio_id, sector, weight as portfolio_weight, benchmark_weight, portfolio_return, benchmark_return,
        allocation, selection, total - allocation - selection as interaction, total,
        case
            when is_without_return then 'no return of its ETF on the day: it is given that of the other sectors'
            when is_netted then 'long and short nearly cancel: no return of its own, all of it in interaction'
        end as reason
    from effects
    union all
    -- entries, closes and fees, and what contributions thin out
    select
        bases.day, bases.portfolio_id, 'Trading', null, null, null, null, 0, 0, rest.pnl, rest.pnl,
        case
            when bases.equity <= 0 then 'equity of the close before is not positive: no weights, all of it is here'
            when built.returned is null then 'no sector ETF has a return on the day: no sectors, all of it is here'
        end
    from bases
    left join built on bases.day = built.day and bases.portfolio_id = built.portfolio_id
    left join (
        select day, portfolio_id, sum(contribution order by sector) as contribution
        from compared
        group by day, portfolio_id
    ) as sums on bases.day = sums.day and bases.portfolio_id = sums.portfolio_id
    cross join lateral (
        select bases.daily_return::float8 - coalesce(sums.contribution, 0) as pnl
    ) as rest
    union all
    select
        bases.day, bases.portfolio_id, 'Benchmark', null, null, null, bases.benchmark_return::float8,
        0 + difference.pnl * 0, 0 + difference.pnl * 0, difference.pnl, difference.pnl,
        case when bases.benchmark_return is null then 'the benchmark has no return on the day' end
    from bases
    left join built on bases.day = built.day and bases.portfolio_id = built.portfolio_id and bases.equity > 0
    cross join lateral (
        select coalesce(built.returned, 0) - bases.benchmark_return::float8 as pnl
    ) as difference
),

gone as (
    delete from analytics.portfolio_sector_attribution as old
    using due
    where
        old.portfolio_id = due.portfolio_id
        and old.calculation_date = due.day
        and not exists (
            select from final
            where
                final.portfolio_id = old.portfolio_id and final.day = old.calculation_date
                and final.sector = old.sector
        )
)

insert into analytics.portfolio_sector_attribution (
    calculation_date, portfolio_id, sector, portfolio_weight, benchmark_weight, portfolio_return, benchmark_return,
    allocation, selection, interaction, total, reason
)
select
    day, portfolio_id, sector, portfolio_weight, benchmark_weight, portfolio_return, benchmark_return,
    allocation, selection, interaction, total, reason
from final
on conflict (portfolio_id, calculation_date, sector) do update set
    portfolio_weight = excluded.portfolio_weight, benchmark_weight = excluded.benchmark_weight,
    portfolio_return = excluded.portfolio_return, benchmark_return = excluded.benchmark_return,
    allocation = excluded.allocation, selection = excluded.selection, interaction = excluded.interaction,
    total = excluded.total, reason = excluded.reason
"""
)
