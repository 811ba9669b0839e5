{#
    A table that is emptied and filled again. That takes half the statements of building a new table and exchanging it
    for the old one, but the table must have the model's columns. The night knows whether it has (the variable
    `tables_fit`): no file of the project has changed since all tables were last built. Otherwise this builds the table
    as dbt does, and clears the record that tables fit, so that the night checks again.

    With `kept_by_book` in its meta, a table keeps the rows of portfolios that nothing has changed for, and its query gives
    those of the others (macros/changed_books.sql).
#}
{% materialization refilled_table, adapter="postgres" %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if not var("tables_fit", false) or existing is none or not existing.is_table or should_full_refresh() -%}
        {%- call statement("forget") -%}
            delete from ops.preparations where name = 'tables'
        {%- endcall -%}
        {{ return(dbt.materialization_table_default()) }}
    {%- endif -%}
    {#- The work of the project's hooks, without statements of their own; no view over the table is lost here. -#}
    {%- set done_here = [
        "{{ join_run() }}", "{{ analyze_table() }}", "{{ keep_views() }}", "{{ recall_views() }}"
    ] -%}
    {%- set pre_hooks = pre_hooks | rejectattr("sql", "in", done_here) | list -%}
    {%- set post_hooks = post_hooks | rejectattr("sql", "in", done_here) | list -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement("main") -%}
        {{ let_workers_be_asked_again() }}
        {{ empty_table() }};
        insert into {{ this }} {{ in_one_piece(sql) if is_spread() and model.config.meta.get("is_computed_in_shards") else sql }};
        {% if is_kept_by_book() %}{{ analyze_changed_books() }}{% else %}analyze {{ this }}{% endif %}
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [this.incorporate(type="table")]}) }}
{% endmaterialization %}

{#
    Readers use some of these tables through views. For them the old rows stay until the new ones are committed. A
    truncate would wait for every open transaction of a reader, and make all others wait behind it.
#}
{% macro empty_table() -%}
    do $empty_table$
    begin
        {% if run_token() %}perform ops.join_run({{ run_token() }}, false);{% endif %}
        {% if is_kept_by_book() %}
        {{ empty_changed_books() }}
        {% else %}
        if exists (
            select 1 from pg_depend as dependency
            inner join pg_rewrite as rule
                on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
            where dependency.refobjid = '{{ this.include(database=false) }}'::regclass
        ) then
            delete from {{ this }};
        else
            truncate {{ this }};
        end if;
        {% endif %}
    end
    $empty_table$
{%- endmacro %}
