{{ config(indexes=[{"columns": ["price_key", "price_date"], "unique": true}]) }}

with symbol_names as (
    select * from {{ ref('symbol_names') }}
),

event_actions as (
    select * from {{ ref('event_actions') }}
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

names as (
    {{ event_names('event_actions') }}
),

placed as (
    select
        *,
        row_number() over (partition by price_key order by from_date, until_date) as place
    from names
),

-- A delisted symbol stays at its last price until it is listed under another name. Later prices under the old name
-- belong to others and are not used.
delisted as (
    select
        delistings.price_key,
        delistings.ex_date as from_date,
        coalesce(min(renames.ex_date), 'infinity') as until_date
    from event_actions as delistings
    left join event_actions as renames
        on
            delistings.price_key = renames.price_key
            and renames.action_type = 'RENAME'
            and delistings.ex_date < renames.ex_date
    where delistings.action_type = 'DELISTING' and delistings.value is null
    group by delistings.price_key, delistings.ex_date
),

bars as (
    select
        placed.price_key,
        placed.symbol,
        placed.place,
        placed.from_date,
        placed.until_date,
        market_data.price_date,
        market_data.close
    from placed
    inner join market_data on placed.symbol = market_data.symbol and placed.told_from_date <= market_data.price_date
    where
        not exists (
            select 1 from delisted
            where
                placed.price_key = delisted.price_key
                and market_data.price_date >= delisted.from_date
                and market_data.price_date < delisted.until_date
        )
),

-- A source may report the past under today's name. It may also continue under the old name until it has the new one.
first_bars as (
    select
        price_key,
        place,
        min(price_date) as price_date
    from bars
    where price_date >= from_date
    group by price_key, place
),

usable as (
    select
        bars.*,
        case
            when bars.price_date < bars.from_date then bars.place
            when bars.price_date < bars.until_date then 0
            else 1000000 - bars.place
        end as choice
    from bars
    where
        bars.price_date < bars.until_date
        or not exists (
            select 1 from first_bars
            where
                first_bars.price_key = bars.price_key
                and first_bars.place > bars.place
                and first_bars.price_date <= bars.price_date
        )
),

final as (
    select distinct on (price_key, price_date)
        price_key,
        price_date,
        symbol,
        close
    from usable
    order by price_key, price_date, choice
)

select * from final
