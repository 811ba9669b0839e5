select
    symbol,
    sector,
    as_of,
    weight
from {{ source('raw', 'fund_sector_weights') }}
