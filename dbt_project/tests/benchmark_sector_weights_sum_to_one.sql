select
    effective_date,
    sum(weight) as total_weight
from {{ ref('benchmark_sector_weights') }}
group by effective_date
having sum(weight) <> 1
