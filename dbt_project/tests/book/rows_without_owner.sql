-- Rows of portfolios and positions that are not in raw, or are deleted there. Each table has an index that begins with
-- the key, so the test costs one step for each key, however long the table is.
{{ config(severity='warn') }}

{% set keys = {
    'position_values': 'position_id',
    'portfolio_snapshots': 'portfolio_id',
    'portfolio_sector_exposures': 'portfolio_id',
    'portfolio_factor_exposures': 'portfolio_id',
    'portfolio_risk_metrics': 'portfolio_id',
    'risk_backtest': 'portfolio_id',
    'position_risk_contributions': 'position_id',
    'correlation_calculations': 'portfolio_id',
    'correlation_clusters': 'portfolio_id',
    'correlation_cluster_positions': 'portfolio_id',
    'stress_test_results': 'portfolio_id',
} %}
{% set marts = ['position_values', 'portfolio_snapshots', 'portfolio_sector_exposures'] %}

with portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

positions as (
    select positions.*
    from {{ ref('all_positions') }} as positions
    inner join portfolios on positions.portfolio_id = portfolios.portfolio_id
    where positions.deleted_at is null
),

owners as (
    select portfolio_id as owner_id from portfolios
    union all
    select position_id from positions
),

owned as (
    {% for table, key in keys.items() %}
        select
            '{{ table }}' as relation,
            '{{ key }}' as key_column,
            keys.key as owner_id
        from {{ distinct_keys(ref(table) if table in marts else source('risk', table), key) }} as keys
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select owned.*
from owned
left join owners on owned.owner_id = owners.owner_id
where owners.owner_id is null
