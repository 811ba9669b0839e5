select
    portfolio_id,
    last_session,
    sector_seeds_fingerprint,
    rolled_at
from {{ source('ops', 'roll_forward_state') }}
