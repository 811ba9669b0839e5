{#
    Whether history has to be built as a whole, because that was requested or because a table of it is missing. The
    table is looked up by name, because a reference to a descendant would be a cycle.
#}
{% macro must_rebuild(table_names) -%}
    {%- set missing = [] -%}
    {%- if execute -%}
        {%- for name in table_names -%}
            {%- if adapter.get_relation(database=target.database, schema="analytics", identifier=name) is none -%}
                {%- do missing.append(name) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(flags.FULL_REFRESH or missing | length > 0) -}}
{%- endmacro %}

{#
    For the top of an incremental model: refuses to build the whole table from a window for a part of history, which
    would leave only that part.
#}
{% macro require_whole_window(window_model) -%}
    {%- set window_is_selected = "model.afterclose." ~ window_model in selected_resources -%}
    {%- if execute and flags.WHICH in ("run", "build") and not is_incremental() and not window_is_selected -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " can only be built whole together with its window: select +" ~ model.name
        ) }}
    {%- endif -%}
{%- endmacro %}
