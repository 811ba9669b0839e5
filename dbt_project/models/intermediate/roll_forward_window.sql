{%- set rebuild = must_rebuild(['position_values', 'portfolio_snapshots', 'portfolio_sector_exposures']) -%}
{{ config(
    schema='ops',
    indexes=[{"columns": ["portfolio_id"], "unique": true}],
    post_hook="{{ record_write() }}",
) }}

with active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

roll_forward_state as (
    select * from {{ ref('stg_roll_forward_state') }}
),

roll_forward_changes as (
    select * from {{ ref('roll_forward_changes') }}
),

sector_map as (
    select * from {{ ref('sector_map') }}
),

benchmark_sector_weights as (
    select * from {{ ref('benchmark_sector_weights') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

seeds as (
    select md5(
        (select string_agg(source_sector || '>' || sector, ',' order by source_sector) from sector_map)
        || (select string_agg(sector || '=' || weight, ',' order by sector) from benchmark_sector_weights)
    ) as fingerprint
),

-- the last session to roll to: never one that has not closed
bounds as (
    select
        (
            select next_session_number from calendar_days
            where calendar_date = {{ window_date('start_date') }}
        ) as start_session_number,
        (
            select max(session_number)
            from sessions
            where
                closes_at + interval '30 minutes' <= now()
                and session_date
                <= coalesce({{ window_date('end_date') }}, (select max(market_data.price_date) from market_data))
        ) as end_session_number
),

earliest_changes as (
    select distinct on (portfolio_id) *
    from roll_forward_changes
    where portfolio_id is not null
    order by portfolio_id, first_session_number, change_id
),

portfolios as (
    select
        active_portfolios.*,
        {% if rebuild -%} null::integer {%- else -%} rolled.last_session_number {%- endif %} as last_rolled_session_number,
        roll_forward_state.sector_seeds_fingerprint
    from active_portfolios
    left join roll_forward_state on active_portfolios.portfolio_id = roll_forward_state.portfolio_id
    left join calendar_days as rolled on roll_forward_state.last_session = rolled.calendar_date
    where {{ portfolio_is_in_scope('active_portfolios.portfolio_id') }}
),

-- each cause with the session it reaches back to; the earliest one names the window
causes as (
    select
        portfolio_id,
        inception_session_number as first_session_number,
        1 as precedence,
        case when sector_seeds_fingerprint is null then 'first roll' else 'full rebuild' end as reason
    from portfolios
    where last_rolled_session_number is null
    union all
    select
        portfolios.portfolio_id,
        earliest_changes.first_session_number,
        2,
        concat_ws(
            ' ',
            earliest_changes.symbol,
            case earliest_changes.input when 'price' then 'close' else earliest_changes.input end,
            'of ' || nullif(earliest_changes.from_date, '-infinity'),
            case earliest_changes.what when 'new' then 'added' else earliest_changes.what end
        )
    from portfolios
    inner join earliest_changes on portfolios.portfolio_id = earliest_changes.portfolio_id
    where portfolios.last_rolled_session_number is not null
    union all
    select
        portfolios.portfolio_id,
        portfolios.inception_session_number,
        3,
        'sector seeds changed'
    from portfolios
    cross join seeds
    where portfolios.sector_seeds_fingerprint is distinct from seeds.fingerprint
    union all
    select
        portfolios.portfolio_id,
        greatest(bounds.start_session_number, portfolios.inception_session_number),
        4,
        'asked for'
    from portfolios
    cross join bounds
    where bounds.start_session_number is not null
    union all
    select
        portfolios.portfolio_id,
        portfolios.last_rolled_session_number + 1,
        5,
        'next session'
    from portfolios
    where portfolios.last_rolled_session_number is not null
),

earliest_causes as (
    select distinct on (portfolio_id) *
    from causes
    order by portfolio_id, first_session_number, precedence
),

-- a chain is always carried on to its end: the last session rolled, if that is later than the end asked for
due as (
    select
        portfolios.portfolio_id,
        false as is_withdrawn,
        earliest_causes.first_session_number,
        greatest(bounds.end_session_number, portfolios.last_rolled_session_number) as last_session_number,
        earliest_causes.reason
    from portfolios
    inner join earliest_causes on portfolios.portfolio_id = earliest_causes.portfolio_id
    cross join bounds
    where
        earliest_causes.first_session_number
        <= greatest(bounds.end_session_number, portfolios.last_rolled_session_number)
),

-- a portfolio that is gone leaves every session
withdrawn as (
    select
        roll_forward_state.portfolio_id,
        true as is_withdrawn,
        (select min(sessions.session_number) from sessions) as first_session_number,
        (select max(sessions.session_number) from sessions) as last_session_number,
        'portfolio deleted' as reason
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
        windows.first_session_number,
        windows.last_session_number,
        windows.is_withdrawn,
        windows.reason,
        seeds.fingerprint as sector_seeds_fingerprint
    from windows
    inner join sessions as first_session on windows.first_session_number = first_session.session_number
    inner join sessions as last_session on windows.last_session_number = last_session.session_number
    cross join seeds
)

select * from final
