{#
    Post-hook of published relations, in the transaction that builds them: readers must see that they have changed. A
    trigger records the changes of a table. This gives a new table that trigger, and records the change of a view.
#}
{% macro note_relation() -%}
    {%- if model.config.materialized == "view" -%}
        call ops.note_change('{{ this.include(database=false) }}')
    {%- elif model.config.materialized == "seed" or not is_incremental() -%}
        call ops.watch_relation('{{ this.include(database=false) }}')
    {%- endif -%}
{%- endmacro %}
