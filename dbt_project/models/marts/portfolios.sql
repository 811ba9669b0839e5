{{ config(materialized='view', tags=['views']) }}

{% set query %}
with portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

roll_forward_state as (
    select * from {{ ref('stg_roll_forward_state') }}
),

portfolio_snapshots as (
    select * from {{ ref('portfolio_snapshots') }}
),

portfolio_risk_metrics as (
    select * from {{ source('risk', 'portfolio_risk_metrics') }}
),

risk_state as (
    select * from {{ ref('stg_risk_state') }}
),

data_version as (
    select * from {{ ref('data_version') }}
),

-- each value is one step in an index, however long the history is
reached as (
    select
        portfolios.portfolio_id,
        portfolios.name,
        portfolios.inception_date,
        portfolios.benchmark,
        portfolios.currency,
        (
            select min(portfolio_snapshots.snapshot_date) from portfolio_snapshots
            where portfolio_snapshots.portfolio_id = portfolios.portfolio_id
        ) as first_session,
        (
            select max(portfolio_snapshots.snapshot_date) from portfolio_snapshots
            where portfolio_snapshots.portfolio_id = portfolios.portfolio_id
        ) as rolled_to,
        (
            select max(portfolio_risk_metrics.calculation_date) from portfolio_risk_metrics
            where portfolio_risk_metrics.portfolio_id = portfolios.portfolio_id
        ) as risk_to,
        roll_forward_state.rolled_at
    from portfolios
    left join roll_forward_state on portfolios.portfolio_id = roll_forward_state.portfolio_id
),

published as (
    select
        reached.*,
        (
            select max(portfolio_risk_metrics.calculation_date) from portfolio_risk_metrics
            where
                portfolio_risk_metrics.portfolio_id = reached.portfolio_id
                and portfolio_risk_metrics.calculation_date between reached.first_session and reached.rolled_to
        ) as published_to
    from reached
),

final as (
    select
        published.portfolio_id,
        published.name,
        published.inception_date,
        published.benchmark,
        published.currency,
        published.first_session,
        published.rolled_to,
        published.risk_to,
        published.published_to,
        published.rolled_at,
        risk_state.calculated_at as risk_at,
        md5(concat_ws(' ', published.portfolio_id, data_version.version)) as version
    from published
    cross join data_version
    left join risk_state
        on
            published.portfolio_id = risk_state.portfolio_id
            and published.risk_to = risk_state.calculation_date
)

select * from final
{% endset %}

{{ shown_by_owner(query) }}
