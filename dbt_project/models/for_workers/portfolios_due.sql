{{ config(tags=['phase_2']) }}

with roll_forward_window as (
    select * from {{ ref('roll_forward_window') }}
)

select * from roll_forward_window
