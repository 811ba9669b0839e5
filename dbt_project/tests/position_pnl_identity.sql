-- Daily P&L = change of unrealized P&L + realized P&L + dividends + transferred P&L, on every row, exactly.
with position_values as (
    select
        *,
        lag(unrealized_pnl) over (partition by position_id order by value_date) as previous_unrealized_pnl
    from {{ ref('position_values') }}
)

select *
from position_values
where
    daily_pnl is distinct from
    unrealized_pnl - coalesce(previous_unrealized_pnl, opening_unrealized_pnl) + realized_pnl + dividend_income
    + transferred_pnl
    or unrealized_pnl is distinct from market_value - cost_basis
    or (previous_unrealized_pnl is not null and opening_unrealized_pnl <> 0)
