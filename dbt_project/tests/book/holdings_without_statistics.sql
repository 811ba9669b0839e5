-- Holdings with a market of which the risk models say nothing, not even why there is no number, on the last session
-- that their portfolio has results of. A holding that was loaded or corrected after they were computed is among them
-- until `analytics` has run again.
{{ config(severity='warn') }}

with last_sessions as (
    select
        portfolio_id,
        max(calculation_date) as calculation_date
    from {{ source('risk', 'portfolio_risk_metrics') }}
    group by portfolio_id
),

held_symbols as (
    select held_symbols.*
    from {{ ref('held_symbols') }} as held_symbols
    inner join last_sessions
        on
            held_symbols.portfolio_id = last_sessions.portfolio_id
            and held_symbols.value_date = last_sessions.calculation_date
)

select
    held_symbols.portfolio_id,
    held_symbols.value_date,
    held_symbols.position_id,
    held_symbols.symbol,
    betas.symbol is null as is_without_beta,
    rate_betas.symbol is null as is_without_rate_beta,
    volatility.symbol is null as is_without_volatility
from held_symbols
left join {{ source('risk', 'symbol_market_betas') }} as betas
    on
        held_symbols.value_date = betas.calculation_date
        and held_symbols.market_symbol = betas.symbol
left join {{ source('risk', 'symbol_interest_rate_betas') }} as rate_betas
    on
        held_symbols.value_date = rate_betas.calculation_date
        and held_symbols.market_symbol = rate_betas.symbol
left join {{ source('risk', 'symbol_volatility') }} as volatility
    on
        held_symbols.value_date = volatility.calculation_date
        and held_symbols.market_symbol = volatility.symbol
where betas.symbol is null or rate_betas.symbol is null or volatility.symbol is null
