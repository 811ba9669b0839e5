{#
    Post-hook of what is published, in the transaction that builds it: readers must see that it has changed. A table
    tells of its changes by itself, by a trigger; one that was built anew is given that trigger, and a view is noted.
#}
{% macro note_relation() -%}
    {%- if model.config.materialized == "view" -%}
        call ops.note_change('{{ this.include(database=false) }}')
    {%- elif model.config.materialized == "seed" or not is_incremental() -%}
        call ops.watch_relation('{{ this.include(database=false) }}')
    {%- endif -%}
{%- endmacro %}
