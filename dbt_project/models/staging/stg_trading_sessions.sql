select
    session_date,
    opens_at,
    closes_at
from {{ source('raw', 'trading_sessions') }}
