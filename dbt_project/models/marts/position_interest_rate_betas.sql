{{ config(materialized='view', tags=['views']) }}

{{ position_statistics(source('risk', 'symbol_interest_rate_betas'), beta_columns()) }}
