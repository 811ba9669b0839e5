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

{#
    Post-hook after that drop, outside of the transaction: dbt takes the views to have gone with it, and would fail to
    create those it builds next. It renders to nothing.
#}
{% macro remember_kept_views() -%}
    {%- if execute and (model.config.materialized == "view" or not is_incremental()) -%}
        {%- set kept -%}
            select distinct schemas.nspname, views.relname
            from pg_depend as dependency
            inner join pg_rewrite as rule
                on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
            inner join pg_class as views on rule.ev_class = views.oid
            inner join pg_namespace as schemas on views.relnamespace = schemas.oid
            where
                dependency.refobjid = to_regclass('"{{ this.schema }}"."{{ this.identifier }}"')
                and views.relkind = 'v'
                and views.oid <> dependency.refobjid
        {%- endset -%}
        {%- for row in run_query(kept) -%}
            {%- do adapter.cache_added(
                api.Relation.create(database=this.database, schema=row[0], identifier=row[1], type="view")
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
