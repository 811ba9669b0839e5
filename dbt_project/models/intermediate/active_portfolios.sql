{{ config(indexes=[{"columns": ["portfolio_id"], "unique": true}]) }}
-- `open_changes` is built first: a run notes which changes it takes in before it reads any input.
-- depends_on: {{ ref('open_changes') }}

with portfolios as (
    select * from {{ ref('stg_portfolios') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

final as (
    select
        portfolios.portfolio_id,
        portfolios.starting_equity,
        portfolios.benchmark,
        calendar_days.next_session_number as inception_session_number
    from portfolios
    inner join calendar_days on portfolios.inception_date = calendar_days.calendar_date
    where
        portfolios.deleted_at is null
        and calendar_days.next_session_number is not null
)

select * from final
