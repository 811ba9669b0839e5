select
    position_id,
    price_date,
    price
from {{ source('raw', 'manual_prices') }}
