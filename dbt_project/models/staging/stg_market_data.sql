select
    symbol,
    price_date,
    close
from {{ source('raw', 'market_data_cache') }}
