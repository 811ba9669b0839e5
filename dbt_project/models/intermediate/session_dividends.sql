{{ config(indexes=[{"columns": ["symbol", "session_number"], "unique": true}]) }}
-- inputs are read after the changes are noted that a run takes in
-- depends_on: {{ ref('open_changes') }}

with corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

final as (
    select
        corporate_actions.symbol,
        calendar_days.next_session_number as session_number,
        sum(corporate_actions.value) as dividend
    from corporate_actions
    inner join calendar_days on corporate_actions.ex_date = calendar_days.calendar_date
    where
        corporate_actions.action_type = 'DIVIDEND'
        and calendar_days.next_session_number is not null
    group by corporate_actions.symbol, calendar_days.next_session_number
)

select * from final
