with source as (
    select * from {{ source('raw', 'trading_sessions') }}
),

renamed as (
    select
        session_date,
        opens_at,
        closes_at
    from source
)

select * from renamed
