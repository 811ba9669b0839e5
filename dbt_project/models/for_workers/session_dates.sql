{{ config(tags=['phase_2']) }}

with sessions as (
    select * from {{ ref('sessions') }}
),

final as (
    select
        session_number,
        session_date
    from sessions
)

select * from final
