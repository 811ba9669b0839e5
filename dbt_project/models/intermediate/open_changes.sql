{{ config(schema='ops', indexes=[{"columns": ["change_id"]}]) }}

with input_changes as (
    select * from {{ ref('stg_input_changes') }}
),

outstanding as (
    select * from {{ source('ops', 'input_changes_outstanding') }}
),

final as (
    select
        *,
        rolled_at is null or change_id in (select outstanding.change_id from outstanding) as is_to_roll,
        returns_taken_at is null as is_to_returns,
        '{{ invocation_id }}' as invocation_id
    from input_changes
    where
        rolled_at is null
        or returns_taken_at is null
        or change_id in (select outstanding.change_id from outstanding)
)

select * from final
