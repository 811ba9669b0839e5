{#
    The one place that reads the variables of a run:

    start_date     first requested session, 'YYYY-MM-DD'; a chain that is due from an earlier session starts there
    end_date       last requested session; without it, the latest closed session that has any market price
    portfolio_ids  list of portfolio ids; without it, every portfolio
#}
{% macro window_date(name) -%}
    {%- set value = var(name, none) -%}
    {%- if value is none -%}
        null::date
    {%- else -%}
        {%- if flags.FULL_REFRESH -%}
            {{ exceptions.raise_compiler_error(
                "--full-refresh rebuilds every portfolio's whole life: leave out " ~ name ~ ", or leave out --full-refresh"
            ) }}
        {%- endif -%}
        date '{{ value | string | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro %}

{% macro portfolio_is_in_scope(column) -%}
    {%- set ids = var("portfolio_ids", none) -%}
    {%- if ids is none -%}
        true
    {%- elif ids is string or ids | length == 0 -%}
        {{ exceptions.raise_compiler_error("portfolio_ids must be a list of portfolio ids, with one at least") }}
    {%- else -%}
        {%- if flags.FULL_REFRESH -%}
            {{ exceptions.raise_compiler_error(
                "--full-refresh rebuilds every portfolio: leave out portfolio_ids, or leave out --full-refresh"
            ) }}
        {%- endif -%}
        {{ column }} in (
            {%- for id in ids -%}
                '{{ id | string | replace("'", "''") }}'::uuid{{ ", " if not loop.last }}
            {%- endfor -%}
        )
    {%- endif -%}
{%- endmacro %}
