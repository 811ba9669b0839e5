{{ config(materialized='view', tags=['views']) }}

{{ position_statistics(source('risk', 'symbol_market_betas'), beta_columns()) }}
