-- A model that reads its own table needs a new column there before dbt appends it: where the table is older than the
-- column, it comes from here. On a new database dbt makes the table whole.
alter table if exists analytics.portfolio_snapshots
add column if not exists cumulative_benchmark_return numeric(28, 18);
