select
    event_id,
    position_id,
    trade_date,
    sequence,
    quantity_closed,
    close_price,
    fees,
    named_symbol
from {{ source('raw', 'position_realized_events') }}
