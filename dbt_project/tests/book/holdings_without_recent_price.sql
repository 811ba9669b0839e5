-- Symbols valued at a price from 10 or more sessions ago, or at cost.
{{ config(severity='warn') }}

with latest_holdings as (
    select * from {{ ref('latest_holdings') }}
    where is_stale and not is_delisted
),

sessions as (
    select * from {{ ref('sessions') }}
),

ages as (
    select
        latest_holdings.*,
        valued.session_number - priced.session_number as sessions_without_price
    from latest_holdings
    inner join sessions as valued on latest_holdings.value_date = valued.session_date
    left join sessions as priced on latest_holdings.price_date = priced.session_date
)

select
    symbol,
    max(value_date) as value_date,
    min(price_date) as price_date,
    max(sessions_without_price) as sessions_without_price,
    count(distinct portfolio_id) as num_portfolios,
    round(sum(abs(market_value)), 2) as absolute_value
from ages
where price_date is null or sessions_without_price >= 10
group by symbol
order by absolute_value desc
