-- Every position held is counted as one with or without a beta, in every model. None is left out silently.
with exposures as (
    select * from {{ source('risk', 'portfolio_factor_exposures') }}
),

held as (
    select
        portfolio_id,
        value_date,
        count(*) as positions
    from {{ ref('position_values') }}
    where quantity <> 0
    group by portfolio_id, value_date
)

select
    exposures.portfolio_id,
    exposures.calculation_date,
    exposures.model,
    exposures.factor,
    exposures.positions_covered,
    exposures.positions_without,
    held.positions
from exposures
left join held
    on
        exposures.portfolio_id = held.portfolio_id
        and exposures.calculation_date = held.value_date
where exposures.positions_covered + exposures.positions_without <> coalesce(held.positions, 0)
