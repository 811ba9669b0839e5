{{ config(materialized='view', tags=['views']) }}

{{ position_statistics(source('risk', 'symbol_volatility'), [
    "realized_vol_21d",
    "realized_vol_63d",
    "expected_vol_21d",
    "vol_trend",
    "vol_trend_strength",
    "vol_percentile",
    "observations",
    "model_r_squared",
    "quality_flag",
]) }}
