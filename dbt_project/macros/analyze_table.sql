{# Post-hook: the next model's plan needs statistics of this one, and autovacuum comes too late for it. #}
{% macro analyze_table() -%}
    {%- if model.config.materialized in ("table", "refilled_table", "incremental") -%}analyze {{ this }}{%- endif -%}
{%- endmacro %}
