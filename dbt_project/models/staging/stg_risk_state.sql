select
    portfolio_id,
    calculation_date,
    calculated_at,
    stale_because
from {{ source('ops', 'risk_state') }}
where portfolio_id is not null
