{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    unique_key=["portfolio_id", "value_date", "sector"],
    window_model='portfolios_due' if is_spread() else 'roll_forward_window',
    window_key='portfolio_id',
    window_date='value_date',
    tags=['phase_2_75'],
    indexes=[{"columns": ["portfolio_id", "value_date", "sector"], "unique": true}],
    pre_hook="{{ hash_joins_only() }}",
    post_hook=["{{ record_whole_build() }}", "{{ finish_roll_forward() }}"],
) }}
{{ require_whole_window('roll_forward_window') }}
-- depends_on: {{ ref('roll_forward_changes') }}

with position_values as (
    {{ rows_in_window(ref('position_values'), 'value_date') }}
),

snapshots as (
    {{ rows_in_window(ref('portfolio_snapshots'), 'snapshot_date') }}
),

benchmark_sectors_in_force as (
    select * from {{ ref('benchmark_sectors_in_force') }}
),

position_sector_names as (
    select * from {{ ref('position_sector_names') }}
),

fund_sectors as (
    select * from {{ ref('fund_sectors_in_force') }}
),

parts as (
    select
        position_values.portfolio_id,
        position_values.value_date,
        coalesce(fund_sectors.sector, position_sector_names.sector, 'Unclassified') as sector,
        case
            when fund_sectors.symbol is null then position_values.market_value
            else
                round(position_values.market_value * fund_sectors.share_to, 10)
                - round(position_values.market_value * fund_sectors.share_from, 10)
        end as market_value,
        fund_sectors.symbol is not null as is_of_fund,
        position_values.quantity <> 0 as is_held
    from position_values
    left join position_sector_names
        on
            position_values.portfolio_id = position_sector_names.portfolio_id
            and position_values.position_id = position_sector_names.position_id
    left join fund_sectors
        on
            position_sector_names.fund_symbol = fund_sectors.symbol
            and position_values.value_date between fund_sectors.from_date and fund_sectors.to_date
),

held as (
    select
        portfolio_id,
        value_date,
        sector,
        sum(market_value) as market_value,
        sum(market_value) filter (where is_of_fund) as through_funds,
        bool_or(is_held) as is_held,
        count(*) filter (where is_held and not is_of_fund) as num_positions
    from parts
    group by portfolio_id, value_date, sector
),

-- Every sector of the benchmark, held or not, and every other sector that is held.
grid as (
    select
        snapshots.portfolio_id,
        snapshots.snapshot_date as value_date,
        benchmark_sectors_in_force.sector
    from snapshots
    inner join benchmark_sectors_in_force
        on snapshots.snapshot_date between benchmark_sectors_in_force.from_date and benchmark_sectors_in_force.to_date
    union
    select
        held.portfolio_id,
        held.value_date,
        held.sector
    from held
    where held.is_held
),

weighted as (
    select
        grid.portfolio_id,
        grid.value_date,
        grid.sector,
        coalesce(held.market_value, 0) as market_value,
        coalesce(held.through_funds, 0) as through_funds,
        case
            when snapshots.equity_balance > 0
                then round(coalesce(held.market_value, 0) / snapshots.equity_balance, 18)
        end as weight,
        coalesce(benchmark_sectors_in_force.weight, 0) as benchmark_weight,
        coalesce(held.num_positions, 0)::integer as num_positions
    from grid
    inner join snapshots on grid.portfolio_id = snapshots.portfolio_id and grid.value_date = snapshots.snapshot_date
    left join benchmark_sectors_in_force
        on
            grid.sector = benchmark_sectors_in_force.sector
            and grid.value_date between benchmark_sectors_in_force.from_date and benchmark_sectors_in_force.to_date
    left join held
        on
            grid.portfolio_id = held.portfolio_id
            and grid.value_date = held.value_date
            and grid.sector = held.sector
),

final as (
    select
        portfolio_id,
        value_date,
        sector,
        market_value,
        weight,
        benchmark_weight,
        weight - benchmark_weight as active_weight,
        num_positions,
        through_funds
    from weighted
)

select * from final
