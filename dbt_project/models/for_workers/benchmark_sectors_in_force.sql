{{ config(tags=['phase_2_75']) }}

with benchmark_sector_weights as (
    select * from {{ ref('benchmark_sector_weights') }}
),

-- A set is in force until the next one. The first set is also in force before its own date.
sets as (
    select
        effective_date,
        case when lag(effective_date) over (order by effective_date) is null then '-infinity' else effective_date end
            as from_date,
        coalesce(lead(effective_date) over (order by effective_date) - 1, 'infinity') as to_date
    from (select distinct benchmark_sector_weights.effective_date from benchmark_sector_weights) as dates
),

final as (
    select
        sets.from_date,
        sets.to_date,
        benchmark_sector_weights.sector,
        benchmark_sector_weights.weight
    from benchmark_sector_weights
    inner join sets on benchmark_sector_weights.effective_date = sets.effective_date
)

select * from final
