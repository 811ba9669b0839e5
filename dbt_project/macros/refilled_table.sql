{#
    A table that is emptied and filled again, in half the statements that building another and putting it in its place
    takes. That needs the table to have the model's columns. The night knows whether it has (the variable `tables_fit`):
    no file of the project has changed since it last built them all. Otherwise this builds tables as dbt does, and
    forgets that they fit, so that the night looks again.
#}
{% materialization refilled_table, adapter="postgres" %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if not var("tables_fit", false) or existing is none or not existing.is_table or should_full_refresh() -%}
        {%- call statement("forget") -%}
            delete from ops.preparations where name = 'tables'
        {%- endcall -%}
        {{ return(dbt.materialization_table_default()) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement("main") -%}
        truncate {{ this }};
        insert into {{ this }} {{ sql }}
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [this.incorporate(type="table")]}) }}
{% endmaterialization %}
