{#
    A view of each position's statistics: the row of its symbol, or of its underlying for an option.

    statistics  a table of statistics by calculation_date and symbol
    columns     the columns of it to show
#}
{% macro position_statistics(statistics, columns) -%}
with statistics as (
    select * from {{ statistics }}
),

held_symbols as (
    select * from {{ ref("held_symbols") }}
),

final as (
    select
        statistics.calculation_date,
        held_symbols.portfolio_id,
        held_symbols.position_id,
        held_symbols.symbol
        {%- for column in columns %},
        statistics.{{ column }}
        {%- endfor %}
    from held_symbols
    inner join statistics
        on
            held_symbols.value_date = statistics.calculation_date
            and held_symbols.market_symbol = statistics.symbol
)

select * from final
{%- endmacro %}

{# The common part of the two tables of betas: everything but the benchmark. #}
{% macro beta_columns() -%}
    {{ return([
        "beta",
        "raw_beta",
        "forecast_beta",
        "alpha",
        "r_squared",
        "std_error",
        "p_value",
        "observations",
        "window_days",
        "quality_flag",
    ]) }}
{%- endmacro %}
