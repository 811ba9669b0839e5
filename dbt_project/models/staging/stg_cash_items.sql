select
    item_id,
    portfolio_id,
    item_date,
    item_type,
    amount
from {{ source('raw', 'cash_items') }}
