with source as (
    select * from {{ source('raw', 'manual_sector_tags') }}
),

renamed as (
    select
        position_id,
        sector
    from source
)

select * from renamed
