{#
    Incremental strategy `replace_window`: in one transaction, delete the rows of exactly the window that is due and
    insert the model's result, also when that is empty. (delete+insert by key and microbatch keep rows whose position
    has gone.)

    The model names its window table and the columns to match in its config:
        window_model   a model with the columns `window_key`, first_session and last_session
        window_key     portfolio_id or symbol
        window_date    the model's date column
#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set window = ref(config.require("window_model")) -%}
    {%- set key = config.require("window_key") -%}
    {%- set day = config.require("window_date") -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    with deleted as (
        delete from {{ arg_dict["target_relation"] }} as target
        using {{ window }} as due
        where
            target.{{ key }} = due.{{ key }}
            and target.{{ day }} between due.first_session and due.last_session
            -- as constants, so that the planner sees how small the window is
            and target.{{ day }} between (select min(first_session) from {{ window }})
            and (select max(last_session) from {{ window }})
        returning 1
    )

    {{ record_write(deleted="(select count(*) from deleted)", inserted="(select count(*) from " ~ arg_dict["temp_relation"] ~ ")") }};

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{% endmacro %}
