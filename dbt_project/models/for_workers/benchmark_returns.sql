{{ config(tags=['phase_2']) }}

with daily_returns as (
    select * from {{ ref('daily_returns') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

roll_forward_window as (
    select * from {{ ref('roll_forward_window') }}
),

final as (
    select
        symbol,
        value_date,
        total_return
    from daily_returns
    -- Only those in the window, since the table has every symbol's history.
    where
        symbol in (select active_portfolios.benchmark from active_portfolios)
        and value_date >= (select min(roll_forward_window.first_session) from roll_forward_window)
        and value_date <= (select max(roll_forward_window.last_session) from roll_forward_window)
)

select * from final
