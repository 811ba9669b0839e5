with source as (
    select * from {{ source('raw', 'manual_prices') }}
),

renamed as (
    select
        position_id,
        price_date,
        price
    from source
)

select * from renamed
