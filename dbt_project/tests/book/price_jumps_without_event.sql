-- A close is 1.4 times the one before it, or less than 1/1.4 of it, splits and dividends counted: 3 for 2 is the
-- smallest split that is common, and few true moves are as large. Options are leveraged, and exempt.
{{ config(severity='warn') }}

with daily_returns as (
    select * from {{ ref('daily_returns') }}
    where value_date > (select max(latest.value_date) - 30 from {{ ref('daily_returns') }} as latest)
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

options as (
    select distinct symbol
    from {{ ref('stg_positions') }}
    where investment_class = 'OPTIONS'
)

select
    daily_returns.symbol,
    daily_returns.value_date,
    market_data.close,
    round(100 * daily_returns.total_return, 1) as percent_moved,
    daily_returns.gap_sessions
from daily_returns
left join market_data
    on
        daily_returns.symbol = market_data.symbol
        and daily_returns.value_date = market_data.price_date
left join options on daily_returns.symbol = options.symbol
where
    options.symbol is null
    and (1 + daily_returns.total_return >= 1.4 or 1.4 * (1 + daily_returns.total_return) <= 1)
order by daily_returns.value_date desc, daily_returns.symbol asc
