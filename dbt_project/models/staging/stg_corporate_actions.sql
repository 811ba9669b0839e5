with source as (
    select * from {{ source('raw', 'corporate_actions') }}
),

renamed as (
    select
        symbol,
        ex_date,
        action_type,
        value
    from source
)

select * from renamed
