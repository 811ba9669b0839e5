-- No session is missing between inception and the last session that a portfolio was rolled to. No row exists for a day
-- that is not a session of the exchange, or for a session that has not closed.
with ends as (
    select
        portfolio_id,
        max(snapshot_date) as last_session
    from {{ ref('portfolio_snapshots') }}
    group by portfolio_id
    union all
    select
        portfolio_id,
        last_session
    from {{ ref('stg_roll_forward_state') }}
),

lives as (
    select
        portfolio_id,
        max(last_session) as last_session
    from ends
    group by portfolio_id
),

expected as (
    select
        lives.portfolio_id,
        sessions.session_date
    from lives
    inner join {{ ref('active_portfolios') }} as portfolios on lives.portfolio_id = portfolios.portfolio_id
    inner join {{ ref('sessions') }} as sessions
        on
            portfolios.inception_session_number <= sessions.session_number
            and lives.last_session >= sessions.session_date
            and sessions.closes_at < now()
)

select
    coalesce(expected.portfolio_id, snapshots.portfolio_id) as portfolio_id,
    coalesce(expected.session_date, snapshots.snapshot_date) as session_date,
    case when expected.portfolio_id is null then 'unexpected' else 'missing' end as problem
from expected
full join {{ ref('portfolio_snapshots') }} as snapshots
    on
        expected.portfolio_id = snapshots.portfolio_id
        and expected.session_date = snapshots.snapshot_date
where expected.portfolio_id is null or snapshots.portfolio_id is null
