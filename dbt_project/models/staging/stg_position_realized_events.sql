select
    event_id,
    position_id,
    trade_date,
    sequence,
    quantity_closed,
    close_price,
    fees,
    symbol
from {{ source('raw', 'position_realized_events') }}
