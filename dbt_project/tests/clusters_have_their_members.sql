-- A cluster has two or more members, and every member belongs to a cluster that exists.
with members as (
    select
        portfolio_id,
        calculation_date,
        cluster_number,
        count(*) as symbols
    from {{ source('risk', 'correlation_cluster_positions') }}
    group by portfolio_id, calculation_date, cluster_number
)

select
    coalesce(clusters.portfolio_id, members.portfolio_id) as portfolio_id,
    coalesce(clusters.calculation_date, members.calculation_date) as calculation_date,
    coalesce(clusters.cluster_number, members.cluster_number) as cluster_number,
    members.symbols
from {{ source('risk', 'correlation_clusters') }} as clusters
full join members
    on
        clusters.portfolio_id = members.portfolio_id
        and clusters.calculation_date = members.calculation_date
        and clusters.cluster_number = members.cluster_number
where clusters.portfolio_id is null or coalesce(members.symbols, 0) < 2
