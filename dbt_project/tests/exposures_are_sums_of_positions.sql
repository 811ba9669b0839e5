-- exposure_dollar = the sum of market value x beta over the positions with a beta, and the stored number of them is
-- right. The test looks at the last session of each portfolio without options. Options count at their delta, which is
-- not stored.
with last_sessions as (
    select
        portfolio_id,
        max(calculation_date) as calculation_date
    from {{ source('risk', 'portfolio_risk_metrics') }}
    group by portfolio_id
),

held as (
    select
        position_values.*,
        positions.investment_class = 'OPTIONS' as is_option
    from last_sessions
    inner join {{ ref('position_values') }} as position_values
        on
            last_sessions.portfolio_id = position_values.portfolio_id
            and last_sessions.calculation_date = position_values.value_date
    inner join {{ ref('all_positions') }} as positions on position_values.position_id = positions.position_id
    where position_values.quantity <> 0
),

betas as (
    select
        calculation_date,
        symbol,
        'market' as model,
        'Market' as factor,
        beta
    from {{ source('risk', 'symbol_market_betas') }}
    union all
    select
        calculation_date,
        symbol,
        'interest_rate' as model,
        'Interest Rate' as factor,
        beta
    from {{ source('risk', 'symbol_interest_rate_betas') }}
    union all
    select
        calculation_date,
        symbol,
        model,
        factor,
        beta
    from {{ source('risk', 'symbol_factor_exposures') }}
),

sums as (
    select
        held.portfolio_id,
        held.value_date,
        betas.model,
        betas.factor,
        sum(held.market_value::double precision * betas.beta) as exposure_dollar,
        count(*) as positions
    from held
    inner join betas on held.value_date = betas.calculation_date and held.symbol = betas.symbol
    where betas.beta is not null
    group by held.portfolio_id, held.value_date, betas.model, betas.factor
)

select
    exposures.portfolio_id,
    exposures.calculation_date,
    exposures.model,
    exposures.factor,
    exposures.exposure_dollar,
    sums.exposure_dollar as exposure_of_positions,
    exposures.positions_covered,
    sums.positions
from last_sessions
inner join {{ source('risk', 'portfolio_factor_exposures') }} as exposures
    on
        last_sessions.portfolio_id = exposures.portfolio_id
        and last_sessions.calculation_date = exposures.calculation_date
left join sums
    on
        exposures.portfolio_id = sums.portfolio_id
        and exposures.model = sums.model
        and exposures.factor = sums.factor
where
    not exists (
        select 1 from held
        where held.portfolio_id = last_sessions.portfolio_id and held.is_option
    )
    and (
        exposures.positions_covered <> coalesce(sums.positions, 0)
        or abs(exposures.exposure_dollar - coalesce(sums.exposure_dollar, 0))
        > 1e-9 * (1 + abs(exposures.exposure_dollar))
    )
