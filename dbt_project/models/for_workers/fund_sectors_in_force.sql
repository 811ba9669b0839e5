{{ config(tags=['phase_2_75']) }}

with fund_sectors as (
    select * from {{ ref('fund_sectors') }}
),

final as (
    select
        symbol,
        from_date,
        to_date,
        sector,
        share_from,
        share_to
    from fund_sectors
)

select * from final
