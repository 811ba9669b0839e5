{{ config(schema='ops', indexes=[{"columns": ["change_id"]}]) }}

{#- The inputs that returns are made from. All others are never taken in by returns, and would stay open for good. -#}
{%- set is_to_returns -%}
    returns_taken_at is null
    and input in ('price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting', 'session')
{%- endset %}

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
        {{ is_to_returns }} as is_to_returns,
        '{{ invocation_id }}' as invocation_id
    from input_changes
    where
        rolled_at is null
        or ({{ is_to_returns }})
        or change_id in (select outstanding.change_id from outstanding)
)

select * from final
