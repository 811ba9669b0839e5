-- Portfolios whose P&L does not reach the session that others have reached, or whose risk does not reach their P&L. A
-- portfolio that is loaded and was never rolled is listed too.
{{ config(severity='warn') }}

with portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

roll_forward_state as (
    select * from {{ ref('stg_roll_forward_state') }}
),

analysed as (
    select
        portfolio_id,
        max(calculation_date) as risk_to
    from {{ source('risk', 'portfolio_risk_metrics') }}
    group by portfolio_id
),

reached as (
    select
        portfolios.portfolio_id,
        portfolios.name,
        portfolios.inception_date,
        roll_forward_state.last_session as pnl_to,
        analysed.risk_to,
        (select max(state.last_session) from roll_forward_state as state) as others_to
    from portfolios
    left join roll_forward_state on portfolios.portfolio_id = roll_forward_state.portfolio_id
    left join analysed on portfolios.portfolio_id = analysed.portfolio_id
)

select *
from reached
where
    (pnl_to is distinct from others_to and inception_date <= others_to)
    or (risk_to is distinct from pnl_to and pnl_to is not null)
