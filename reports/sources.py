"""SQL that several readers share: joins, groups and orders on schema `analytics`.

`%(portfolio_id)s` and `%(day)s` are the portfolio and its session. Pages choose the columns that they draw, the API
those that it publishes.
"""

from warehouse.market_symbol import market_symbol

OF_SESSION = "portfolio_id = %(portfolio_id)s and calculation_date = %(day)s"

SNAPSHOT = """
    from analytics.portfolio_snapshots as snapshots
    where snapshots.portfolio_id = %(portfolio_id)s and snapshots.snapshot_date = %(day)s
"""

# Each portfolio on its default session: the last one published, or the last one rolled where there is no risk at all.
LATEST = """
    from analytics.portfolios as portfolios
    left join analytics.portfolio_snapshots as snapshots
        on
            portfolios.portfolio_id = snapshots.portfolio_id
            and coalesce(portfolios.published_to, portfolios.rolled_to) = snapshots.snapshot_date
    left join analytics.portfolio_risk_metrics as metrics
        on snapshots.portfolio_id = metrics.portfolio_id and snapshots.snapshot_date = metrics.calculation_date
    left join analytics.risk_status as risk_status
        on snapshots.portfolio_id = risk_status.portfolio_id and snapshots.snapshot_date = risk_status.calculation_date
    left join analytics.portfolio_factor_exposures as exposures
        on
            snapshots.portfolio_id = exposures.portfolio_id
            and snapshots.snapshot_date = exposures.calculation_date
            and exposures.model = 'market'
    left join (
        select distinct on (results.portfolio_id)
            results.portfolio_id,
            scenarios.name,
            coalesce(results.correlated_pnl, results.direct_pnl) as pnl
        from (
            select portfolio_id, coalesce(published_to, rolled_to) as day from analytics.portfolios
            where %(allowed)s::uuid [] is null or portfolio_id = any(%(allowed)s)
        ) as shown
        inner join analytics.stress_test_results as results
            on shown.portfolio_id = results.portfolio_id and shown.day = results.calculation_date
        left join (
            select scenario_id, min(name) as name from analytics.stress_test_scenarios group by scenario_id
        ) as scenarios on results.scenario_id = scenarios.scenario_id
        where coalesce(results.correlated_pnl, results.direct_pnl) is not null
        order by results.portfolio_id asc, pnl asc, scenarios.name asc
    ) as worst on snapshots.portfolio_id = worst.portfolio_id and snapshots.num_positions > 0
    where %(allowed)s::uuid [] is null or portfolios.portfolio_id = any(%(allowed)s)
    order by portfolios.name
"""

# A lot's value on its session, with everything else that is known of the lot.
HELD = f"""
    from analytics.position_values as held
    left join analytics.positions as positions
        on held.portfolio_id = positions.portfolio_id and held.position_id = positions.position_id
    left join analytics.position_sector_tags as position_tags on held.position_id = position_tags.position_id
    left join analytics.sector_tags as tags on position_tags.sector_tag_id = tags.sector_tag_id
    left join analytics.companies as companies
        on
            {market_symbol("positions", held="held")} = companies.symbol
            and positions.investment_class <> 'PRIVATE'
    left join analytics.position_risk_contributions as contributions
        on
            held.portfolio_id = contributions.portfolio_id
            and held.position_id = contributions.position_id
            and held.value_date = contributions.calculation_date
    left join analytics.portfolio_snapshots as snapshots
        on held.portfolio_id = snapshots.portfolio_id and held.value_date = snapshots.snapshot_date
    where held.portfolio_id = %(portfolio_id)s and held.value_date = %(day)s
"""
LARGEST_FIRST = "order by abs(held.market_value) desc, held.symbol"

# The holdings at the close, with all lots of a symbol as one.
NETTED = f"""
    from (
        select
            held.symbol,
            positions.underlying_symbol,
            {market_symbol("positions", held="held")} as market_symbol,
            coalesce(positions.investment_class, 'PUBLIC') as investment_class,
            min(companies.name) as company,
            min(tags.name) as sector,
            bool_or(
                position_tags.position_id is null
                and coalesce(positions.investment_class, 'PUBLIC') <> 'PRIVATE'
                and {market_symbol("positions", held="held")} in (select symbol from analytics.fund_sectors)
            ) as is_looked_through,
            count(*) as lots,
            sum(held.quantity) as quantity,
            max(held.price) as price,
            sum(held.market_value) as market_value,
            sum(held.cost_basis) as cost_basis,
            sum(held.unrealized_pnl) as unrealized_pnl,
            sum(held.realized_pnl) as realized_pnl,
            sum(held.dividend_income) as dividend_income,
            sum(held.fees) as fees,
            sum(held.daily_pnl) as daily_pnl,
            sum(held.transferred_pnl) as transferred_pnl,
            string_agg(distinct positions.what_happened, '; ') as what_happened,
            string_agg(distinct positions.entry_symbol, ', ') filter (where positions.entry_symbol <> held.symbol)
                as earlier_names,
            bool_or(held.is_stale) as is_stale,
            min(held.price_date) as price_date,
            sum(contributions.contribution_vol) as contribution_vol,
            sum(contributions.contribution_share) as contribution_share,
            min(snapshots.equity_balance) as equity_balance
        {HELD} and held.quantity <> 0
        group by held.symbol, positions.underlying_symbol, positions.investment_class
    ) as held
"""

SECTORS = """
    from analytics.portfolio_sector_exposures as sectors
    where sectors.portfolio_id = %(portfolio_id)s and sectors.value_date = %(day)s
    order by sectors.weight desc nulls last, sectors.market_value desc, sectors.sector
"""

# A scenario has a row for each factor that it shocks. The names agree; the description is that of its first factor.
STRESS = """
    from analytics.stress_test_results as results
    inner join (
        select
            scenario_id, min(name) as name, min(category) as category,
            (array_agg(description order by factor <> 'Market', factor))[1] as description
        from analytics.stress_test_scenarios
        group by scenario_id
    ) as scenarios using (scenario_id)
    left join analytics.portfolio_snapshots as snapshots
        on results.portfolio_id = snapshots.portfolio_id and results.calculation_date = snapshots.snapshot_date
    where results.portfolio_id = %(portfolio_id)s and results.calculation_date = %(day)s
    order by coalesce(results.correlated_pnl, results.direct_pnl), scenarios.name
"""

CLUSTERS = f"""
    from (select * from analytics.correlation_clusters where {OF_SESSION}) as clusters
    inner join (
        select cluster_number, array_agg(symbol order by symbol) as symbols
        from analytics.correlation_cluster_positions
        where {OF_SESSION}
        group by cluster_number
    ) as members using (cluster_number)
    order by cluster_number
"""
