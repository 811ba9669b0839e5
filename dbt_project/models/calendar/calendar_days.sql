{{ config(indexes=[{"columns": ["calendar_date"], "unique": true}]) }}

with sessions as (
    select * from {{ ref('sessions') }}
),

days as (
    -- Starts long enough before the first session for any entry, and ends long enough after the last one for any
    -- expiration.
    select day::date as calendar_date
    from generate_series(
        date '1900-01-01', (select max(session_date) + interval '30 years' from sessions), interval '1 day'
    ) as day
),

final as (
    select
        days.calendar_date,
        min(sessions.session_number) over (order by days.calendar_date desc) as next_session_number,
        -- 0 before the first session. Days after the last session have no number, because nothing is known about them
        -- yet.
        case
            when days.calendar_date <= (select max(known.session_date) from sessions as known)
                then coalesce(max(sessions.session_number) over (order by days.calendar_date), 0)
        end as last_session_number
    from days
    left join sessions on days.calendar_date = sessions.session_date
)

select * from final
