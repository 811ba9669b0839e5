{#
    dbt compares the columns of each incremental model with its table's in every run. That is not needed while no file
    of the project has changed since all tables were built (the variable `tables_fit`): the columns are the contract's.
#}
{% macro postgres__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {%- if var("tables_fit", false) -%}
        {%- set columns = [] -%}
        {%- for column in model.columns.values() -%}
            {%- do columns.append(api.Column.create(column.name, column.data_type)) -%}
        {%- endfor -%}
        {{- return(columns) -}}
    {%- endif -%}
    {{- return(dbt.default__process_schema_changes(on_schema_change, source_relation, target_relation)) -}}
{% endmacro %}
