{{ config(indexes=[{"columns": ["portfolio_id", "session_number"]}]) }}

with cash_items as (
    select * from {{ ref('book_cash_items') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

final as (
    select
        cash_items.portfolio_id,
        calendar_days.next_session_number as session_number,
        sum(cash_items.amount) as cash_income
    from cash_items
    inner join active_portfolios on cash_items.portfolio_id = active_portfolios.portfolio_id
    inner join calendar_days on cash_items.item_date = calendar_days.calendar_date
    -- cash items before inception are part of the starting equity
    where calendar_days.next_session_number >= active_portfolios.inception_session_number
    group by cash_items.portfolio_id, calendar_days.next_session_number
)

select * from final
