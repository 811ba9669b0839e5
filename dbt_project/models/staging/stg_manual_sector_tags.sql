select
    position_id,
    sector
from {{ source('raw', 'manual_sector_tags') }}
