{%- set rebuild = must_rebuild(['position_values', 'portfolio_snapshots', 'portfolio_sector_exposures']) -%}
{{ config(schema='ops', indexes=[{"columns": ["portfolio_id"]}]) }}

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

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

seeds as (
    select md5(
        (select string_agg(source_sector || '>' || sector, ',' order by source_sector) from sector_map)
        || (
            select string_agg(concat_ws(' ', effective_date, sector, weight), ',' order by effective_date, sector)
            from benchmark_sector_weights
        )
    ) as fingerprint
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

-- Changes of one kind are grouped: market changes by symbol, whoever holds it, and all other inputs by portfolio.
concerned as (
    select
        changes.*,
        case
            when
                changes.input in (
                    'price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting', 'sector', 'session'
                )
                then null
            else changes.portfolio_id
        end as whose
    from roll_forward_changes as changes
    inner join portfolios
        on
            changes.portfolio_id = portfolios.portfolio_id
            and portfolios.last_rolled_session_number is not null
),

kinds_of_change as (
    select
        input,
        symbol,
        what,
        whose,
        count(distinct change_id) as num_changes,
        min(from_date) as from_date,
        max(through_date) as through_date,
        case input
            when 'price' then 'close'
            when 'close' then 'closing trade'
            when 'rename' then 'renaming'
            when 'spinoff' then 'spin-off'
            else input
        end as noun,
        case what when 'new' then 'added' else what end as verb
    from concerned
    group by input, symbol, what, whose
),

worded_changes as (
    select
        input,
        symbol,
        what,
        whose,
        case
            -- changes of sectors and portfolios have no date
            when input in ('sector', 'portfolio') then concat_ws(' ', symbol, noun, verb)
            when from_date = through_date or (through_date = 'infinity' and num_changes = 1)
                then concat_ws(' ', symbol, noun, 'of', from_date, verb)
            when through_date = 'infinity'
                then concat_ws(' ', num_changes, symbol, noun || 's', 'from', from_date, 'on', verb)
            else concat_ws(' ', symbol, noun || 's', 'of', from_date, 'to', through_date, verb)
        end as cause
    from kinds_of_change
),

causes as (
    select
        portfolio_id,
        inception_session_number as first_session_number,
        1 as precedence,
        case when sector_seeds_fingerprint is null then 'first roll' else 'full rebuild' end as cause
    from portfolios
    where last_rolled_session_number is null
    union all
    select
        concerned.portfolio_id,
        min(concerned.first_session_number),
        2,
        worded_changes.cause
    from concerned
    inner join worded_changes
        on
            concerned.input = worded_changes.input
            and concerned.what = worded_changes.what
            and concerned.symbol is not distinct from worded_changes.symbol
            and concerned.whose is not distinct from worded_changes.whose
    group by concerned.portfolio_id, worded_changes.cause
    union all
    select
        portfolios.portfolio_id,
        portfolios.inception_session_number,
        3,
        'sector seeds changed'
    from portfolios
    cross join seeds
    where
        portfolios.last_rolled_session_number is not null
        and portfolios.sector_seeds_fingerprint is distinct from seeds.fingerprint
    union all
    select
        portfolios.portfolio_id,
        greatest(calendar_days.next_session_number, portfolios.inception_session_number),
        4,
        'asked for'
    from portfolios
    inner join calendar_days on calendar_days.calendar_date = {{ window_date('start_date') }}
    union all
    select
        portfolios.portfolio_id,
        portfolios.last_rolled_session_number + 1,
        5,
        'next session'
    from portfolios
    where portfolios.last_rolled_session_number is not null
),

final as (
    select
        causes.portfolio_id,
        causes.first_session_number,
        causes.precedence,
        causes.cause,
        portfolios.last_rolled_session_number,
        seeds.fingerprint as sector_seeds_fingerprint
    from causes
    inner join portfolios on causes.portfolio_id = portfolios.portfolio_id
    cross join seeds
)

select * from final
