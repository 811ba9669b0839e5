{{ config(
    materialized='incremental',
    incremental_strategy='upsert_changed',
    unique_key=["sector_tag_id"],
    tags=['phase_2_75'],
    indexes=[{"columns": ["sector_tag_id"], "unique": true}],
    post_hook="{{ record_whole_build() }}",
) }}

-- A sector has the colour of the latest set that contains it.
with benchmark_sector_weights as (
    select distinct on (weights.sector)
        weights.sector,
        weights.color
    from {{ ref('benchmark_sector_weights') }} as weights
    order by weights.sector asc, weights.effective_date desc
),

told_sectors as (
    select * from {{ ref('told_sectors') }}
),

position_sector_tags as (
    select * from {{ ref('position_sector_tags') }}
),

sectors as (
    select sector from benchmark_sector_weights
    union
    select told_sectors.sector from told_sectors
    where told_sectors.sector_tag_id in (select position_sector_tags.sector_tag_id from position_sector_tags)
    union
    select fund_sectors.sector from {{ ref('fund_sectors') }} as fund_sectors
    where fund_sectors.sector <> 'Unclassified'
),

final as (
    select
        md5('sector ' || sectors.sector)::uuid as sector_tag_id,
        sectors.sector as name,
        -- grey for a sector that only a person or a source names
        coalesce(benchmark_sector_weights.color, '#9AA0A6') as color
    from sectors
    left join benchmark_sector_weights on sectors.sector = benchmark_sector_weights.sector
)

select * from final
