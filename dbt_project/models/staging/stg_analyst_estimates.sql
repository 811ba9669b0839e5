select
    estimates.symbol,
    estimates.period_end,
    figures.key as frequency,
    estimates.as_of,
    estimates.source,
    coalesce(
        figures.value #>> '{earningsEstimate,earningsCurrency}',
        figures.value #>> '{revenueEstimate,revenueCurrency}'
    ) as currency,
    {{ estimate_columns() }}
from {{ source('raw', 'analyst_estimates') }} as estimates
cross join jsonb_each(estimates.estimates) as figures
