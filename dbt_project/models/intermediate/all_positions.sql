{{ config(materialized='ephemeral') }}

with positions as not materialized (
    select * from {{ ref('book_positions') }}
),

lot_stages as (
    select * from {{ ref('lot_stages') }}
    where is_birth
),

final as (
    select
        *,
        null::uuid as parent_position_id
    from positions
    union all
    -- Children as they began: in shares of their first day, at their part of the cost, and held since the parent was.
    select
        lot_stages.position_id,
        lot_stages.portfolio_id,
        lot_stages.symbol,
        positions.position_type,
        born.quantity,
        round(abs(lot_stages.base_shares * lot_stages.entry_price * lot_stages.cost_share / born.quantity), 10),
        positions.entry_date,
        positions.joins_on,
        null,
        null,
        null,
        null,
        null,
        null,
        positions.investment_class,
        positions.investment_subtype,
        null,
        positions.deleted_at,
        lot_stages.parent_position_id
    from lot_stages
    inner join positions on lot_stages.root_position_id = positions.position_id
    cross join
        lateral (
            select
                round(
                    lot_stages.side * lot_stages.base_shares
                    * {{ growth_at('lot_stages.price_key', 'lot_stages.from_session_number') }}
                    * lot_stages.conversion / lot_stages.base_growth,
                    10
                ) as quantity
        ) as born
    where born.quantity <> 0
)

select * from final
