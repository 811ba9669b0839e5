{#
    Incremental strategy `upsert_changed`: bring the table to the model's result and touch only rows that differ:
    insert new ones, update changed ones, delete those that left. (dbt's own merge rewrites every matched row and keeps
    rows that have gone.) One statement: its parts see the table as it was and change different rows.
#}
{% macro get_incremental_upsert_changed_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set result = arg_dict["temp_relation"] -%}
    {%- set key = arg_dict["unique_key"] -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | list -%}
    with deleted as (
        delete from {{ target }} as target
        where not exists (select from {{ result }} as result where result.{{ key }} = target.{{ key }})
        returning 1
    ),

    updated as (
        update {{ target }} as target
        set {% for column in columns %}{{ column }} = result.{{ column }}{{ ", " if not loop.last }}{% endfor %}
        from {{ result }} as result
        where
            target.{{ key }} = result.{{ key }}
            and ({% for column in columns %}target.{{ column }}{{ ", " if not loop.last }}{% endfor %})
            is distinct from ({% for column in columns %}result.{{ column }}{{ ", " if not loop.last }}{% endfor %})
        returning 1
    ),

    inserted as (
        insert into {{ target }} ({{ columns | join(", ") }})
        select {{ columns | join(", ") }} from {{ result }} as result
        where not exists (select from {{ target }} as target where target.{{ key }} = result.{{ key }})
        returning 1
    )

    {{ record_write(
        inserted="(select count(*) from inserted)",
        updated="(select count(*) from updated)",
        deleted="(select count(*) from deleted)",
        unchanged="(select count(*) from " ~ result ~ ") - (select count(*) from inserted) - (select count(*) from updated)",
    ) }}
{% endmacro %}
