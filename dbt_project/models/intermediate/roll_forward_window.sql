{{ config(
    schema='ops',
    indexes=[{"columns": ["portfolio_id"], "unique": true}],
    post_hook="{{ record_write() }}",
) }}

with roll_forward_causes as (
    select * from {{ ref('roll_forward_causes') }}
),

roll_forward_state as (
    select * from {{ ref('stg_roll_forward_state') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

-- The last session to roll to. It is never one that has not closed.
bounds as (
    select max(session_number) as end_session_number
    from sessions
    where
        closes_at + interval '{{ var("session_settled_after_minutes") }} minutes' <= now()
        and session_date
        <= coalesce({{ window_date('end_date') }}, (select max(market_data.price_date) from market_data))
),

-- The cause that reaches back farthest gives the window its reason.
earliest_causes as (
    select distinct on (portfolio_id) *
    from roll_forward_causes
    order by portfolio_id, first_session_number, precedence, cause
),

-- A chain is always rolled to its end: to the last session rolled so far, if that is later than the requested end.
due as (
    select
        earliest_causes.portfolio_id,
        false as is_withdrawn,
        earliest_causes.first_session_number,
        greatest(bounds.end_session_number, earliest_causes.last_rolled_session_number) as last_session_number,
        earliest_causes.cause as reason,
        earliest_causes.sector_seeds_fingerprint
    from earliest_causes
    cross join bounds
    where
        earliest_causes.first_session_number
        <= greatest(bounds.end_session_number, earliest_causes.last_rolled_session_number)
),

-- A portfolio that was deleted loses its rows of every session.
withdrawn as (
    select
        roll_forward_state.portfolio_id,
        true as is_withdrawn,
        (select min(sessions.session_number) from sessions) as first_session_number,
        (select max(sessions.session_number) from sessions) as last_session_number,
        'portfolio deleted' as reason,
        null::text as sector_seeds_fingerprint
    from roll_forward_state
    where
        not exists (
            select 1 from active_portfolios
            where active_portfolios.portfolio_id = roll_forward_state.portfolio_id
        )
        and {{ portfolio_is_in_scope('roll_forward_state.portfolio_id') }}
),

windows as (
    select * from due
    union all
    select * from withdrawn
),

final as (
    select
        windows.portfolio_id,
        first_session.session_date as first_session,
        last_session.session_date as last_session,
        -- includes the days between sessions, because one of them may have been a session before
        coalesce(session_before.session_date + 1, '-infinity') as replace_from,
        coalesce(session_after.session_date - 1, 'infinity') as replace_through,
        windows.first_session_number,
        windows.last_session_number,
        windows.is_withdrawn,
        windows.reason,
        windows.sector_seeds_fingerprint,
        active_portfolios.inception_session_number,
        active_portfolios.starting_equity,
        active_portfolios.benchmark
    from windows
    left join active_portfolios on windows.portfolio_id = active_portfolios.portfolio_id
    inner join sessions as first_session on windows.first_session_number = first_session.session_number
    inner join sessions as last_session on windows.last_session_number = last_session.session_number
    left join sessions as session_before on windows.first_session_number - 1 = session_before.session_number
    left join sessions as session_after on windows.last_session_number + 1 = session_after.session_number
)

select * from final
