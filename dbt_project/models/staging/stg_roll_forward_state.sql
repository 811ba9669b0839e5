select
    portfolio_id,
    last_session,
    sector_seeds_fingerprint
from {{ source('ops', 'roll_forward_state') }}
