{# A model's schema is the one it names: `staging`, `intermediate`, `analytics`, without a prefix of the target's. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
