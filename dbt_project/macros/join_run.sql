{#
    Pre-hook of everything that is built, in its transaction. It may write only while its run holds the run lock, or
    nobody else has taken the lock over (warehouse/locks.py). When dbt is run by hand, there is no run and no check.
#}
{% macro join_run() -%}
    {%- if run_token() -%} select ops.join_run({{ run_token() }}, false) {%- endif -%}
{%- endmacro %}

{# The token of the run that started dbt; none when dbt is run by hand. #}
{% macro run_token() -%}
    {%- set token = env_var("BATCH_RUN_TOKEN", "") if execute else "" -%}
    {{- return(token | int if token else none) -}}
{%- endmacro %}
