-- A close is at least 1.4 times the one before it, or at most 1/1.4 of it, after splits and dividends are counted. The
-- smallest common split is 3 for 2, and true moves of this size are rare. Options are exempt, because they are
-- leveraged. Prices that were loaded lately are checked however old they are, and so is the place where they join older
-- prices.
{{ config(severity='warn') }}

with options as (
    select distinct symbol
    from {{ ref('stg_positions') }}
    where investment_class = 'OPTIONS'
),

latest as (
    select
        (select max(daily_returns.value_date) from {{ ref('daily_returns') }} as daily_returns) - 30 as returns_from,
        (select max(market_data.loaded_at) from {{ ref('stg_market_data') }} as market_data)
        - interval '30 days' as loaded_from
),

jumps as (
    select
        daily_returns.symbol,
        daily_returns.value_date,
        daily_returns.total_return,
        daily_returns.gap_sessions
    from {{ ref('daily_returns') }} as daily_returns
    left join options on daily_returns.symbol = options.symbol
    where
        options.symbol is null
        and (1 + daily_returns.total_return >= 1.4 or 1.4 * (1 + daily_returns.total_return) <= 1)
)

select
    jumps.symbol,
    jumps.value_date,
    pair.close,
    round(100 * jumps.total_return, 1) as percent_moved,
    jumps.gap_sessions
from jumps
cross join latest
left join lateral (
    select
        (array_agg(closes.close order by closes.price_date desc))[1] as close,
        max(closes.loaded_at) as loaded_at
    from (
        select
            market_data.price_date,
            market_data.close,
            market_data.loaded_at
        from {{ ref('stg_market_data') }} as market_data
        where
            market_data.symbol = jumps.symbol
            and market_data.price_date <= jumps.value_date
        order by market_data.price_date desc
        limit 2
    ) as closes
) as pair on true
where jumps.value_date > latest.returns_from or pair.loaded_at > latest.loaded_from
order by jumps.value_date desc, jumps.symbol asc
