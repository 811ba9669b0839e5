{{ config(materialized='view', tags=['views']) }}

with statistics as (
    select * from {{ source('risk', 'symbol_factor_exposures') }}
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
        statistics.model,
        statistics.factor,
        statistics.beta,
        statistics.r_squared,
        statistics.observations,
        statistics.regularization_alpha,
        statistics.quality_flag
    from held_symbols
    inner join statistics
        on
            held_symbols.value_date = statistics.calculation_date
            and held_symbols.market_symbol = statistics.symbol
)

select * from final
