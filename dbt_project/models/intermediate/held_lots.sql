{{ config(materialized='ephemeral') }}

with lots as (
    select * from {{ ref('lots') }}
),

lot_stages as (
    select * from {{ ref('lot_stages') }}
    where is_birth
),

final as (
    select
        position_id,
        null::uuid as parent_position_id,
        portfolio_id,
        price_key,
        first_symbol as symbol,
        investment_class,
        multiplier,
        side,
        quantity,
        entry_price,
        is_carried_in,
        joins_at_close,
        first_session_number,
        base_session_number,
        exit_session_number,
        exit_price,
        expiry_session_number,
        underlying_symbol,
        underlying_key,
        1::numeric as conversion,
        base_growth,
        1::numeric as cost_share
    from lots
    union all
    -- A child joins at its first close. It is counted in its parent's base shares and carries its parent's cost.
    select
        position_id,
        parent_position_id,
        portfolio_id,
        price_key,
        symbol,
        'PUBLIC',
        1,
        side,
        base_shares,
        entry_price,
        false,
        true,
        from_session_number,
        from_session_number as base_session_number,
        null,
        null,
        null,
        null,
        null,
        conversion,
        base_growth,
        cost_share
    from lot_stages
)

select * from final
