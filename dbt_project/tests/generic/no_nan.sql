{# numeric NaN is not NULL: it passes not_null, poisons sums and sorts above every number. #}
{% test no_nan(model) %}

    {%- set columns = [] -%}
    {%- if execute -%}
    {%- for column in adapter.get_columns_in_relation(model) if column.is_numeric() or column.is_float() -%}
        {%- do columns.append(column.quoted) -%}
    {%- endfor -%}
{%- endif %}
select *
from {{ model }}
where {{ "false" if not columns }}{% for column in columns %}{{ " or " if not loop.first }}{{ column }} = 'NaN'{% endfor %}

{% endtest %}
