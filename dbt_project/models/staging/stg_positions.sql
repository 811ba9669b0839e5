select
    position_id,
    portfolio_id,
    symbol,
    position_type,
    quantity,
    entry_price,
    entry_date,
    exit_price,
    exit_date,
    underlying_symbol,
    option_type,
    strike_price,
    expiration_date,
    investment_class,
    investment_subtype,
    deleted_at
from {{ source('raw', 'positions') }}
