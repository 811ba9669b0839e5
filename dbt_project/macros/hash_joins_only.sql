{#
    Pre-hook, for the model's own transaction. How many rows a window holds is a guess to the planner (a join on
    `between`), and a guess of one row makes it loop over thousands of rows thousands of times. Every join of these
    models is an equality, and a hash join is never bad at those; a lateral lookup still goes through its index.
#}
{% macro hash_joins_only() -%}
    set local enable_nestloop = off
{%- endmacro %}
