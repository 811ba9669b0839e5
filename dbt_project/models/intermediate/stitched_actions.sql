{{ config(materialized='ephemeral') }}

with corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
    where action_type in ('SPLIT', 'DIVIDEND')
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

stitched_prices as (
    select * from {{ ref('stitched_prices') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

dated as (
    select
        corporate_actions.symbol,
        corporate_actions.ex_date,
        corporate_actions.action_type,
        corporate_actions.value,
        calendar_days.next_session_number as session_number
    from corporate_actions
    inner join calendar_days on corporate_actions.ex_date = calendar_days.calendar_date
    where calendar_days.next_session_number is not null
),

-- Each day has the actions reported under the name whose price counts on that day. Without a price, the name that is in
-- use on the day comes first.
told as (
    select
        names.price_key,
        dated.ex_date,
        dated.action_type,
        dated.value,
        dated.session_number,
        rank() over (
            partition by names.price_key, dated.session_number, dated.action_type
            order by
                case
                    when dated.session_number < names.from_session_number then 2
                    when dated.session_number <= names.to_session_number then 1
                    else 3
                end,
                names.from_session_number,
                dated.symbol
        ) as choice
    from symbol_names as names
    inner join dated
        on names.symbol = dated.symbol and names.told_from_session_number <= dated.session_number
    inner join sessions on dated.session_number = sessions.session_number
    left join stitched_prices as prices
        on names.price_key = prices.price_key and sessions.session_date = prices.price_date
    where coalesce(prices.symbol, dated.symbol) = dated.symbol
),

final as (
    select
        price_key as symbol,
        ex_date,
        action_type,
        value,
        session_number
    from told
    where choice = 1
    union all
    select
        dated.symbol,
        dated.ex_date,
        dated.action_type,
        dated.value,
        dated.session_number
    from dated
    where
        not exists (
            select 1 from symbol_names
            where symbol_names.price_key = dated.symbol
        )
)

select * from final
