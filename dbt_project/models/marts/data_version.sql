{{ config(materialized='view', tags=['views']) }}

{% set query %}
with relation_versions as (
    select * from {{ ref('stg_relation_versions') }}
    -- API tokens are not data
    where relation <> 'ops.api_tokens'
),

-- Changes that the risk models have not seen yet make risk results stale, so they are part of the version.
waiting as (
    select concat_ws(' ', 'changes', min(change_id), max(change_id)) as version
    from {{ ref('stg_input_changes') }}
    where risk_taken_at is null
),

versions as (
    select
        concat_ws(' ', relation, version) as version,
        changed_at
    from relation_versions
    union all
    select
        version,
        null
    from waiting
),

final as (
    select
        md5(string_agg(version, ',' order by version)) as version,
        max(changed_at) as changed_at
    from versions
)

select * from final
{% endset %}

{{ shown_by_owner(query) }}
