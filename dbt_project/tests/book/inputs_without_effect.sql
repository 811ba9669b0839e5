-- Closes that found nothing (or less) left to close, flows and cash items before inception: see the model's `reason`.
{{ config(severity='warn') }}

select * from {{ ref('ignored_inputs') }}
