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

final as (
    select
        position_id,
        sector_tag_id,
        source
    from position_sectors
)

select * from final
