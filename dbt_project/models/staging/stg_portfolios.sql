select
    portfolio_id,
    name,
    inception_date,
    starting_equity,
    benchmark,
    currency,
    lot_matching,
    deleted_at
from {{ source('raw', 'portfolios') }}
