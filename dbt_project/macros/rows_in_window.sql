{# The rows of an incremental model that lie in the roll_forward_window, for an import CTE. #}
{% macro rows_in_window(relation, day) -%}
    select windowed.*
    from {{ relation }} as windowed
    inner join {{ portfolios_due() }} as due
        on
            windowed.portfolio_id = due.portfolio_id
            and windowed.{{ day }} between due.first_session and due.last_session
    where
        -- as constants, so that the planner sees how small the window is
        windowed.{{ day }} >= {{ window_bound("min", "first_session", portfolios_due()) }}
        and windowed.{{ day }} <= {{ window_bound("max", "last_session", portfolios_due()) }}
{%- endmacro %}
