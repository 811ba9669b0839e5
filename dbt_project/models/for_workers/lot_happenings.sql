{{ config(tags=['phase_2_5']) }}

with lot_stages as (
    select * from {{ ref('lot_stages') }}
),

final as (
    select
        portfolio_id,
        position_id,
        place,
        from_session_number,
        what_happened
    from lot_stages
    where what_happened is not null
)

select * from final
