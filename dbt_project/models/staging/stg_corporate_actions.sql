select
    symbol,
    ex_date,
    action_type,
    value
from {{ source('raw', 'corporate_actions') }}
