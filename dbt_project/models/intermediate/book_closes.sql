{{ config(materialized='ephemeral') }}

with realized_events as (
    select * from {{ ref('stg_position_realized_events') }}
),

lot_matches as (
    select * from {{ ref('lot_matches') }}
    where opening_id is not null and closing_id is not null
),

transaction_lots as (
    select * from {{ ref('transaction_lots') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

final as (
    select
        realized_events.position_id,
        realized_events.event_id,
        calendar_days.next_session_number as session_number,
        realized_events.sequence::bigint as sequence,
        realized_events.quantity_closed,
        realized_events.close_price,
        realized_events.fees
    from realized_events
    inner join calendar_days on realized_events.trade_date = calendar_days.calendar_date
    union all
    select
        lot_matches.opening_id,
        lot_matches.closing_id,
        lot_matches.session_number,
        lot_matches.sequence,
        lot_matches.quantity,
        -- what leaves without ever having had a price leaves at its cost
        coalesce(lot_matches.price, transaction_lots.entry_price, 0),
        lot_matches.fees
    from lot_matches
    -- not of a lot that a spin-off gave birth to
    left join transaction_lots on lot_matches.opening_id = transaction_lots.position_id
)

select * from final
