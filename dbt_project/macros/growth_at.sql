{# The number of shares at a session that one share from before all splits has become; only for a handful of rows. #}
{% macro growth_at(price_key, session_number) -%}
    coalesce(
        (
            select split_growth.growth
            from {{ ref('split_growth') }} as split_growth
            where
                split_growth.symbol = {{ price_key }}
                and {{ session_number }} between split_growth.from_session_number and split_growth.to_session_number
        ),
        1
    )
{%- endmacro %}
