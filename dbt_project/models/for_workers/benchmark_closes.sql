{{ config(tags=['phase_2']) }}

with market_data as (
    select * from {{ ref('stg_market_data') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

final as (
    select
        symbol,
        price_date,
        close
    from market_data
    where symbol in (select active_portfolios.benchmark from active_portfolios)
)

select * from final
