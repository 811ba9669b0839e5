{{ config(indexes=[{"columns": ["symbol", "session_number"], "unique": true}]) }}

with corporate_actions as (
    select * from {{ ref('stitched_actions') }}
),

final as (
    select
        symbol,
        session_number,
        sum(value) as dividend
    from corporate_actions
    where action_type = 'DIVIDEND'
    group by symbol, session_number
)

select * from final
