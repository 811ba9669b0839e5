{{ config(materialized='ephemeral') }}

with manual_sector_tags as (
    select * from {{ ref('stg_manual_sector_tags') }}
),

company_profiles as (
    select * from {{ ref('stg_company_profiles') }}
),

sector_map as (
    select * from {{ ref('sector_map') }}
),

told as (
    select sector as source_sector from manual_sector_tags
    union
    select sector from company_profiles
    where sector is not null
),

named as (
    select
        told.source_sector,
        coalesce(sector_map.sector, told.source_sector) as sector
    from told
    left join sector_map on lower(told.source_sector) = lower(sector_map.source_sector)
),

final as (
    select
        source_sector,
        sector,
        md5('sector ' || sector)::uuid as sector_tag_id
    from named
)

select * from final
