{#
    All distinct values of a column, as a subquery. An index of the relation must begin with the column: then each next
    value is one step in the index, however many rows share it. `select distinct` would read every row. On a spread
    database it does, in all shards at once: no shard can take the steps of all.
#}
{% macro distinct_keys(relation, key) -%}
    {%- if is_spread() -%}
        (select distinct {{ key }} as key from {{ relation }})
    {%- else -%}
    (
        with recursive keys as (
            (select {{ key }} as key from {{ relation }} order by {{ key }} limit 1)
            union all
            select (
                select later.{{ key }}
                from {{ relation }} as later
                where later.{{ key }} > keys.key
                order by later.{{ key }}
                limit 1
            )
            from keys
            where keys.key is not null
        )
        select key from keys where key is not null
    )
    {%- endif -%}
{%- endmacro %}
