-- The sources of a session's P&L add up to it, to the cent.
with attributed as (
    select
        portfolio_id,
        calculation_date,
        sum(pnl) as pnl
    from {{ source('risk', 'portfolio_pnl_attribution') }}
    group by portfolio_id, calculation_date
)

select
    attributed.portfolio_id,
    attributed.calculation_date,
    attributed.pnl as attributed_pnl,
    snapshots.daily_pnl
from attributed
inner join {{ ref('portfolio_snapshots') }} as snapshots
    on
        attributed.portfolio_id = snapshots.portfolio_id
        and attributed.calculation_date = snapshots.snapshot_date
where not coalesce(abs(attributed.pnl - snapshots.daily_pnl) < 0.005, false)
