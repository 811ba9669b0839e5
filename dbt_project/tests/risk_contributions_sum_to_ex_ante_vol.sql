-- The contributions of a portfolio's positions to its volatility add up to the whole volatility, and their shares add
-- up to 1.
with contributions as (
    select
        portfolio_id,
        calculation_date,
        sum(contribution_vol) as contribution_vol,
        sum(contribution_share) as contribution_share
    from {{ source('risk', 'position_risk_contributions') }}
    group by portfolio_id, calculation_date
)

select
    metrics.portfolio_id,
    metrics.calculation_date,
    metrics.ex_ante_vol,
    contributions.contribution_vol,
    contributions.contribution_share
from {{ source('risk', 'portfolio_risk_metrics') }} as metrics
left join contributions
    on
        metrics.portfolio_id = contributions.portfolio_id
        and metrics.calculation_date = contributions.calculation_date
where
    metrics.ex_ante_vol > 0
    and not coalesce(
        abs(contributions.contribution_vol - metrics.ex_ante_vol) <= 1e-9 * (1 + metrics.ex_ante_vol)
        and abs(contributions.contribution_share - 1) <= 1e-9,
        false
    )
