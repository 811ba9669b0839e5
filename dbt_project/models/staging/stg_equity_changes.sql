select
    change_id,
    portfolio_id,
    change_date,
    change_type,
    amount
from {{ source('raw', 'equity_changes') }}
