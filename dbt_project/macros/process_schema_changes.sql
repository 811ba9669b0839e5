{#
    dbt compares the columns of each incremental model with its table's in every run. That is not needed while no file
    of the project has changed since all tables were built (the variable `tables_fit`): the columns are the same.
#}
{% macro postgres__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {%- if var("tables_fit", false) -%}
        {{- return(adapter.get_columns_in_relation(source_relation)) -}}
    {%- endif -%}
    {{- return(dbt.default__process_schema_changes(on_schema_change, source_relation, target_relation)) -}}
{% endmacro %}
