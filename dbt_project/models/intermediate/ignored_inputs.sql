with lot_closings as (
    select * from {{ ref('lot_closings') }}
),

lots as (
    select * from {{ ref('held_lots') }}
),

lot_matches as (
    select * from {{ ref('lot_matches') }}
),

option_settlements as (
    select * from {{ ref('option_settlements') }}
),

broker_dividends as (
    select * from {{ ref('broker_dividends') }}
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

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

sessions as not materialized (
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

-- Closes that name a child that was never created, or a symbol that the lot had not become by then.
closes_of_no_lot as (
    select
        realized_events.event_id as input_id,
        positions.portfolio_id,
        realized_events.trade_date as input_date,
        'close' as input,
        realized_events.named_symbol as symbol,
        format(
            'no event has made %s of %s of %s by then: see `actions list %s`',
            realized_events.named_symbol,
            positions.symbol,
            positions.entry_date,
            positions.symbol
        ) as reason
    from {{ ref('stg_position_realized_events') }} as realized_events
    inner join {{ ref('stg_positions') }} as positions
        on realized_events.position_id = positions.position_id and positions.deleted_at is null
    inner join active_portfolios on positions.portfolio_id = active_portfolios.portfolio_id
    where
        realized_events.named_symbol is not null
        and not exists (
            select 1 from lot_closings
            where lot_closings.event_id = realized_events.event_id
        )
),

-- Transactions that ask for more than any lot holds. The reason differs by type: shares that leave in kind are no sale.
unmatched_transactions as (
    select
        lot_matches.closing_id as input_id,
        lot_matches.portfolio_id,
        sessions.session_date as input_date,
        'transaction' as input,
        lot_matches.symbol,
        format(
            '%s of %s finds no lot: %s',
            lower(replace(lot_matches.transaction_type, '_', ' ')),
            trim_scale(lot_matches.quantity),
            case lot_matches.transaction_type
                when 'SELL'
                    then 'a sale that opens a short is a SHORT, what was held before the first line a TRANSFER_IN'
                when 'COVER' then 'a purchase that closes no short is a BUY'
                else 'is a line before it missing?'
            end
        ) as reason
    from lot_matches
    inner join sessions on lot_matches.session_number = sessions.session_number
    where lot_matches.opening_id is null
),

delivered_options as (
    select
        lots.position_id as input_id,
        lots.portfolio_id,
        sessions.session_date as input_date,
        'expiry' as input,
        lots.symbol,
        format(
            'taken as %s: %s changed hands at the strike that day, so it settles at nothing',
            case when lots.side > 0 then 'exercised' else 'assigned' end,
            lots.underlying_symbol
        ) as reason
    from option_settlements
    inner join lots on option_settlements.position_id = lots.position_id
    inner join sessions on option_settlements.expiry_session_number = sessions.session_number
    where option_settlements.is_delivered
),

other_dividends as (
    select
        (array_agg(broker_dividends.transaction_id order by broker_dividends.transaction_id))[1] as input_id,
        broker_dividends.portfolio_id,
        sessions.session_date as input_date,
        'dividend' as input,
        broker_dividends.symbol,
        format(
            'the broker paid %s, the source says %s: the broker''s counts',
            round(sum(broker_dividends.dividend_income), 2),
            round(max(told.source_income), 2)
        ) as reason
    from broker_dividends
    inner join (
        select
            portfolio_id,
            symbol,
            session_number,
            sum(source_income) as source_income
        from (
            select distinct
                portfolio_id,
                symbol,
                session_number,
                position_id,
                source_income
            from broker_dividends
        ) as by_lot
        group by portfolio_id, symbol, session_number
    ) as told
        on
            broker_dividends.portfolio_id = told.portfolio_id
            and broker_dividends.symbol = told.symbol
            and broker_dividends.session_number = told.session_number
    inner join sessions on broker_dividends.session_number = sessions.session_number
    where told.source_income is not null
    group by broker_dividends.portfolio_id, broker_dividends.symbol, sessions.session_date
    having abs(sum(broker_dividends.dividend_income) - max(told.source_income)) >= 0.005
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
    select * from closes_of_no_lot
    union all
    select * from early_flows
    union all
    select * from early_cash_items
    union all
    select * from unmatched_transactions
    union all
    select * from other_dividends
    union all
    select * from delivered_options
)

select * from final
