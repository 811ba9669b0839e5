{{ config(materialized='ephemeral') }}

with recursive realized_events as (
    select * from {{ ref('stg_position_realized_events') }}
),

lots as (
    select * from {{ ref('lots') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

corporate_events as (
    select * from {{ ref('corporate_events') }}
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

dated as (
    select
        realized_events.*,
        calendar_days.next_session_number as session_number
    from realized_events
    inner join calendar_days on realized_events.trade_date = calendar_days.calendar_date
),

-- Closes that name a symbol other than the lot's: what an event has turned the lot into, or its child.
under_other_symbols as (
    select
        dated.event_id,
        dated.position_id,
        dated.session_number,
        lots.price_key,
        coalesce(symbol_names.price_key, dated.named_symbol) as named_key
    from dated
    inner join lots on dated.position_id = lots.position_id
    left join symbol_names
        on
            dated.named_symbol = symbol_names.symbol
            and dated.session_number between symbol_names.told_from_session_number and symbol_names.to_session_number
    where dated.named_symbol is not null
),

-- The price keys that such a lot has had by the day of the close.
became as (
    select
        event_id,
        position_id,
        session_number,
        price_key,
        named_key
    from under_other_symbols
    union
    select
        became.event_id,
        became.position_id,
        became.session_number,
        corporate_events.new_price_key,
        became.named_key
    from became
    inner join corporate_events
        on
            became.price_key = corporate_events.price_key
            and became.session_number >= corporate_events.session_number
            and corporate_events.event_type = 'MERGER'
            and corporate_events.new_price_key is not null
),

-- The lot itself, the child that a spin-off created from it, or null. With null, the close is reported as one that
-- finds nothing.
named as (
    select distinct on (became.event_id)
        became.event_id,
        case
            when became.price_key = became.named_key then became.position_id
            when corporate_events.birth_name is not null
                then intermediate.uuid_v5(became.position_id, corporate_events.birth_name)
        end as position_id
    from became
    left join corporate_events
        on
            became.price_key = corporate_events.price_key
            and became.named_key = corporate_events.new_price_key
            and became.session_number >= corporate_events.session_number
            and corporate_events.event_type = 'SPINOFF'
    order by
        became.event_id asc,
        became.price_key = became.named_key desc,
        corporate_events.session_number desc nulls last,
        corporate_events.price_key asc
),

final as (
    select
        case when dated.named_symbol is null then dated.position_id else named.position_id end as position_id,
        dated.event_id,
        dated.session_number,
        dated.sequence::bigint as sequence,
        dated.quantity_closed,
        dated.close_price,
        dated.fees
    from dated
    left join named on dated.event_id = named.event_id
    union all
    select
        lot_matches.opening_id,
        lot_matches.closing_id,
        lot_matches.session_number,
        lot_matches.sequence,
        lot_matches.quantity,
        -- a lot that never had a price leaves at its cost
        coalesce(lot_matches.price, transaction_lots.entry_price, 0),
        lot_matches.fees
    from lot_matches
    -- finds nothing for a lot that a spin-off created
    left join transaction_lots on lot_matches.opening_id = transaction_lots.position_id
)

select * from final
