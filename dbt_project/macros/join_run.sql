{#
    Pre-hook of all that is built, in its transaction: it may write only while the run that began it holds the run lock, or
    nobody has taken that over (warehouse/locks.py). Where dbt is run by hand there is no such run, and nothing to ask.
#}
{% macro join_run() -%}
    {%- if run_token() -%} select ops.join_run({{ run_token() }}, false) {%- endif -%}
{%- endmacro %}

{# The token of the run that has begun this; none where dbt is run by hand. #}
{% macro run_token() -%}
    {%- set token = env_var("BATCH_RUN_TOKEN", "") if execute else "" -%}
    {{- return(token | int if token else none) -}}
{%- endmacro %}
