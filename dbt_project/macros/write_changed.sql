{#
    Two incremental strategies that bring a table to the model's result and touch only the rows that differ. One
    statement inserts new rows, updates changed ones and deletes the others; all its parts see the table as it was. A
    run with the same result writes nothing. (dbt's own merge rewrites every matched row and keeps rows that are no
    longer in the result; so do delete+insert by key and microbatch.)

    upsert_changed  the result is the whole table
    upsert_listed   the result has at least what may have changed since the last write, and all rows of changed books; rows
                    of other portfolios that are not in it stay
    replace_window  the result is the whole content of a window, even if empty; rows outside the window stay. The
                    model's config names the window:
                        window_model   a model with the columns `window_key`, replace_from and replace_through
                        window_key     portfolio_id or symbol
                        window_date    the model's date column

    Both need `unique_key`, a list of columns.
#}
{% macro get_incremental_upsert_changed_sql(arg_dict) %}
    {{ write_changed(arg_dict) }}
{% endmacro %}

{% macro get_incremental_upsert_listed_sql(arg_dict) %}
    {#- On a spread database the result has all rows, and the shards know nothing of changed books. -#}
    {%- set in_changed_book -%}
        {%- if is_spread() -%}
        true
        {%- else -%}
        (
            not {{ follows_last_listing() }}
            or target.portfolio_id in (
                select changed_books.portfolio_id
                from {{ source("ops", "changed_books") }} as changed_books
                where changed_books.is_listed
            )
        )
        {%- endif -%}
    {%- endset -%}
    {#- Rows that are not in the result are current as well. -#}
    {%- set stay = none if is_spread() else "(select count(*) from " ~ this ~ ") - (select count(*) from deleted)" -%}
    {{ write_changed(arg_dict, deletable=in_changed_book, stay=stay) }}
{% endmacro %}

{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set window = ref(config.require("window_model")) -%}
    {%- set key = config.require("window_key") -%}
    {%- set day = config.require("window_date") -%}
    {%- set in_window -%}
        exists (
            select 1 from {{ window }} as due
            where due.{{ key }} = target.{{ key }} and target.{{ day }} between due.replace_from and due.replace_through
        )
        -- as constants, so that the planner sees how small the window is
        and target.{{ day }} >= {{ window_bound("min", "replace_from", window) }}
        and target.{{ day }} <= {{ window_bound("max", "replace_through", window) }}
    {%- endset -%}
    {#- With a subquery in it, Citus would not see that an updated row stays in its shard. -#}
    {{ write_changed(arg_dict, deletable=in_window, comparable="true" if is_spread() else in_window) }}
{% endmacro %}

{#
    `deletable` and `comparable` are conditions on `target`: which rows are deleted where the result lacks them, and among
    which rows those of the result are looked for. Without the second, each night would read all of history. `stay` is how
    many rows stay, updated or not; without it, those of the result that are not new.
#}
{% macro write_changed(arg_dict, deletable="true", comparable="true", stay=none) %}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set result = arg_dict["temp_relation"] -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | list -%}
    {%- set same_key -%}
        {% for column in arg_dict["unique_key"] %}result.{{ column }} = target.{{ column }}{{ " and " if not loop.last }}{% endfor %}
    {%- endset -%}
    with deleted as (
        delete from {{ target }} as target
        where {{ deletable }} and not exists (select 1 from {{ result }} as result where {{ same_key }})
        returning 1
    ),

    updated as (
        update {{ target }} as target
        set {% for column in columns %}{{ column }} = result.{{ column }}{{ ", " if not loop.last }}{% endfor %}
        from {{ result }} as result
        where
            {{ same_key }}
            and {{ comparable }}
            and ({% for column in columns %}target.{{ column }}{{ ", " if not loop.last }}{% endfor %})
            is distinct from ({% for column in columns %}result.{{ column }}{{ ", " if not loop.last }}{% endfor %})
        returning 1
    ),

    inserted as (
        insert into {{ target }} ({{ columns | join(", ") }})
        select {{ columns | join(", ") }}
        from {{ result }} as result
        where not exists (select 1 from {{ target }} as target where {{ same_key }} and {{ comparable }})
        returning 1
    )

    {{ record_write(
        inserted="(select count(*) from inserted)",
        updated="(select count(*) from updated)",
        deleted="(select count(*) from deleted)",
        unchanged=(stay or "(select count(*) from " ~ result ~ ") - (select count(*) from inserted)")
        ~ " - (select count(*) from updated)",
    ) }}
{% endmacro %}
