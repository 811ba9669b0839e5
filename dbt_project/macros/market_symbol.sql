{#
    The symbol whose prices and statistics a position has: an option has its underlying's, all else its own.

    It says nothing of private holdings, which have none: whoever asks leaves them out. Python says the same in
    `warehouse/market_symbol.py`.

    positions   the relation with a position's terms
    held        the relation with the symbol that it is held under that day, where that is another one: after a spin-off
                it may be in no book, and has no terms
#}
{% macro market_symbol(positions, held=none) -%}
    coalesce({{ positions }}.underlying_symbol, {{ held or positions }}.symbol)
{%- endmacro %}
