-- Holdings with a market of which the risk models say nothing, not even why there is no number. A holding that was
-- loaded or corrected after the risk of that session was computed is among them until `analytics` has run again.
{{ config(severity='warn') }}

with held_symbols as (
    select * from {{ ref('held_symbols') }}
),

computed as (
    select
        portfolio_id,
        calculation_date
    from {{ source('risk', 'portfolio_risk_metrics') }}
)

select
    held_symbols.portfolio_id,
    held_symbols.value_date,
    held_symbols.position_id,
    held_symbols.symbol,
    betas.symbol is null as is_without_beta,
    volatility.symbol is null as is_without_volatility
from held_symbols
inner join computed
    on
        held_symbols.portfolio_id = computed.portfolio_id
        and held_symbols.value_date = computed.calculation_date
left join {{ source('risk', 'symbol_market_betas') }} as betas
    on
        held_symbols.value_date = betas.calculation_date
        and held_symbols.market_symbol = betas.symbol
left join {{ source('risk', 'symbol_volatility') }} as volatility
    on
        held_symbols.value_date = volatility.calculation_date
        and held_symbols.market_symbol = volatility.symbol
where betas.symbol is null or volatility.symbol is null
