-- The P&L and the contributions of positions add up to those of the portfolio, except for cash items, which belong to
-- no position.
with contributions as (
    select
        portfolio_id,
        calculation_date,
        period,
        sum(pnl) as pnl,
        sum(log_contribution) as log_contribution,
        count(*) filter (where log_contribution is null) as num_unknown
    from {{ source('risk', 'position_contributions') }}
    group by portfolio_id, calculation_date, period
),

snapshots as (
    select
        portfolio_id,
        snapshot_date,
        mtd_pnl,
        mtd_return,
        ytd_pnl,
        ytd_return,
        cumulative_pnl,
        cumulative_return,
        sum(daily_cash_income) over (
            partition by portfolio_id, date_trunc('month', snapshot_date) order by snapshot_date
        ) as mtd_cash_income,
        sum(daily_cash_income) over (
            partition by portfolio_id, date_trunc('year', snapshot_date) order by snapshot_date
        ) as ytd_cash_income,
        sum(daily_cash_income) over (partition by portfolio_id order by snapshot_date) as cumulative_cash_income,
        sum(abs(daily_cash_income)) over (partition by portfolio_id order by snapshot_date) as cash_moved
    from {{ ref('portfolio_snapshots') }}
),

compared as (
    select
        contributions.*,
        periods.pnl as portfolio_pnl,
        periods.cash_income,
        snapshots.cash_moved,
        case when periods.earned > -1 then ln(1 + periods.earned) end as log_growth
    from contributions
    inner join snapshots
        on
            contributions.portfolio_id = snapshots.portfolio_id
            and contributions.calculation_date = snapshots.snapshot_date
    cross join
        lateral (
            values
            ('MTD', snapshots.mtd_pnl, snapshots.mtd_return, snapshots.mtd_cash_income),
            ('YTD', snapshots.ytd_pnl, snapshots.ytd_return, snapshots.ytd_cash_income),
            ('SI', snapshots.cumulative_pnl, snapshots.cumulative_return, snapshots.cumulative_cash_income)
        ) as periods (period, pnl, earned, cash_income)
    where contributions.period = periods.period
)

select *
from compared
where
    not abs(pnl + cash_income - portfolio_pnl) < 0.005
    -- a day without a return has P&L but no contribution
    or (
        cash_moved = 0
        and num_unknown = 0
        and not abs(log_contribution - log_growth) <= 1e-9 * (1 + abs(log_growth))
    )
