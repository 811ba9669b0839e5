select
    symbol,
    name,
    sector,
    industry,
    country,
    currency,
    quote_type
from {{ source('raw', 'company_profiles') }}
