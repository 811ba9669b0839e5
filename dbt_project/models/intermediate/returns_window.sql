{%- set rebuild = must_rebuild(['daily_returns']) -%}
{{ config(schema='ops', indexes=[{"columns": ["symbol"], "unique": true}]) }}

-- after the roll-forward has read its changes, so that a benchmark's return has taken in what a snapshot answers for
-- depends_on: {{ ref('roll_forward_window') }}

with input_changes as (
    select * from {{ ref('stg_input_changes') }}
    where
        returns_taken_at is null
        and input in ('price', 'split', 'dividend')
),

sessions as (
    select * from {{ ref('sessions') }}
),

changed_symbols as (
    select
        symbol,
        {% if rebuild -%} date '-infinity' {%- else -%} min(from_date) {%- endif %} as first_session,
        array_agg(change_id) as change_ids
    from input_changes
    group by symbol
    {%- if rebuild %}
        union all
        select
            symbol,
            date '-infinity',
            '{}'::bigint[]
        from {{ ref('stg_market_data') }} as market_data
        where
            not exists (
                select 1 from input_changes
                where input_changes.symbol = market_data.symbol
            )
        group by symbol
    {%- endif %}
),

final as (
    select
        changed_symbols.symbol,
        changed_symbols.first_session,
        (select max(sessions.session_date) from sessions) as last_session,
        coalesce(last_close.price_date, '-infinity') as last_close_before,
        changed_symbols.change_ids
    from changed_symbols
    left join lateral (
        select market_data.price_date
        from {{ ref('stg_market_data') }} as market_data
        where
            market_data.symbol = changed_symbols.symbol
            and market_data.price_date < changed_symbols.first_session
        order by market_data.price_date desc
        limit 1
    ) as last_close on true
)

select * from final
