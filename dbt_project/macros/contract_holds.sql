{#
    dbt asks the server for the columns of each incremental model's query in every run, to hold them against the model's
    contract. That plans every query twice, and is not needed while no file of the project has changed since all tables
    were built (the variable `tables_fit`): the contract was held then.
#}
{% macro postgres__get_assert_columns_equivalent(sql) -%}
    {%- if not var("tables_fit", false) -%}
        {{- return(dbt.default__get_assert_columns_equivalent(sql)) -}}
    {%- endif -%}
{%- endmacro %}
