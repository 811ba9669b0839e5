{#
    Pre-hook, for the model's own transaction. The planner can only guess the rows of a window (a join on `between`). If
    it guesses one row, it loops over thousands of rows thousands of times. Every join of these models is an equality,
    for which a hash join is never bad; a lateral lookup still uses its index.
#}
{% macro hash_joins_only() -%}
    set local enable_nestloop = off
{%- endmacro %}
