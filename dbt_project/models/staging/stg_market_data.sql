select
    symbol,
    price_date,
    close,
    loaded_at
from {{ source('raw', 'market_data_cache') }}
