select
    symbol,
    statement,
    frequency,
    period_end,
    first_seen_at as known_from,
    lead(first_seen_at) over (
        partition by symbol, statement, frequency, period_end
        order by first_seen_at
    ) as known_until,
    source,
    currency,
    case
        when line_items ->> 'filingDate' ~ '^\d{4}-\d{2}-\d{2}$' then (line_items ->> 'filingDate')::date
    end as filing_date,
    {{ line_item_columns() }}
from {{ source('raw', 'financial_statements') }}
