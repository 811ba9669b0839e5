{{ config(materialized='view', tags=['views']) }}

{{ position_statistics(source('risk', 'symbol_factor_exposures'), [
    "model",
    "factor",
    "beta",
    "r_squared",
    "observations",
    "regularization_alpha",
    "quality_flag",
]) }}
