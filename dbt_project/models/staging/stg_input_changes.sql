select
    change_id,
    input,
    symbol,
    portfolio_id,
    position_id,
    from_date,
    through_date,
    what,
    rolled_at,
    returns_taken_at,
    risk_taken_at
from {{ source('ops', 'input_changes') }}
