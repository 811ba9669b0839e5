-- The sector exposures of a portfolio add up to its net exposure.
with sectors as (
    select
        portfolio_id,
        value_date,
        sum(market_value) as market_value
    from {{ ref('portfolio_sector_exposures') }}
    group by portfolio_id, value_date
)

select
    snapshots.portfolio_id,
    snapshots.snapshot_date,
    snapshots.net_exposure,
    sectors.market_value
from {{ ref('portfolio_snapshots') }} as snapshots
left join sectors
    on
        snapshots.portfolio_id = sectors.portfolio_id
        and snapshots.snapshot_date = sectors.value_date
where snapshots.net_exposure is distinct from sectors.market_value
