select sum(weight) as total_weight
from {{ ref('benchmark_sector_weights') }}
having sum(weight) <> 1
