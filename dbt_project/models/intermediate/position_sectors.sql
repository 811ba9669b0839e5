{{ config(materialized='ephemeral') }}

with positions as (
    select * from {{ ref('all_positions') }}
    where deleted_at is null
),

-- Shares have the sector of the company that they have become by events.
last_stages as (
    select distinct on (position_id)
        position_id,
        price_key
    from {{ ref('lot_stages') }}
    order by position_id asc, place desc
),

portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

manual_sector_tags as (
    select * from {{ ref('stg_manual_sector_tags') }}
),

company_profiles as (
    select * from {{ ref('stg_company_profiles') }}
),

told_sectors as (
    select * from {{ ref('told_sectors') }}
),

fund_sectors as (
    select distinct funds.symbol from {{ ref('fund_sectors') }} as funds
),

-- A person's choice comes before all else. An option has the sector of its underlying. A fund that is looked through
-- has the sectors of its holdings, whatever its profile says.
named as (
    select
        positions.position_id,
        coalesce(manual_sector_tags.sector, new_profiles.sector, company_profiles.sector) as source_sector,
        case when manual_sector_tags.sector is not null then 'manual' else 'profile' end as source
    from positions
    inner join portfolios on positions.portfolio_id = portfolios.portfolio_id
    left join manual_sector_tags on positions.position_id = manual_sector_tags.position_id
    left join company_profiles
        on
            {{ market_symbol('positions') }} = company_profiles.symbol
            and positions.investment_class <> 'PRIVATE'
            and {{ market_symbol('positions') }} not in (select symbol from fund_sectors)
    left join last_stages on positions.position_id = last_stages.position_id
    left join company_profiles as new_profiles
        on
            last_stages.price_key = new_profiles.symbol
            and last_stages.price_key not in (select symbol from fund_sectors)
),

final as (
    select
        named.position_id,
        told_sectors.sector,
        told_sectors.sector_tag_id,
        named.source
    from named
    inner join told_sectors on named.source_sector = told_sectors.source_sector
)

select * from final
