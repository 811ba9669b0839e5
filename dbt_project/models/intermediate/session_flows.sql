{{ config(indexes=[{"columns": ["portfolio_id", "session_number"]}]) }}

with equity_changes as (
    select * from {{ ref('book_flows') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

final as (
    select
        equity_changes.portfolio_id,
        calendar_days.next_session_number as session_number,
        sum(
            case equity_changes.change_type
                when 'CONTRIBUTION' then equity_changes.amount else -equity_changes.amount
            end
        )
            as capital_flow,
        coalesce(sum(equity_changes.amount) filter (where equity_changes.change_type = 'CONTRIBUTION'), 0)
            as contributions
    from equity_changes
    inner join active_portfolios on equity_changes.portfolio_id = active_portfolios.portfolio_id
    inner join calendar_days on equity_changes.change_date = calendar_days.calendar_date
    -- flows before inception are part of the starting equity
    where calendar_days.next_session_number >= active_portfolios.inception_session_number
    group by equity_changes.portfolio_id, calendar_days.next_session_number
)

select * from final
