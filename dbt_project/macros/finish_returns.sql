{# Post-hook of daily_returns, in its transaction: mark the changes behind its window as taken in. #}
{% macro finish_returns() -%}
    update {{ source("ops", "input_changes") }}
    set returns_taken_at = clock_timestamp()
    where change_id in (
        select unnest(change_ids) from {{ ref("returns_window") }}
        union all
        select change_id from {{ ref("open_changes") }} where input = 'session' and is_to_returns
    )
{%- endmacro %}
