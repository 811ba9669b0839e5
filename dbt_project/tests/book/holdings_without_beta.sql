-- Holdings with a market symbol that have no beta on the last session of their portfolio's results, and the reason.
-- Exposures count them in positions_without, as they do private holdings.
{{ config(severity='warn') }}

with last_sessions as (
    select
        portfolio_id,
        max(calculation_date) as calculation_date
    from {{ source('risk', 'portfolio_risk_metrics') }}
    group by portfolio_id
),

betas as (
    select
        betas.portfolio_id,
        betas.calculation_date,
        betas.position_id,
        betas.symbol,
        'market' as model,
        betas.observations,
        betas.quality_flag
    from {{ ref('position_market_betas') }} as betas
    where betas.beta is null
    union all
    select
        betas.portfolio_id,
        betas.calculation_date,
        betas.position_id,
        betas.symbol,
        'interest_rate' as model,
        betas.observations,
        betas.quality_flag
    from {{ ref('position_interest_rate_betas') }} as betas
    where betas.beta is null
    union all
    select
        exposures.portfolio_id,
        exposures.calculation_date,
        exposures.position_id,
        exposures.symbol,
        exposures.model || ' ' || exposures.factor as model,
        exposures.observations,
        exposures.quality_flag
    from {{ ref('position_factor_exposures') }} as exposures
    where exposures.beta is null
)

select betas.*
from last_sessions
inner join betas
    on
        last_sessions.portfolio_id = betas.portfolio_id
        and last_sessions.calculation_date = betas.calculation_date
