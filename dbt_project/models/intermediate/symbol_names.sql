{{ config(indexes=[{"columns": ["symbol"]}, {"columns": ["price_key"]}]) }}
-- `open_changes` is built first: a run notes which changes it takes in before it reads any input.
-- depends_on: {{ ref('open_changes') }}

with recursive corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
    where action_type = 'RENAME'
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

renames as (
    select distinct on (corporate_actions.symbol, calendar_days.next_session_number)
        corporate_actions.symbol,
        corporate_actions.new_symbol,
        calendar_days.next_session_number as session_number
    from corporate_actions
    inner join calendar_days on corporate_actions.ex_date = calendar_days.calendar_date
    where calendar_days.next_session_number is not null
    order by corporate_actions.symbol asc, calendar_days.next_session_number asc, corporate_actions.ex_date desc
),

-- Each renaming with all the names that follow it, up to the last one.
followed as (
    select
        renames.symbol,
        renames.session_number,
        renames.new_symbol as last_symbol,
        renames.session_number as last_session_number
    from renames
    union all
    select
        followed.symbol,
        followed.session_number,
        later.new_symbol,
        later.session_number as last_session_number
    from followed
    cross join
        lateral (
            select
                renames.new_symbol,
                renames.session_number
            from renames
            where
                renames.symbol = followed.last_symbol
                and renames.session_number > followed.last_session_number
            order by renames.session_number
            limit 1
        ) as later
),

last_names as (
    select distinct on (symbol, session_number)
        symbol,
        session_number,
        last_symbol
    from followed
    order by symbol asc, session_number asc, last_session_number desc
),

-- A name until it is given up. Where it is used for a day before that, it means the company that gave it up.
given_up as (
    select
        renames.symbol,
        last_names.last_symbol as price_key,
        coalesce(lag(renames.session_number) over names_in_order, 0) as told_from_session_number,
        renames.session_number - 1 as to_session_number
    from renames
    inner join last_names
        on renames.symbol = last_names.symbol and renames.session_number = last_names.session_number
    window names_in_order as (partition by renames.symbol order by renames.session_number)
),

-- A name after it was last given up. It belongs to the company that took it, also where it is used for days before
-- that. If nobody took it, it belongs to another company.
kept as (
    select
        symbols.symbol,
        symbols.symbol as price_key,
        coalesce(last_given_up.session_number, 0) as told_from_session_number,
        2147483647 as to_session_number
    from (
        select symbol from renames
        union
        select new_symbol from renames
    ) as symbols
    left join (
        select
            symbol,
            max(session_number) as session_number
        from renames
        group by symbol
    ) as last_given_up on symbols.symbol = last_given_up.symbol
),

named as (
    select * from given_up
    union all
    select * from kept
),

-- The day from which the name is in use: the day on which it was taken, if it was.
taken as (
    select
        named.*,
        greatest(
            named.told_from_session_number,
            (
                select max(renames.session_number)
                from renames
                where
                    renames.new_symbol = named.symbol
                    and renames.session_number >= named.told_from_session_number
                    and renames.session_number <= named.to_session_number
            )
        ) as from_session_number
    from named
),

final as (
    select
        taken.symbol,
        taken.price_key,
        taken.told_from_session_number,
        taken.from_session_number,
        taken.to_session_number,
        coalesce(told_from.session_date, '-infinity') as told_from_date,
        coalesce(sessions.session_date, '-infinity') as from_date,
        coalesce(session_after.session_date, 'infinity') as until_date
    from taken
    left join sessions as told_from on taken.told_from_session_number = told_from.session_number
    left join sessions on taken.from_session_number = sessions.session_number
    left join sessions as session_after on taken.to_session_number::bigint + 1 = session_after.session_number
)

select * from final
