{# Records the write of an incremental model, in its transaction, for the summary and for `finish_roll_forward`. #}
{% macro record_write(inserted="null", updated="null", deleted="null", unchanged="null", unless_recorded=false) -%}
    insert into {{ source("ops", "incremental_writes") }} as writes
        (model, invocation_id, window_id, inserted, updated, deleted, unchanged)
    select
        '{{ model.name }}',
        '{{ invocation_id }}',
        {{ current_window_id() }},
        {{ inserted }},
        {{ updated }},
        {{ deleted }},
        {{ unchanged }}
    on conflict (model) do update set
        invocation_id = excluded.invocation_id,
        window_id = excluded.window_id,
        inserted = excluded.inserted,
        updated = excluded.updated,
        deleted = excluded.deleted,
        unchanged = excluded.unchanged,
        written_at = excluded.written_at
    {%- if unless_recorded %}
    where writes.invocation_id <> excluded.invocation_id
    {%- endif %}
{%- endmacro %}

{# Post-hook of every incremental model: records the write of a whole table. All others are recorded by the strategy. #}
{% macro record_whole_build() -%}
    {%- do drop_result() -%}
    {{ record_write(unless_recorded=true) }}
{%- endmacro %}

{# The run that built the current roll_forward_window. #}
{% macro current_window_id() -%}
    (select invocation_id from {{ source("ops", "incremental_writes") }} where model = 'roll_forward_window')
{%- endmacro %}
