-- The sectors' effects add up to the active return, where there is one.
with attributed as (
    select
        portfolio_id,
        calculation_date,
        sum(total) as total
    from {{ source('risk', 'portfolio_sector_attribution') }}
    group by portfolio_id, calculation_date
)

select
    attributed.portfolio_id,
    attributed.calculation_date,
    attributed.total,
    snapshots.active_return
from attributed
inner join {{ ref('portfolio_snapshots') }} as snapshots
    on
        attributed.portfolio_id = snapshots.portfolio_id
        and attributed.calculation_date = snapshots.snapshot_date
where
    snapshots.active_return is not null
    and not coalesce(abs(attributed.total - snapshots.active_return) <= 1e-9, false)
