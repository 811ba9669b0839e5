{{ config(materialized='view', tags=['views']) }}

with statistics as (
    select * from {{ source('risk', 'symbol_market_betas') }}
),

held_symbols as (
    select * from {{ ref('held_symbols') }}
),

final as (
    select
        statistics.calculation_date,
        held_symbols.portfolio_id,
        held_symbols.position_id,
        held_symbols.symbol,
        statistics.beta,
        statistics.raw_beta,
        statistics.alpha,
        statistics.r_squared,
        statistics.std_error,
        statistics.p_value,
        statistics.observations,
        statistics.window_days,
        statistics.quality_flag
    from held_symbols
    inner join statistics
        on
            held_symbols.value_date = statistics.calculation_date
            and held_symbols.market_symbol = statistics.symbol
)

select * from final
