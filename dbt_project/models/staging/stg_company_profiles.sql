select
    symbol,
    name,
    sector,
    industry,
    quote_type
from {{ source('raw', 'company_profiles') }}
