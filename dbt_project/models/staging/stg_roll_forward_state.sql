with source as (
    select * from {{ source('ops', 'roll_forward_state') }}
),

renamed as (
    select
        portfolio_id,
        last_session,
        sector_seeds_fingerprint
    from source
)

select * from renamed
