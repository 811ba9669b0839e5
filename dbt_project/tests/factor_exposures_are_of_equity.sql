-- exposure_value x equity = exposure_dollar, for the equity of the session.
select
    exposures.portfolio_id,
    exposures.calculation_date,
    exposures.model,
    exposures.factor,
    exposures.exposure_value,
    exposures.exposure_dollar,
    snapshots.equity_balance
from {{ source('risk', 'portfolio_factor_exposures') }} as exposures
left join {{ ref('portfolio_snapshots') }} as snapshots
    on
        exposures.portfolio_id = snapshots.portfolio_id
        and exposures.calculation_date = snapshots.snapshot_date
where
    exposures.exposure_value is not null
    and not coalesce(
        abs(exposures.exposure_value * snapshots.equity_balance - exposures.exposure_dollar)
        <= 1e-9 * (1 + abs(exposures.exposure_dollar)),
        false
    )
