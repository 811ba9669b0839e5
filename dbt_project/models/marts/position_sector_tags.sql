{{ config(
    materialized='incremental',
    incremental_strategy='upsert_changed',
    unique_key=["position_id"],
    tags=['phase_2_75'],
    indexes=[{"columns": ["position_id"], "unique": true}],
    post_hook="{{ record_whole_build() }}",
) }}

with position_sectors as (
    select * from {{ ref('position_sectors') }}
),

sector_tags as (
    select * from {{ ref('sector_tags') }}
),

final as (
    select
        position_sectors.position_id,
        sector_tags.sector_tag_id,
        position_sectors.source
    from position_sectors
    inner join sector_tags on position_sectors.sector = sector_tags.name
)

select * from final
