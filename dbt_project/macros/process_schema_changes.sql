{#
    dbt compares the columns of each incremental model with its table's, every time. While no file of the project has
    changed since all tables were built (the variable `tables_fit`), the table has all that the model has.
#}
{% macro postgres__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {%- if var("tables_fit", false) -%}
        {{- return(adapter.get_columns_in_relation(source_relation)) -}}
    {%- endif -%}
    {{- return(dbt.default__process_schema_changes(on_schema_change, source_relation, target_relation)) -}}
{% endmacro %}
