{{ config(materialized='view', tags=['views']) }}

{% set query %}
with company_profiles as (
    select * from {{ ref('stg_company_profiles') }}
),

sector_map as (
    select * from {{ ref('sector_map') }}
),

final as (
    select
        company_profiles.symbol,
        company_profiles.name,
        coalesce(sector_map.sector, company_profiles.sector) as sector,
        company_profiles.industry,
        company_profiles.country,
        company_profiles.currency,
        company_profiles.quote_type
    from company_profiles
    left join sector_map on lower(company_profiles.sector) = lower(sector_map.source_sector)
)

select * from final
{% endset %}

{{ shown_by_owner(query) }}
