-- What makes a scenario nonsense: Value and Growth not shocked together with opposite signs, rates beyond 300 basis
-- points, a fraction beyond 1, lines that disagree, or a replay without its window or one of the factors.
with scenarios as (
    select
        scenario_id,
        min(category) as category,
        count(distinct concat_ws('|', name, category, window_start, window_end, description)) as versions,
        min(window_start) as window_start,
        max(window_end) as window_end,
        count(*) as factors,
        coalesce(max(shock) filter (where factor = 'Value'), 0) as value_shock,
        coalesce(max(shock) filter (where factor = 'Growth'), 0) as growth_shock,
        coalesce(max(abs(shock)) filter (where factor = 'Interest Rate' and category <> 'replay'), 0) as basis_points,
        coalesce(max(abs(shock)) filter (where factor <> 'Interest Rate' or category = 'replay'), 0) as fraction
    from {{ ref('stress_test_scenarios') }}
    group by scenario_id
),

final as (
    select *
    from scenarios
    where
        versions > 1
        or basis_points > 300
        or fraction > 1
        or case
            when category = 'replay'
                then
                    window_start is null or window_end is null or window_start >= window_end
                    or factors <> (select count(*) from {{ ref('factor_definitions') }})
            else
                window_start is not null or window_end is not null or sign(value_shock) <> -sign(growth_shock)
        end
)

select * from final
