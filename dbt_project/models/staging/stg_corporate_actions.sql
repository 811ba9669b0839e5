select
    symbol,
    ex_date,
    action_type,
    value,
    new_symbol,
    cash_per_share,
    cost_fraction
from {{ source('raw', 'corporate_actions') }}
