{#
    A view of each position's statistics: the row of its symbol, an option counting as its underlying.

    statistics  a table of statistics by calculation_date and symbol
    columns     those of its columns to show
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

{# What the two tables of betas have in common, which is all but the benchmark. #}
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
