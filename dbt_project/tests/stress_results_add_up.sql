-- The impacts of the factors and `nonlinear` add up to the correlated P&L. Equity plus this P&L is the stressed equity.
with results as (
    select
        stressed.*,
        (
            select sum(impacts.impact::double precision)
            from jsonb_each_text(stressed.factor_impacts) as impacts (factor, impact)
        ) as total_impact
    from {{ source('risk', 'stress_test_results') }} as stressed
)

select
    results.portfolio_id,
    results.calculation_date,
    results.scenario_id,
    results.correlated_pnl,
    results.total_impact,
    results.stressed_equity,
    snapshots.equity_balance
from results
left join {{ ref('portfolio_snapshots') }} as snapshots
    on
        results.portfolio_id = snapshots.portfolio_id
        and results.calculation_date = snapshots.snapshot_date
where
    results.correlated_pnl is not null
    and not coalesce(
        abs(results.total_impact - results.correlated_pnl) <= 1e-9 * (1 + abs(results.correlated_pnl))
        and abs(results.stressed_equity - snapshots.equity_balance - results.correlated_pnl)
        <= 1e-9 * (1 + abs(results.stressed_equity)),
        false
    )
