{#
    The last known price of a key that events touch, at a session and in shares of that session, as a lateral subquery.
    It comes from any name of the key, less the spin-offs since then. Before the first close it is the value that an
    event gives.
#}
{% macro stitched_price(price_key, session_number, session_date) -%}
(
    select
        coalesce(last_close.price_date, given.price_date) as price_date,
        round(
            coalesce(
                last_close.close * {{ growth_at(price_key, 'last_close.session_number') }}
                * intermediate.multiply_ratio(1, kept.share_kept),
                given.new_price * given.new_growth
            )
            / {{ growth_at(price_key, session_number) }},
            10
        ) as price
    from (select) as one
    left join lateral (
        select
            prices.price_date,
            prices.close,
            priced.last_session_number as session_number
        from {{ ref('stitched_prices') }} as prices
        inner join {{ ref('calendar_days') }} as priced on prices.price_date = priced.calendar_date
        where prices.price_key = {{ price_key }} and prices.price_date <= {{ session_date }}
        order by prices.price_date desc
        limit 1
    ) as last_close on true
    left join lateral (
        select intermediate.product_of_ratios(by_day.share_kept order by by_day.session_number) as share_kept
        from (
            select distinct
                events.session_number,
                events.share_kept
            from {{ ref('corporate_events') }} as events
            where
                events.price_key = {{ price_key }}
                and events.event_type = 'SPINOFF'
                and events.session_number > last_close.session_number
                and events.session_number <= {{ session_number }}
        ) as by_day
    ) as kept on true
    left join lateral (
        select
            events.new_price_date as price_date,
            events.new_price,
            events.new_growth
        from {{ ref('corporate_events') }} as events
        where
            last_close.price_date is null
            and events.new_price_key = {{ price_key }}
            and events.session_number <= {{ session_number }}
        order by events.session_number desc, events.price_key
        limit 1
    ) as given on true
)
{%- endmacro %}
