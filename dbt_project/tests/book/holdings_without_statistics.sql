-- Holdings with a market symbol for which the risk models give neither a number nor a reason why there is none,
-- although the risk of their portfolio's last session was computed. A holding that was loaded or corrected after that
-- is listed until `analytics` has run again.
{{ config(severity='warn') }}

with held_symbols as (
    select latest_holdings.*
    from {{ ref('latest_holdings') }} as latest_holdings
    inner join {{ source('risk', 'portfolio_risk_metrics') }} as computed
        on
            latest_holdings.portfolio_id = computed.portfolio_id
            and latest_holdings.value_date = computed.calculation_date
    where latest_holdings.market_symbol is not null
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
