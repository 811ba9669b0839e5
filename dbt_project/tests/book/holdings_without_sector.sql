-- Companies in the book (also as underlyings of options) that have no known sector, or a sector that sector_map does
-- not contain. Funds have no sector, and a sector that a person chose is accepted.
{{ config(severity='warn') }}

with latest_holdings as (
    select * from {{ ref('latest_holdings') }}
    where market_symbol is not null
),

company_profiles as (
    select * from {{ ref('stg_company_profiles') }}
),

position_sectors as (
    select * from {{ ref('position_sectors') }}
),

benchmark_sector_weights as (
    select distinct weights.sector from {{ ref('benchmark_sector_weights') }} as weights
)

select
    latest_holdings.market_symbol as symbol,
    case
        when company_profiles.symbol is null then 'no profile'
        when position_sectors.position_id is null then 'a profile without a sector'
        else 'a sector that sector_map does not know'
    end as problem,
    position_sectors.sector,
    round(sum(abs(latest_holdings.market_value)), 2) as absolute_value
from latest_holdings
left join company_profiles on latest_holdings.market_symbol = company_profiles.symbol
left join position_sectors on latest_holdings.position_id = position_sectors.position_id
left join benchmark_sector_weights on position_sectors.sector = benchmark_sector_weights.sector
where
    benchmark_sector_weights.sector is null
    and coalesce(position_sectors.source, 'profile') = 'profile'
    and coalesce(upper(company_profiles.quote_type), 'EQUITY') = 'EQUITY'
group by latest_holdings.market_symbol, problem, position_sectors.sector
order by absolute_value desc
