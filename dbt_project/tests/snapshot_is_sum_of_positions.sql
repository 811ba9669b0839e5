-- A snapshot is the exact sum of the stored positions of its session; its P&L also contains the income of cash. Equity
-- is cash plus market value.
with totals as (
    select
        portfolio_id,
        value_date as snapshot_date,
        sum(market_value) as market_value,
        sum(daily_pnl) as daily_pnl,
        sum(realized_pnl) as daily_realized_pnl,
        sum(dividend_income) as daily_dividend_income,
        sum(fees) as daily_fees,
        count(*) filter (where quantity <> 0) as num_positions
    from {{ ref('position_values') }}
    group by portfolio_id, value_date
)

select
    coalesce(snapshots.portfolio_id, totals.portfolio_id) as portfolio_id,
    coalesce(snapshots.snapshot_date, totals.snapshot_date) as snapshot_date,
    snapshots.daily_pnl,
    snapshots.daily_cash_income,
    totals.daily_pnl as daily_pnl_of_positions,
    snapshots.equity_balance,
    snapshots.cash_value,
    totals.market_value
from {{ ref('portfolio_snapshots') }} as snapshots
full join totals
    on
        snapshots.portfolio_id = totals.portfolio_id
        and snapshots.snapshot_date = totals.snapshot_date
where
    snapshots.daily_pnl is distinct from coalesce(totals.daily_pnl, 0) + snapshots.daily_cash_income
    or snapshots.daily_realized_pnl <> coalesce(totals.daily_realized_pnl, 0)
    or snapshots.daily_dividend_income <> coalesce(totals.daily_dividend_income, 0)
    or snapshots.daily_fees <> coalesce(totals.daily_fees, 0)
    or snapshots.num_positions <> coalesce(totals.num_positions, 0)
    or snapshots.net_exposure <> coalesce(totals.market_value, 0)
    or snapshots.cash_value + coalesce(totals.market_value, 0) <> snapshots.equity_balance
