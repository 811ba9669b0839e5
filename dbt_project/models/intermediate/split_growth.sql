{{ config(indexes=[{"columns": ["symbol", "from_session_number"], "unique": true}]) }}
-- inputs are read after the changes are noted that a run takes in
-- depends_on: {{ ref('open_changes') }}

with corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

splits as (
    select
        corporate_actions.symbol,
        calendar_days.next_session_number as session_number,
        intermediate.product_of_ratios(corporate_actions.value order by corporate_actions.ex_date) as ratio
    from corporate_actions
    inner join calendar_days on corporate_actions.ex_date = calendar_days.calendar_date
    where
        corporate_actions.action_type = 'SPLIT'
        and calendar_days.next_session_number is not null
    group by corporate_actions.symbol, calendar_days.next_session_number
),

final as (
    select
        symbol,
        session_number as from_session_number,
        coalesce(lead(session_number) over (partition by symbol order by session_number) - 1, 2147483647)
            as to_session_number,
        intermediate.product_of_ratios(ratio) over (partition by symbol order by session_number) as growth
    from splits
)

select * from final
