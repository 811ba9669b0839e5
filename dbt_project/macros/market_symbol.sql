{#
    The symbol of a position's prices and statistics: an option has its underlying's, every other position its own.

    Private holdings have none, and the caller leaves them out. The same rule in Python is
    `warehouse/market_symbol.py`.

    positions   the relation with a position's terms
    held        the relation with the position's symbol on that day, where that may differ: a position created by a
                spin-off may be in no book, and then has no terms
#}
{% macro market_symbol(positions, held=none) -%}
    coalesce({{ positions }}.underlying_symbol, {{ held or positions }}.symbol)
{%- endmacro %}
