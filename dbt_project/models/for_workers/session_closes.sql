{{ config(tags=['phase_2']) }}

with roll_forward_window as (
    select * from {{ ref('roll_forward_window') }}
),

lot_segments as (
    select * from {{ ref('lot_segments') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

session_dividends as (
    select * from {{ ref('session_dividends') }}
),

corporate_events as (
    select * from {{ ref('corporate_events') }}
),

stitched_keys as (
    select price_key from {{ ref('symbol_names') }}
    union
    select price_key from corporate_events
    union
    select new_price_key from corporate_events
    where new_price_key is not null
),

-- The sessions for which each price key is needed: those of its lots in the window, and the one before them.
wanted as (
    select
        lot_segments.price_key,
        -- a mark belongs to a position, a market price to a symbol
        case lot_segments.investment_class when 'PRIVATE' then lot_segments.position_id end as marked_position_id,
        -- option contracts do not split and pay no dividends
        bool_or(lot_segments.investment_class = 'PUBLIC') as is_share,
        lot_segments.investment_class = 'PUBLIC'
        and lot_segments.price_key in (select stitched_keys.price_key from stitched_keys) as is_stitched,
        min(greatest(lot_segments.from_session_number, due.first_session_number)) - 1 as from_session_number,
        max(least(lot_segments.to_session_number, due.last_session_number)) as to_session_number
    from lot_segments
    inner join roll_forward_window as due
        on
            lot_segments.portfolio_id = due.portfolio_id
            and lot_segments.from_session_number <= due.last_session_number
            and lot_segments.to_session_number >= due.first_session_number
    group by lot_segments.price_key, marked_position_id, is_stitched
),

-- Session numbers are generated. A join on a range would compare every key with every session.
wanted_sessions as (
    select
        wanted.*,
        sessions.session_number,
        sessions.session_date
    from wanted
    cross join
        lateral generate_series(wanted.from_session_number, wanted.to_session_number) as numbers (session_number)
    inner join sessions on numbers.session_number = sessions.session_number
),

last_known as (
    select
        wanted.price_key,
        true as is_listed,
        wanted.is_share,
        wanted.session_number,
        wanted.session_date,
        last_price.price_date,
        last_price.price as price_then
    from wanted_sessions as wanted
    left join lateral (
        select
            market_data.price_date,
            market_data.close as price
        from {{ ref('stg_market_data') }} as market_data
        where market_data.symbol = wanted.price_key and market_data.price_date <= wanted.session_date
        order by market_data.price_date desc
        limit 1
    ) as last_price on true
    where wanted.marked_position_id is null and not wanted.is_stitched
    union all
    select
        wanted.price_key,
        false,
        false,
        wanted.session_number,
        wanted.session_date,
        last_mark.price_date,
        last_mark.price
    from wanted_sessions as wanted
    left join lateral (
        select
            manual_prices.price_date,
            manual_prices.price
        from {{ ref('stg_manual_prices') }} as manual_prices
        where
            manual_prices.position_id = wanted.marked_position_id
            and manual_prices.price_date <= wanted.session_date
        order by manual_prices.price_date desc
        limit 1
    ) as last_mark on true
    where wanted.marked_position_id is not null
),

-- A price from before a split, converted to the shares after it.
in_shares_of_the_session as (
    select
        last_known.price_key,
        last_known.is_listed,
        last_known.is_share,
        last_known.session_number,
        last_known.session_date,
        last_known.price_date,
        coalesce(growth_now.growth, 1) as growth,
        round(last_known.price_then * coalesce(growth_then.growth, 1) / coalesce(growth_now.growth, 1), 10) as price
    from last_known
    left join calendar_days as priced on last_known.price_date = priced.calendar_date
    left join split_growth as growth_now
        on
            last_known.price_key = growth_now.symbol
            and last_known.is_share
            and last_known.session_number between growth_now.from_session_number and growth_now.to_session_number
    left join split_growth as growth_then
        on
            last_known.price_key = growth_then.symbol
            and last_known.is_share
            and priced.last_session_number between growth_then.from_session_number and growth_then.to_session_number
    union all
    select
        wanted.price_key,
        true,
        true,
        wanted.session_number,
        wanted.session_date,
        last_price.price_date,
        {{ growth_at('wanted.price_key', 'wanted.session_number') }},
        last_price.price
    from wanted_sessions as wanted
    cross join
        lateral {{ stitched_price('wanted.price_key', 'wanted.session_number', 'wanted.session_date') }} as last_price
    where wanted.is_stitched
),

final as (
    select
        closes.price_key,
        closes.session_number,
        closes.session_date,
        closes.price_date,
        closes.is_listed and coalesce(closes.price_date < closes.session_date, true) as is_stale,
        closes.price,
        closes.growth,
        lag(closes.price) over key_in_order as previous_price,
        lag(closes.growth, 1, 1::numeric) over key_in_order as previous_growth,
        coalesce(session_dividends.dividend, 0) as dividend
    from in_shares_of_the_session as closes
    left join session_dividends
        on
            closes.price_key = session_dividends.symbol
            and closes.is_share
            and closes.session_number = session_dividends.session_number
    window key_in_order as (partition by closes.price_key order by closes.session_number)
)

select * from final
