-- Equity = equity of the session before (or the starting equity) + the day's P&L + the day's flow.
with snapshots as (
    select
        snapshots.*,
        portfolios.starting_equity,
        lag(snapshots.equity_balance) over (
            partition by snapshots.portfolio_id order by snapshots.snapshot_date
        ) as previous_equity
    from {{ ref('portfolio_snapshots') }} as snapshots
    inner join {{ ref('active_portfolios') }} as portfolios on snapshots.portfolio_id = portfolios.portfolio_id
)

select *
from snapshots
where
    equity_balance is distinct from coalesce(previous_equity, starting_equity) + daily_pnl + daily_capital_flow
    or equity_balance is distinct from starting_equity + cumulative_pnl + cumulative_capital_flow
