{{ config(indexes=[{"columns": ["symbol", "from_session_number"], "unique": true}]) }}

with corporate_actions as (
    select * from {{ ref('stitched_actions') }}
),

splits as (
    select
        symbol,
        session_number,
        intermediate.product_of_ratios(value order by ex_date) as ratio
    from corporate_actions
    where action_type = 'SPLIT'
    group by symbol, session_number
),

final as (
    select
        symbol,
        session_number as from_session_number,
        coalesce(lead(session_number) over (partition by symbol order by session_number) - 1, 2147483647)
            as to_session_number,
        intermediate.product_of_ratios(ratio) over (partition by symbol order by session_number) as growth
    from splits
)

select * from final
