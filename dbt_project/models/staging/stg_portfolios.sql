with source as (
    select * from {{ source('raw', 'portfolios') }}
),

renamed as (
    select
        portfolio_id,
        name,
        inception_date,
        starting_equity,
        currency,
        deleted_at
    from source
)

select * from renamed
