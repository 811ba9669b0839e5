with source as (
    select * from {{ source('raw', 'market_data_cache') }}
),

renamed as (
    select
        symbol,
        price_date,
        close
    from source
)

select * from renamed
