{{ config(indexes=[{"columns": ["session_date"], "unique": true}, {"columns": ["session_number"], "unique": true}]) }}

with trading_sessions as (
    select * from {{ ref('stg_trading_sessions') }}
),

final as (
    select
        session_date,
        closes_at,
        row_number() over (order by session_date)::integer as session_number
    from trading_sessions
)

select * from final
