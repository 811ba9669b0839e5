{{ config(tags=['phase_2_75']) }}

with positions as (
    select * from {{ ref('all_positions') }}
),

position_sector_tags as (
    select * from {{ ref('position_sector_tags') }}
),

sector_tags as (
    select * from {{ ref('sector_tags') }}
),

fund_sectors as (
    select distinct funds.symbol from {{ ref('fund_sectors') }} as funds
),

-- what is looked through: a fund whose sectors are known, or an option on one, unless it has a sector of its own. What
-- a spin-off gave birth to is none
final as (
    select
        positions.portfolio_id,
        positions.position_id,
        sector_tags.name as sector,
        case when position_sector_tags.position_id is null then fund_sectors.symbol end as fund_symbol
    from positions
    left join position_sector_tags on positions.position_id = position_sector_tags.position_id
    left join sector_tags on position_sector_tags.sector_tag_id = sector_tags.sector_tag_id
    left join fund_sectors
        on
            {{ market_symbol('positions') }} = fund_sectors.symbol
            and positions.investment_class <> 'PRIVATE'
            and positions.parent_position_id is null
)

select * from final
