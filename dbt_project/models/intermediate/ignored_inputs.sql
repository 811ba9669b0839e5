with lot_closings as (
    select * from {{ ref('lot_closings') }}
),

lots as (
    select * from {{ ref('lots') }}
),

equity_changes as (
    select * from {{ ref('stg_equity_changes') }}
),

cash_items as (
    select * from {{ ref('stg_cash_items') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

closes as (
    select
        lot_closings.event_id as input_id,
        lots.portfolio_id,
        sessions.session_date as input_date,
        'close' as input,
        lots.symbol,
        case
            when lot_closings.base_shares_closed = 0
                then
                    format(
                        'nothing was left to close: %s ignored, with its fees', trim_scale(lot_closings.quantity_asked)
                    )
            else
                format(
                    'only %s of %s was left to close',
                    trim_scale(lot_closings.quantity_closed),
                    trim_scale(lot_closings.quantity_asked)
                )
        end as reason
    from lot_closings
    inner join lots on lot_closings.position_id = lots.position_id
    inner join sessions on lot_closings.session_number = sessions.session_number
    where
        lot_closings.kind = 'close'
        and lot_closings.quantity_asked - lot_closings.quantity_closed >= 0.000001
),

early_flows as (
    select
        equity_changes.change_id as input_id,
        equity_changes.portfolio_id,
        equity_changes.change_date as input_date,
        'flow' as input,
        null::text as symbol,
        format('%s of %s before inception', lower(equity_changes.change_type), trim_scale(equity_changes.amount))
            as reason
    from equity_changes
    inner join active_portfolios on equity_changes.portfolio_id = active_portfolios.portfolio_id
    inner join calendar_days on equity_changes.change_date = calendar_days.calendar_date
    where calendar_days.next_session_number < active_portfolios.inception_session_number
),

early_cash_items as (
    select
        cash_items.item_id as input_id,
        cash_items.portfolio_id,
        cash_items.item_date as input_date,
        'cash item' as input,
        null::text as symbol,
        format('%s of %s before inception', lower(cash_items.item_type), trim_scale(cash_items.amount)) as reason
    from cash_items
    inner join active_portfolios on cash_items.portfolio_id = active_portfolios.portfolio_id
    inner join calendar_days on cash_items.item_date = calendar_days.calendar_date
    where calendar_days.next_session_number < active_portfolios.inception_session_number
),

final as (
    select * from closes
    union all
    select * from early_flows
    union all
    select * from early_cash_items
)

select * from final
