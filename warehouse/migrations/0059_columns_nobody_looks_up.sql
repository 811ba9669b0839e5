-- Results are looked up by their keys, never by what was computed. Of columns without an index the planner needs no
-- samples, and to sort thirty thousand values of each was most of the work of analyzing after a night.
do $$
declare
    spread regclass[] := '{}';
    computed record;
begin
    -- Citus refuses this for tables that lie on its workers
    if to_regclass('pg_catalog.pg_dist_partition') is not null then
        execute 'select coalesce(array_agg(logicalrelid), ''{}'') from pg_dist_partition' into spread;
    end if;
    for computed in
        select columns.attrelid::regclass as relation, columns.attname as name
        from pg_attribute as columns
        where
            columns.attrelid in (
                'analytics.symbol_market_betas'::regclass,
                'analytics.symbol_interest_rate_betas'::regclass,
                'analytics.symbol_factor_exposures'::regclass,
                'analytics.symbol_volatility'::regclass,
                'analytics.pairwise_correlations'::regclass,
                'analytics.portfolio_factor_exposures'::regclass,
                'analytics.portfolio_risk_metrics'::regclass,
                'analytics.position_risk_contributions'::regclass,
                'analytics.stress_test_results'::regclass,
                'analytics.portfolio_performance'::regclass,
                'analytics.portfolio_pnl_attribution'::regclass,
                'analytics.portfolio_sector_attribution'::regclass,
                'ops.position_contribution_sums'::regclass
            )
            and columns.attrelid <> all (spread)
            and columns.attnum > 0
            and not columns.attisdropped
            and not exists (
                select 1 from pg_index
                where pg_index.indrelid = columns.attrelid and columns.attnum = any (pg_index.indkey)
            )
    loop
        execute format('alter table %s alter column %I set statistics 0', computed.relation, computed.name);
    end loop;
end
$$;
