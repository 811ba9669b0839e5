{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    unique_key=["portfolio_id", "snapshot_date"],
    window_model='portfolios_due' if is_spread() else 'roll_forward_window',
    window_key='portfolio_id',
    window_date='snapshot_date',
    tags=['phase_2'],
    indexes=[{"columns": ["portfolio_id", "snapshot_date"], "unique": true}],
    pre_hook="{{ hash_joins_only() }}",
    post_hook="{{ record_whole_build() }}",
) }}
{{ require_whole_window('roll_forward_window') }}

with roll_forward_window as (
    select * from {{ portfolios_due() }}
    -- a portfolio that is gone has none, and gets no rows
    where inception_session_number is not null
),

sessions as (
    select * from {{ ref('session_dates') }}
),

session_flows as (
    select * from {{ ref('session_flows') }}
),

session_cash_items as (
    select * from {{ ref('session_cash_items') }}
),

benchmark_closes as (
    select * from {{ ref('benchmark_closes') }}
),

benchmark_returns as (
    select * from {{ ref('benchmark_returns') }}
),

portfolio_session_totals as (
    select * from {{ ref('portfolio_session_totals') }}
),

-- The start of each chain before the window: its last snapshot, or else the starting equity. A return is null until
-- some day has a return. The benchmark's is also null if it has no close of the session before inception.
chain_starts as (
    select
        due.portfolio_id,
        sessions.session_date - 1 as session_date,
        due.starting_equity as equity_balance,
        0::numeric as mtd_pnl,
        null::numeric as mtd_return,
        0::numeric as ytd_pnl,
        null::numeric as ytd_return,
        0::numeric as cumulative_pnl,
        null::numeric as cumulative_return,
        case when benchmark_closes.close is not null then 0::numeric end as cumulative_benchmark_return,
        0::numeric as cumulative_realized_pnl,
        0::numeric as cumulative_capital_flow
    from roll_forward_window as due
    inner join sessions on due.inception_session_number = sessions.session_number
    inner join sessions as sessions_before on due.inception_session_number - 1 = sessions_before.session_number
    left join benchmark_closes
        on
            due.benchmark = benchmark_closes.symbol
            and sessions_before.session_date = benchmark_closes.price_date
    where due.first_session_number <= due.inception_session_number
    {% if is_incremental() %}
        union all
        select
            due.portfolio_id,
            previous_snapshot.snapshot_date,
            previous_snapshot.equity_balance,
            previous_snapshot.mtd_pnl,
            previous_snapshot.mtd_return,
            previous_snapshot.ytd_pnl,
            previous_snapshot.ytd_return,
            previous_snapshot.cumulative_pnl,
            previous_snapshot.cumulative_return,
            previous_snapshot.cumulative_benchmark_return,
            previous_snapshot.cumulative_realized_pnl,
            previous_snapshot.cumulative_capital_flow
        from roll_forward_window as due
        inner join sessions on due.first_session_number - 1 = sessions.session_number
        inner join {{ this }} as previous_snapshot
            on
                due.portfolio_id = previous_snapshot.portfolio_id
                and sessions.session_date = previous_snapshot.snapshot_date
        where due.first_session_number > due.inception_session_number
    {% endif %}
),

days as (
    select
        due.portfolio_id,
        sessions.session_date,
        coalesce(totals.market_value, 0) as market_value,
        coalesce(totals.long_value, 0) as long_value,
        coalesce(totals.short_value, 0) as short_value,
        coalesce(totals.daily_pnl, 0) + coalesce(cash_items.cash_income, 0) as daily_pnl,
        coalesce(totals.realized_pnl, 0) as daily_realized_pnl,
        coalesce(totals.dividend_income, 0) as daily_dividend_income,
        coalesce(totals.fees, 0) as daily_fees,
        coalesce(flows.capital_flow, 0) as daily_capital_flow,
        coalesce(flows.contributions, 0) as daily_contributions,
        coalesce(cash_items.cash_income, 0) as daily_cash_income,
        benchmark_returns.total_return as benchmark_return,
        coalesce(totals.num_positions, 0) as num_positions,
        coalesce(totals.num_long_positions, 0) as num_long_positions,
        coalesce(totals.num_short_positions, 0) as num_short_positions,
        coalesce(totals.num_stale_positions, 0) as num_stale_positions,
        totals.hhi,
        totals.effective_num_positions,
        totals.top_3_concentration,
        totals.top_10_concentration
    from roll_forward_window as due
    -- session numbers are generated, because a join on a range would compare every portfolio with every session
    cross join
        lateral generate_series(
            greatest(due.first_session_number, due.inception_session_number), due.last_session_number
        ) as numbers (session_number)
    inner join sessions on numbers.session_number = sessions.session_number
    left join portfolio_session_totals as totals
        on
            due.portfolio_id = totals.portfolio_id
            and sessions.session_date = totals.value_date
    left join session_flows as flows
        on
            due.portfolio_id = flows.portfolio_id
            and sessions.session_number = flows.session_number
    left join session_cash_items as cash_items
        on
            due.portfolio_id = cash_items.portfolio_id
            and sessions.session_number = cash_items.session_number
    left join benchmark_returns
        on
            due.benchmark = benchmark_returns.symbol
            and sessions.session_date = benchmark_returns.value_date
),

balances as (
    select
        days.*,
        -- null where the chain before the window is missing, and then the table refuses the row
        chain_starts.equity_balance + sum(days.daily_pnl + days.daily_capital_flow) over chain as equity_balance
    from days
    left join chain_starts on days.portfolio_id = chain_starts.portfolio_id
    window chain as (partition by days.portfolio_id order by days.session_date)
),

-- Contributions count from the start of their day, withdrawals at its end.
bases as (
    select
        *,
        equity_balance - daily_pnl - daily_capital_flow + daily_contributions as base
    from balances
),

returns as (
    select
        *,
        case when base > 0 then round(daily_pnl / base, 18) end as daily_return
    from bases
),

-- The start of the chain is added as one more day, in its own month and year. Its P&L and return are those up to then.
links as (
    select
        portfolio_id,
        session_date,
        daily_pnl as pnl_in_month,
        daily_pnl as pnl_in_year,
        daily_pnl as pnl,
        daily_return as return_in_month,
        daily_return as return_in_year,
        daily_return as period_return,
        benchmark_return,
        daily_realized_pnl as realized_pnl,
        daily_capital_flow as capital_flow
    from returns
    union all
    select
        portfolio_id,
        session_date,
        mtd_pnl,
        ytd_pnl,
        cumulative_pnl,
        mtd_return,
        ytd_return,
        cumulative_return,
        cumulative_benchmark_return,
        cumulative_realized_pnl,
        cumulative_capital_flow
    from chain_starts
),

chained as (
    select
        portfolio_id,
        session_date,
        sum(pnl_in_month) over in_month as mtd_pnl,
        case
            when count(return_in_month) over in_month > 0
                then intermediate.linked_growth(return_in_month) over in_month - 1
        end as mtd_return,
        sum(pnl_in_year) over in_year as ytd_pnl,
        case
            when count(return_in_year) over in_year > 0
                then intermediate.linked_growth(return_in_year) over in_year - 1
        end as ytd_return,
        sum(pnl) over in_all as cumulative_pnl,
        case
            when count(period_return) over in_all > 0
                then intermediate.linked_growth(period_return) over in_all - 1
        end as cumulative_return,
        case
            when first_value(benchmark_return) over in_all is not null
                then intermediate.linked_growth(benchmark_return) over in_all - 1
        end as cumulative_benchmark_return,
        sum(realized_pnl) over in_all as cumulative_realized_pnl,
        sum(capital_flow) over in_all as cumulative_capital_flow
    from links
    window
        in_month as (partition by portfolio_id, date_trunc('month', session_date) order by session_date),
        in_year as (partition by portfolio_id, date_trunc('year', session_date) order by session_date),
        in_all as (partition by portfolio_id order by session_date)
),

final as (
    select
        returns.portfolio_id,
        returns.session_date as snapshot_date,
        returns.equity_balance,
        returns.equity_balance - returns.market_value as cash_value,
        returns.long_value,
        returns.short_value,
        returns.long_value - returns.short_value as gross_exposure,
        returns.long_value + returns.short_value as net_exposure,
        returns.daily_pnl,
        returns.daily_realized_pnl,
        returns.daily_dividend_income,
        returns.daily_fees,
        returns.daily_capital_flow,
        returns.daily_contributions,
        returns.daily_cash_income,
        returns.daily_return,
        returns.benchmark_return,
        returns.daily_return - returns.benchmark_return as active_return,
        chained.mtd_pnl,
        chained.mtd_return,
        chained.ytd_pnl,
        chained.ytd_return,
        chained.cumulative_pnl,
        chained.cumulative_realized_pnl,
        chained.cumulative_capital_flow,
        chained.cumulative_return,
        chained.cumulative_benchmark_return,
        returns.num_positions::integer as num_positions,
        returns.num_long_positions::integer as num_long_positions,
        returns.num_short_positions::integer as num_short_positions,
        returns.num_stale_positions::integer as num_stale_positions,
        returns.hhi,
        returns.effective_num_positions,
        returns.top_3_concentration,
        returns.top_10_concentration
    from returns
    inner join chained
        on
            returns.portfolio_id = chained.portfolio_id
            and returns.session_date = chained.session_date
)

select * from final
