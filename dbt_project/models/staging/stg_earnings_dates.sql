select
    symbol,
    earnings_date,
    eps_estimate,
    eps_actual,
    eps_actual - eps_estimate as eps_surprise,
    as_of,
    source
from {{ source('raw', 'earnings_dates') }}
