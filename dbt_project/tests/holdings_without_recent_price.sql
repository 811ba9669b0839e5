-- Holdings valued at a price from 10 or more sessions ago, or at their cost, on the portfolio's last session.
{{ config(severity='warn') }}

with last_sessions as (
    select
        portfolio_id,
        max(snapshot_date) as last_session
    from {{ ref('portfolio_snapshots') }}
    group by portfolio_id
)

select
    position_values.portfolio_id,
    position_values.symbol,
    position_values.value_date,
    position_values.price_date,
    position_values.market_value
from {{ ref('position_values') }} as position_values
inner join last_sessions
    on
        position_values.portfolio_id = last_sessions.portfolio_id
        and position_values.value_date = last_sessions.last_session
inner join {{ ref('sessions') }} as valued on position_values.value_date = valued.session_date
left join {{ ref('sessions') }} as priced on position_values.price_date = priced.session_date
where
    position_values.is_stale
    and position_values.quantity <> 0
    and (priced.session_number is null or valued.session_number - priced.session_number >= 10)
