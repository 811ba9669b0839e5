{{ config(tags=['phase_2_5']) }}

with positions as (
    select * from {{ ref('all_positions') }}
    where deleted_at is null
),

portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

final as (
    select positions.*
    from positions
    inner join portfolios on positions.portfolio_id = portfolios.portfolio_id
)

select * from final
