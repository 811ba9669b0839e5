{#
    Whether the database is spread over servers by Citus (warehouse/distribution.py). The caller of dbt says so in its
    environment. Everything in this file does nothing on one server. A unit test has tables of its own, on one server.
#}
{% macro is_spread() -%}
    {{- return(env_var("DBT_SPREAD", "") == "yes" and model.resource_type != "unit_test") -}}
{%- endmacro %}

{# Whether the model's table lies on the workers in shards by portfolio: then its new rows are computed there, too. #}
{% macro is_computed_in_shards() -%}
    {{- return(is_spread() and "portfolio_id" in (config.get("unique_key") or [])) -}}
{%- endmacro %}

{# The roll_forward_window for the models that are computed in shards: on a spread database its copy there. #}
{% macro portfolios_due() -%}
    {{- return(ref("portfolios_due") if is_spread() else ref("roll_forward_window")) -}}
{%- endmacro %}

{#
    The result of an incremental model. A temporary table lies on the coordinator alone; where the model is computed in
    shards, its result is a table with the same shards, made and dropped in the model's transaction.
#}
{% macro postgres__make_temp_relation(base_relation, suffix) -%}
    {%- if is_computed_in_shards() -%}
        {{- return(base_relation.incorporate(path={"identifier": base_relation.identifier ~ "__result"})) -}}
    {%- endif -%}
    {{- return(dbt.postgres__make_temp_relation(base_relation, suffix)) -}}
{%- endmacro %}

{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- if not (temporary and is_computed_in_shards()) -%}
        {{- return(dbt.postgres__create_table_as(temporary, relation, sql)) -}}
    {%- endif -%}
    {%- do run_query("create unlogged table " ~ relation ~ " (like " ~ this ~ ")") -%}
    {%- do run_query(
        "select create_distributed_table('" ~ relation.include(database=false) ~ "', 'portfolio_id', colocate_with => '"
        ~ this.include(database=false) ~ "')"
    ) -%}
    insert into {{ relation }} ({{ adapter.dispatch("get_column_names", "dbt")() }})
    {{ get_select_subquery(in_one_piece(sql)) }}
{%- endmacro %}

{#
    A table that is whole on each worker is whole on the coordinator, too. Citus writes that one in its own process, and
    would then refuse to analyze the table in the same transaction, because it does that over connections to all.
#}
{% macro let_workers_be_asked_again() -%}
    {{- "set local citus.enable_local_execution to off;" if is_spread() and "for_workers" in model.fqn -}}
{%- endmacro %}

{#
    A query in which no CTE is computed on its own. Such a one is computed before the rest and sent to all workers, and
    each worker is to compute its own part.
#}
{% macro in_one_piece(sql) -%}
    {{- return(modules.re.sub(" as \\(\\s*\\n", " as not materialized (\n", sql)) -}}
{%- endmacro %}

{# In a post-hook, in the model's transaction. #}
{% macro drop_result() -%}
    {%- if execute and is_computed_in_shards() and is_incremental() -%}
        {%- do run_query("drop table if exists " ~ make_temp_relation(this)) -%}
    {%- endif -%}
{%- endmacro %}

{#
    A condition that compares a day with a bound of the window, `min` or `max` of a column. On one server it is a scalar
    subquery, which shows the planner how small the window is. A worker has a part of the window alone, and no need of
    the hint: the bound is read before and written in.
#}
{% macro window_bound(aggregate, column, window) -%}
    {%- if not is_spread() -%}
        (select {{ aggregate }}({{ column }}) from {{ window }})
    {%- elif execute -%}
        {%- set bound = run_query("select " ~ aggregate ~ "(" ~ column ~ ")::text from " ~ window).columns[0][0] -%}
        {{ "'" ~ bound ~ "'::date" if bound is not none else "null::date" }}
    {%- endif -%}
{%- endmacro %}

{#
    The query of a view that shows readers what lies in other schemas. PostgreSQL reads that with the rights of the
    view's owner. Citus reads some of it with those of whoever asks, so on a spread database the query is in a function
    that has its owner's rights. No condition on the view reaches into it: it is for views of few rows.
#}
{% macro shown_by_owner(query) -%}
    {%- if not is_spread() -%}
        {{ query }}
    {%- else -%}
        {%- set function = this.schema ~ ".show_" ~ this.identifier ~ "()" -%}
        {%- set typed = [] -%}
        {%- for column in model.columns.values() -%}
            {%- do typed.append(column.name ~ " " ~ column.data_type) -%}
        {%- endfor -%}
        {%- if execute and flags.WHICH in ("run", "build") -%}
            {#- The view says which columns there are: a function whose own columns change could not be replaced. -#}
            {%- do run_query(
                "create or replace function " ~ function ~ " returns setof record"
                ~ " language sql stable security definer set search_path = pg_catalog, pg_temp"
                ~ " as $shown$ " ~ query | replace('"' ~ this.database ~ '".', "") ~ " $shown$"
            ) -%}
        {%- endif -%}
        with shown as materialized (
            select * from {{ function }} as returned ({{ typed | join(", ") }})
        )

        select * from shown
    {%- endif -%}
{%- endmacro %}
