{{ config(materialized='ephemeral') }}

with positions as (
    select * from {{ ref('stg_positions') }}
),

transaction_lots as (
    select * from {{ ref('transaction_lots') }}
),

final as (
    select
        position_id,
        portfolio_id,
        symbol,
        position_type,
        quantity,
        entry_price,
        entry_date,
        joins_on,
        exit_price,
        exit_date,
        underlying_symbol,
        option_type,
        strike_price,
        expiration_date,
        investment_class,
        investment_subtype,
        shares_as_of,
        deleted_at
    from positions
    union all
    select
        position_id,
        portfolio_id,
        symbol,
        position_type,
        quantity,
        entry_price,
        entry_date,
        joins_on,
        null,
        null,
        underlying_symbol,
        option_type,
        strike_price,
        expiration_date,
        investment_class,
        null,
        null,
        null
    from transaction_lots
)

select * from final
