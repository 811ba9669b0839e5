{#
    Takes exclusive locks on a relation and the views over it, before dbt renames or drops it.

    All locks are taken at once or none, and no attempt waits longer than a tenth of a second. Readers lock a view first
    and its tables after it, so waiting with some of the locks in hand would end in a deadlock, which kills a reader.
    Between the attempts everybody can read. If an open transaction holds the relation until the last attempt, the error
    names that transaction.
#}
{% macro take_exclusively(relation) -%}
    do $take_exclusively$
    declare
        wanted constant regclass := to_regclass('{{ relation.include(database=false) }}');
        patience constant interval := make_interval(secs => {{ var("lock_patience_seconds", 120) }});
        lock_timeout_before constant text := current_setting('lock_timeout');
        views regclass[];
        each_view regclass;
        holders text;
    begin
        if wanted is null then
            return;
        end if;
        loop
            select coalesce(array_agg(distinct rule.ev_class::regclass), '{}')
            into views
            from pg_depend as dependency
            inner join pg_rewrite as rule
                on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
            inner join pg_class as dependent on rule.ev_class = dependent.oid
            where dependency.refobjid = wanted and dependent.relkind = 'v';
            begin
                perform set_config('lock_timeout', '100ms', true);
                -- this keeps the owner: unlike `lock table`, it locks a view and not the relations behind it
                foreach each_view in array views || wanted loop
                    execute format(
                        'alter table %s owner to %I',
                        each_view,
                        (select pg_get_userbyid(relowner) from pg_class where oid = each_view)
                    );
                end loop;
                perform set_config('lock_timeout', lock_timeout_before, true);
                {%- if is_spread() %}
                -- what lies on the workers comes back to be replaced, and the new one goes there in its place (keep_views)
                if exists (select 1 from pg_dist_partition where logicalrelid = wanted) then
                    perform undistribute_table(wanted, cascade_via_foreign_keys => false);
                end if;
                {%- endif %}
                return;
            exception when lock_not_available then
                null;  -- the locks taken so far are released here
            end;
            exit when clock_timestamp() > statement_timestamp() + patience;
            perform pg_sleep(0.2 + random() * 0.3);
        end loop;
        select string_agg(
            distinct format(
                '%s of %s (process %s, %s for %s s)',
                coalesce(nullif(activity.application_name, ''), 'a session'),
                activity.usename,
                activity.pid,
                activity.state,
                round(extract(epoch from clock_timestamp() - activity.state_change))
            ),
            '; '
        )
        into holders
        from pg_locks as held
        inner join pg_stat_activity as activity on held.pid = activity.pid
        where
            held.relation = any(views || wanted)
            and held.granted
            and held.pid <> pg_backend_pid()
            and held.database = (select oid from pg_database where datname = current_database());
        raise exception '% can''t be replaced while it is read by %: end that session, then run again', wanted,
            coalesce(holders, 'somebody who has just gone');
    end
    $take_exclusively$;
{%- endmacro %}

{# dbt's own macro, after an exclusive lock on the relation. #}
{% macro postgres__rename_relation(from_relation, to_relation) -%}
    {%- call statement("rename_relation") -%}
        {{ take_exclusively(from_relation) }}
        alter table {{ from_relation.render() }} rename to {{ adapter.quote_as_configured(to_relation.identifier, "identifier") }}
    {%- endcall -%}
{%- endmacro %}

{% macro postgres__drop_relation(relation) -%}
    {%- call statement("drop_relation", auto_begin=False) -%}
        {{ take_exclusively(relation) }}
        {{ get_drop_sql(relation) }}
    {%- endcall -%}
{%- endmacro %}

{# For a seed: its rows are replaced within the transaction, and deleting them does not block readers. #}
{% macro postgres__truncate_relation(relation) -%}
    {%- call statement("truncate_relation") -%}
        delete from {{ relation.render() }}
    {%- endcall -%}
{%- endmacro %}
