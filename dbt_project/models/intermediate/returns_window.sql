{%- set rebuild = must_rebuild(['daily_returns']) -%}
{{ config(schema='ops', indexes=[{"columns": ["symbol"], "unique": true}]) }}

with open_changes as (
    select * from {{ ref('open_changes') }}
    where is_to_returns
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

event_families as (
    select * from {{ ref('event_families') }}
),

-- A day that has become a session, or is no longer one, concerns every symbol that has a price on that day or later.
session_changes as (
    select min(from_date) as from_date
    from open_changes
    where input = 'session'
),

changes as (
    select
        symbol,
        from_date,
        change_id
    from open_changes
    where input in ('price', 'split', 'dividend')
    union all
    -- an event may link the past of one symbol to another, so the whole history is computed again
    select
        symbol,
        date '-infinity',
        change_id
    from open_changes
    where input in ('rename', 'merger', 'spinoff', 'delisting')
    union all
    select
        event_families.member,
        date '-infinity',
        null
    from event_families
    where
        event_families.symbol in (
            select open_changes.symbol from open_changes
            where open_changes.input in ('price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting')
        )
        or exists (
            select 1 from session_changes
            where session_changes.from_date is not null
        )
    union all
    select
        market_data.symbol,
        min(session_changes.from_date),
        null
    from session_changes
    inner join {{ ref('stg_market_data') }} as market_data on session_changes.from_date <= market_data.price_date
    group by market_data.symbol
),

changed_symbols as (
    select
        symbol,
        {% if rebuild -%} date '-infinity' {%- else -%} min(from_date) {%- endif %} as replace_from,
        coalesce(array_agg(change_id) filter (where change_id is not null), '{}') as change_ids
    from changes
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
                select 1 from changes
                where changes.symbol = market_data.symbol
            )
        group by symbol
        union all
        select distinct
            event_families.member,
            date '-infinity',
            '{}'::bigint[]
        from event_families
        where
            not exists (
                select 1 from changes
                where changes.symbol = event_families.member
            )
            and not exists (
                select 1 from {{ ref('stg_market_data') }} as market_data
                where market_data.symbol = event_families.member
            )
    {%- endif %}
),

final as (
    select
        changed_symbols.symbol,
        changed_symbols.replace_from,
        (select max(sessions.session_date) from sessions) as replace_through,
        coalesce(last_close.price_date, '-infinity') as last_close_before,
        changed_symbols.change_ids
    from changed_symbols
    left join lateral (
        select market_data.price_date
        from {{ ref('stg_market_data') }} as market_data
        inner join sessions on market_data.price_date = sessions.session_date
        where
            market_data.symbol = changed_symbols.symbol
            and market_data.price_date < changed_symbols.replace_from
        order by market_data.price_date desc
        limit 1
    ) as last_close on true
)

select * from final
