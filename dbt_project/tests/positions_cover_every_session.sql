-- A position has a row for every session, from its first one to the one on which nothing is left of it. A position that
-- is still held has rows up to its portfolio's last snapshot.
with last_snapshots as (
    select
        portfolio_id,
        max(snapshot_date) as last_snapshot_date
    from {{ ref('portfolio_snapshots') }}
    group by portfolio_id
),

lives as (
    select
        position_values.position_id,
        position_values.portfolio_id,
        count(*) as num_rows,
        max(sessions.session_number) - min(sessions.session_number) + 1 as num_sessions,
        max(position_values.value_date) as last_value_date,
        count(*) filter (where position_values.quantity = 0) as num_empty_rows
    from {{ ref('position_values') }} as position_values
    left join {{ ref('sessions') }} as sessions on position_values.value_date = sessions.session_date
    group by position_values.position_id, position_values.portfolio_id
)

select
    lives.*,
    last_snapshots.last_snapshot_date
from lives
left join last_snapshots on lives.portfolio_id = last_snapshots.portfolio_id
where
    lives.num_rows is distinct from lives.num_sessions
    or lives.num_empty_rows > 1
    or last_snapshots.last_snapshot_date is null
    or last_snapshots.last_snapshot_date < lives.last_value_date
    or (lives.num_empty_rows = 0 and last_snapshots.last_snapshot_date > lives.last_value_date)
