{#
    Post-hook, before the transaction of a rebuild ends. dbt rebuilds a relation under another name, renames the old one
    to `…__dbt_backup` and drops it with `cascade`. That drops every view over it too: dbt's own views that were not
    selected, and views of other people. This binds such views to the new relation while the old one still exists.

    On a database that is spread over servers, a table that belongs on the workers is brought there.
#}
{% macro keep_views() -%}
    {%- set backup = this.identifier ~ "__dbt_backup" -%}
    {%- if is_built_anew() -%}
        do $keep_views$
        declare
            dependent record;
        begin
            for dependent in
                select distinct
                    views.oid::regclass as name,
                    replace(pg_get_viewdef(views.oid), '{{ backup }}', '{{ this.identifier }}') as definition
                from pg_depend as dependency
                inner join pg_rewrite as rule
                    on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
                inner join pg_class as views on rule.ev_class = views.oid
                where
                    dependency.refobjid = to_regclass('"{{ this.schema }}"."{{ backup }}"')
                    and views.relkind = 'v'
                    and views.oid <> dependency.refobjid
            loop
                execute format('create or replace view %s as %s', dependent.name, dependent.definition);
            end loop;
            {%- if is_spread() and model.config.materialized != "view" %}
            call ops.spread_relation('{{ this.include(database=false) }}');
            {%- endif %}
        end
        $keep_views$
    {%- elif is_spread() and model.config.materialized == "refilled_table" -%}
        {#- Not there before: built by the first night after `db distribute`, or after somebody has dropped it. -#}
        call ops.spread_relation('{{ this.include(database=false) }}')
    {%- endif -%}
{%- endmacro %}

{# Whether the model's relation is built anew and replaces the old one. Otherwise rows are written into the old one. #}
{% macro is_built_anew() -%}
    {%- if model.config.materialized == "refilled_table" -%}
        {{- return(not var("tables_fit", false)) -}}
    {%- endif -%}
    {{- return(model.config.materialized == "view" or not is_incremental()) -}}
{%- endmacro %}

{#
    Post-hook after that transaction. When dbt drops the old relation, it removes every view over it from its cache of
    relations, and would then fail to create the views that `keep_views` has kept. This adds them to the cache again.
#}
{% macro recall_views() -%}
    {%- if execute and is_built_anew() -%}
        {%- set kept = run_query(
            "with recursive kept as ("
            ~ " select to_regclass('" ~ this.include(database=false) ~ "')::oid as view_id"
            ~ " union"
            ~ " select rule.ev_class from kept"
            ~ " inner join pg_depend as dependency on dependency.refobjid = kept.view_id"
            ~ " inner join pg_rewrite as rule"
            ~ " on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid"
            ~ ")"
            ~ " select relnamespace::regnamespace::text, relname::text from kept"
            ~ " inner join pg_class on pg_class.oid = kept.view_id and relkind = 'v'"
        ) -%}
        {%- for schema, name in kept.rows -%}
            {%- do adapter.cache_added(
                api.Relation.create(database=this.database, schema=schema, identifier=name, type="view")
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
