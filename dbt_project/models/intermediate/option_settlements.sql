{{ config(indexes=[{"columns": ["position_id"], "unique": true}]) }}

with lots as (
    select * from {{ ref('lots') }}
    where expiry_session_number is not null
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

option_deliveries as (
    select * from {{ ref('option_deliveries') }}
),

-- An underlying that was renamed continues under its new name.
renamed_keys as (
    select distinct price_key from {{ ref('symbol_names') }}
),

last_prices as (
    select
        lots.*,
        expiry.closes_at,
        coalesce(own_underlying.price_date, renamed_underlying.price_date) as underlying_price_date,
        coalesce(own_underlying.close, renamed_underlying.close) as underlying_close,
        own.close as own_close
    from lots
    inner join sessions as expiry on lots.expiry_session_number = expiry.session_number
    left join renamed_keys on lots.underlying_key = renamed_keys.price_key
    left join lateral (
        select
            market_data.price_date,
            market_data.close
        from {{ ref('stg_market_data') }} as market_data
        where
            renamed_keys.price_key is null
            and market_data.symbol = lots.underlying_symbol
            and market_data.price_date <= expiry.session_date
        order by market_data.price_date desc
        limit 1
    ) as own_underlying on true
    left join lateral (
        select
            stitched_prices.price_date,
            stitched_prices.close
        from {{ ref('stitched_prices') }} as stitched_prices
        where
            renamed_keys.price_key = stitched_prices.price_key
            and stitched_prices.price_date <= expiry.session_date
        order by stitched_prices.price_date desc
        limit 1
    ) as renamed_underlying on true
    left join lateral (
        select
            market_data.price_date,
            market_data.close
        from {{ ref('stg_market_data') }} as market_data
        where market_data.symbol = lots.symbol and market_data.price_date <= expiry.session_date
        order by market_data.price_date desc
        limit 1
    ) as own on true
),

final as (
    select
        last_prices.position_id,
        last_prices.expiry_session_number,
        -- Older prices of the underlying cannot change the settlement. If this is null, any price could.
        last_prices.underlying_price_date,
        option_deliveries.position_id is not null as is_delivered,
        case
            when not {{ is_settled_soon('last_prices.closes_at') }} then null
            when option_deliveries.position_id is not null then 0
            -- intrinsic value, with the close converted to the shares that the strike is quoted in
            when last_prices.underlying_close is not null
                then greatest(
                    0,
                    case last_prices.option_type when 'CALL' then 1 else -1 end
                    * (
                        round(
                            last_prices.underlying_close * coalesce(split_growth.growth, 1)
                            / last_prices.underlying_base_growth,
                            10
                        )
                        - last_prices.strike_price
                    )
                )
            else coalesce(last_prices.own_close, last_prices.entry_price)
        end as settlement_price
    from last_prices
    left join option_deliveries on last_prices.position_id = option_deliveries.position_id
    left join calendar_days as priced on last_prices.underlying_price_date = priced.calendar_date
    left join split_growth
        on
            last_prices.underlying_key = split_growth.symbol
            and priced.last_session_number between split_growth.from_session_number and split_growth.to_session_number
)

select * from final
