{{ config(tags=['phase_2']) }}

with daily_returns as (
    select * from {{ ref('daily_returns') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

final as (
    select
        symbol,
        value_date,
        total_return
    from daily_returns
    where symbol in (select active_portfolios.benchmark from active_portfolios)
)

select * from final
