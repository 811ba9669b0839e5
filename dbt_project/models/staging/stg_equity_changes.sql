with source as (
    select * from {{ source('raw', 'equity_changes') }}
),

renamed as (
    select
        change_id,
        portfolio_id,
        change_date,
        change_type,
        amount
    from source
)

select * from renamed
