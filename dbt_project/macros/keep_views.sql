{#
    Post-hook, before the transaction of a rebuild ends. dbt rebuilds a relation under another name, renames the old one
    to `…__dbt_backup` and drops it with `cascade`, which takes along every view over it: dbt's own that were not
    selected, and those of other people. While the old one is still there, this binds such views to the new one.
#}
{% macro keep_views() -%}
    {%- set backup = this.identifier ~ "__dbt_backup" -%}
    {%- if model.config.materialized == "view" or not is_incremental() -%}
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
        end
        $keep_views$
    {%- endif -%}
{%- endmacro %}
