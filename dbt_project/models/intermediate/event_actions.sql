{{ config(materialized='ephemeral') }}

with corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
    where action_type in ('RENAME', 'MERGER', 'SPINOFF', 'DELISTING')
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

dated as (
    select
        corporate_actions.*,
        calendar_days.next_session_number as session_number
    from corporate_actions
    inner join calendar_days on corporate_actions.ex_date = calendar_days.calendar_date
    where calendar_days.next_session_number is not null
),

-- An event names the old symbol as it was on the day before. The child of a spin-off may take the name that its parent
-- gives up on that day.
final as (
    select
        dated.*,
        coalesce(old_name.price_key, dated.symbol) as price_key,
        coalesce(new_name.price_key, dated.new_symbol) as new_price_key
    from dated
    left join symbol_names as old_name
        on
            dated.symbol = old_name.symbol
            and dated.session_number - 1 between old_name.told_from_session_number and old_name.to_session_number
    left join symbol_names as new_name
        on
            dated.new_symbol = new_name.symbol
            and dated.session_number - case dated.action_type when 'SPINOFF' then 0 else 1 end
            between new_name.told_from_session_number and new_name.to_session_number
)

select * from final
