{{ config(materialized='ephemeral') }}

with position_values as (
    select * from {{ ref('position_values') }}
),

-- as the books have them; where Citus reads with the rights of whoever asks, as they are published
positions as (
    select * from {{ ref('positions') if is_spread() else ref('book_positions') }}
),

final as (
    select
        position_values.value_date,
        position_values.portfolio_id,
        position_values.position_id,
        position_values.symbol,
        {{ market_symbol('positions', held='position_values') }} as market_symbol
    from position_values
    -- a lot that a spin-off created has no row in the books, and it is always shares
    left join positions
        on
            position_values.portfolio_id = positions.portfolio_id
            and position_values.position_id = positions.position_id
    where
        position_values.quantity <> 0
        and positions.investment_class is distinct from 'PRIVATE'
)

select * from final
