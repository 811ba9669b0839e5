{{ config(materialized='view', tags=['views']) }}

with statistics as (
    select * from {{ source('risk', 'symbol_volatility') }}
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
        statistics.realized_vol_21d,
        statistics.realized_vol_63d,
        statistics.expected_vol_21d,
        statistics.vol_trend,
        statistics.vol_trend_strength,
        statistics.vol_percentile,
        statistics.observations,
        statistics.model_r_squared,
        statistics.quality_flag
    from held_symbols
    inner join statistics
        on
            held_symbols.value_date = statistics.calculation_date
            and held_symbols.market_symbol = statistics.symbol
)

select * from final
