{{ config(materialized='view', tags=['views']) }}

{% set query %}
with fund_sector_weights as (
    select * from {{ ref('stg_fund_sector_weights') }}
),

sector_map as (
    select * from {{ ref('sector_map') }}
),

-- A set is in force until the next one. The first set is also in force before its own date.
sets as (
    select
        symbol,
        as_of,
        total,
        case when lag(as_of) over (partition by symbol order by as_of) is null then '-infinity' else as_of end
            as from_date,
        coalesce(lead(as_of) over (partition by symbol order by as_of) - 1, 'infinity') as to_date
    from (
        select
            weights.symbol,
            weights.as_of,
            sum(weights.weight) as total
        from fund_sector_weights as weights
        group by weights.symbol, weights.as_of
    ) as totals
),

-- A remainder of up to 2 % of a fund is rounding, or the cash that every fund has. It is spread over the sectors. A
-- larger remainder is Unclassified.
weighted as (
    select
        sets.symbol,
        sets.from_date,
        sets.to_date,
        coalesce(sector_map.sector, fund_sector_weights.sector) as sector,
        fund_sector_weights.weight / case when sets.total >= 0.98 then sets.total else 1 end as weight
    from sets
    inner join fund_sector_weights
        on sets.symbol = fund_sector_weights.symbol and sets.as_of = fund_sector_weights.as_of
    left join sector_map on lower(fund_sector_weights.sector) = lower(sector_map.source_sector)
    where sets.total > 0 and fund_sector_weights.weight > 0
    union all
    select
        symbol,
        from_date,
        to_date,
        'Unclassified',
        1 - total
    from sets
    where total > 0 and total < 0.98
),

by_sector as (
    select
        symbol,
        from_date,
        to_date,
        sector,
        sum(weight) as weight
    from weighted
    group by symbol, from_date, to_date, sector
),

-- Shares are ranges: each begins where the one before it ends, and the last ends at 1. So the parts of an amount add up
-- to it, however they are rounded.
placed as (
    select
        *,
        case
            when lead(sector) over by_name is null then 1
            else round(sum(weight) over (by_name rows unbounded preceding), 18)
        end as share_to
    from by_sector
    window by_name as (partition by symbol, from_date order by sector collate "C")
),

final as (
    select
        symbol,
        from_date,
        to_date,
        sector,
        coalesce(lag(share_to) over by_name, 0)::numeric(28, 18) as share_from,
        share_to::numeric(28, 18) as share_to
    from placed
    window by_name as (partition by symbol, from_date order by sector collate "C")
)

select
    symbol,
    from_date,
    to_date,
    sector,
    (share_to - share_from)::numeric(28, 18) as weight,
    share_from,
    share_to
from final
{% endset %}

{{ shown_by_owner(query) }}
