{#
    Post-hook: the next model's plan needs statistics of this one, and autovacuum comes too late for it. Of a table that
    rows were written into they are taken anew once a tenth of it has changed, as autovacuum would; what adds up over
    several runs is seen to at the end of each (warehouse/maintenance.py). After the transaction that wrote the rows, not
    in it: its rows would count as changed since, and be analyzed again there.
#}
{% macro analyze_table() -%}
    {%- if model.config.materialized == "incremental" and is_incremental() -%}
        do $analyze$
        begin
            if exists (
                select 1
                from {{ source("ops", "incremental_writes") }} as writes
                inner join pg_class as classes on classes.oid = '{{ this.include(database=false) }}'::regclass
                where
                    writes.model = '{{ model.name }}'
                    and writes.inserted + writes.updated + writes.deleted <= 1000 + 0.1 * classes.reltuples
            ) then
                return;
            end if;
            analyze {{ this.include(database=false) }};
        end
        $analyze$
    {%- elif model.config.materialized in ("table", "refilled_table", "incremental") -%}analyze {{ this }}{%- endif -%}
{%- endmacro %}
