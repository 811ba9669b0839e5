{#
    The names of every price key that an event touches, each with its dates. They come from the renamings; a key that
    was never renamed has its own name for all time. It needs the CTE `symbol_names`.

    events  the CTE of the events, which have a `price_key` and a `new_price_key`
#}
{% macro event_names(events) -%}
    select
        price_key,
        symbol,
        told_from_date,
        from_date,
        until_date
    from symbol_names
    union all
    select
        keys.price_key,
        keys.price_key as symbol,
        '-infinity'::date,
        '-infinity'::date,
        'infinity'::date
    from (
        select price_key from {{ events }}
        union
        select new_price_key from {{ events }}
        where new_price_key is not null
    ) as keys
    where
        not exists (
            select 1 from symbol_names
            where symbol_names.price_key = keys.price_key
        )
{%- endmacro %}
