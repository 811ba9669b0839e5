with source as (
    select * from {{ source('raw', 'company_profiles') }}
),

renamed as (
    select
        symbol,
        name,
        sector,
        industry,
        quote_type
    from source
)

select * from renamed
