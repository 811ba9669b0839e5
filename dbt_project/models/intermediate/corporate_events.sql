{{ config(indexes=[{"columns": ["price_key", "session_number"]}]) }}

with event_actions as (
    select * from {{ ref('event_actions') }}
),

stitched_prices as (
    select * from {{ ref('stitched_prices') }}
),

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

-- At most one event of each kind on a day, because a company merges or is delisted only once. Spin-offs count by child.
events as (
    select distinct on (price_key, session_number, event_type, child)
        *,
        case when event_type = 'SPINOFF' then new_price_key else '' end as child
    from (
        select
            price_key,
            session_number,
            -- a delisting without a value ends nothing yet
            case when action_type = 'DELISTING' and value is not null then 'MERGER' else action_type end
                as event_type,
            action_type,
            ex_date,
            symbol,
            case when action_type <> 'RENAME' then new_price_key end as new_price_key,
            new_symbol,
            case when action_type in ('MERGER', 'SPINOFF') then value else 0 end as new_shares,
            coalesce(case action_type when 'DELISTING' then value when 'MERGER' then cash_per_share end, 0)
                as cash_per_share,
            case action_type when 'SPINOFF' then cost_fraction end as cost_fraction_told
        from event_actions
    ) as kinds
    -- an event between two names of one company has no effect
    where new_price_key is distinct from price_key
    order by
        price_key asc, session_number asc, event_type asc, child asc, action_type desc, ex_date desc
),

priced as (
    select
        events.*,
        before.price_date as previous_price_date,
        {{ growth_at('events.price_key', 'events.session_number - 1') }} as growth_before,
        {{ growth_at('events.price_key', 'events.session_number') }} as growth_now,
        {{ growth_at('events.new_price_key', 'events.session_number - 1') }} as new_growth_before,
        {{ growth_at('events.new_price_key', 'events.session_number') }} as new_growth_now,
        round(
            before.close * {{ growth_at('events.price_key', 'before.session_number') }}
            / {{ growth_at('events.price_key', 'events.session_number - 1') }},
            10
        ) as previous_price,
        own.close as own_price,
        last_new.price_date as new_price_date,
        round(
            last_new.close * {{ growth_at('events.new_price_key', 'last_new.session_number') }}
            / {{ growth_at('events.new_price_key', 'events.session_number') }},
            10
        ) as new_price
    from events
    inner join sessions on events.session_number = sessions.session_number
    left join lateral (
        select
            stitched_prices.price_date,
            stitched_prices.close,
            calendar_days.last_session_number as session_number
        from stitched_prices
        inner join calendar_days on stitched_prices.price_date = calendar_days.calendar_date
        where
            events.price_key = stitched_prices.price_key and stitched_prices.price_date < sessions.session_date
        order by stitched_prices.price_date desc
        limit 1
    ) as before on true
    left join stitched_prices as own
        on events.price_key = own.price_key and sessions.session_date = own.price_date
    left join lateral (
        select
            stitched_prices.price_date,
            stitched_prices.close,
            calendar_days.last_session_number as session_number
        from stitched_prices
        inner join calendar_days on stitched_prices.price_date = calendar_days.calendar_date
        where
            events.new_price_key = stitched_prices.price_key and stitched_prices.price_date <= sessions.session_date
        order by stitched_prices.price_date desc
        limit 1
    ) as last_new on true
),

-- The value in USD that one share of the close before has received.
given as (
    select
        *,
        own_price * growth_now / growth_before as own_value,
        new_shares * new_price * new_growth_now / new_growth_before as new_value
    from priced
),

shared as (
    select
        *,
        sum(new_value) filter (where event_type = 'SPINOFF') over same_day as children_value_known,
        count(*) filter (where event_type = 'SPINOFF' and new_value is null) over same_day as children_without_price
    from given
    window same_day as (partition by price_key, session_number)
),

-- Where the child has no price yet, its value is what the parent has lost over the event. Where the parent has no price
-- either, it is the fraction of the cost that was reported.
valued as (
    select
        *,
        case
            when new_value is not null or new_price_key is null then new_value
            when event_type = 'MERGER'
                then greatest(0, previous_price - cash_per_share - coalesce(children_value_known, 0))
            when own_value is not null
                then
                    greatest(0, previous_price - own_value - coalesce(children_value_known, 0))
                    / children_without_price
            else cost_fraction_told * previous_price
        end as given_value
    from shared
),

summed as (
    select
        *,
        coalesce(sum(given_value) filter (where event_type = 'SPINOFF') over same_day, 0) as children_value
    from valued
    window same_day as (partition by price_key, session_number)
),

-- Where the parent has no price of its own on that day: the fraction of its last price that it is still worth.
kept as (
    select
        *,
        case
            when own_value is null and previous_price > 0
                then greatest(0, 1 - round(children_value / previous_price, 18))
            else 1
        end as share_kept
    from summed
),

final as (
    select
        kept.price_key,
        kept.session_number,
        kept.event_type,
        kept.action_type,
        kept.ex_date,
        kept.symbol,
        kept.new_price_key,
        coalesce(symbol_names.symbol, kept.new_symbol) as new_symbol,
        kept.new_shares,
        kept.cash_per_share,
        kept.growth_before,
        kept.new_growth_before,
        kept.previous_price,
        kept.previous_price_date,
        kept.given_value,
        case
            when kept.new_price is not null then kept.new_price
            when
                kept.new_shares > 0
                then round(kept.given_value * kept.new_growth_before / (kept.new_shares * kept.new_growth_now), 10)
        end as new_price,
        coalesce(kept.new_price_date, kept.previous_price_date) as new_price_date,
        kept.new_growth_now as new_growth,
        kept.share_kept,
        -- with the parent's identifier, this gives the identifier of the lot that a spin-off creates
        concat_ws('|', kept.action_type, kept.ex_date, kept.new_symbol) as birth_name,
        case kept.action_type
            when 'RENAME' then format('%s renamed %s on %s', kept.symbol, kept.new_symbol, kept.ex_date)
            when 'SPINOFF' then format('%s spun off from %s on %s', kept.new_symbol, kept.symbol, kept.ex_date)
            when 'DELISTING'
                then
                    case kept.event_type
                        when 'DELISTING'
                            then
                                format(
                                    '%s delisted on %s, at its last price until a value is told',
                                    kept.symbol,
                                    kept.ex_date
                                )
                        else
                            format(
                                '%s delisted on %s at %s USD',
                                kept.symbol,
                                kept.ex_date,
                                trim_scale(kept.cash_per_share)
                            )
                    end
            else
                format(
                    '%s merged on %s into %s',
                    kept.symbol,
                    kept.ex_date,
                    concat_ws(
                        ' and ',
                        case when kept.new_shares > 0 then trim_scale(kept.new_shares) || ' ' || kept.new_symbol end,
                        case when kept.cash_per_share > 0 then trim_scale(kept.cash_per_share) || ' USD' end
                    )
                )
        end as what_happened,
        -- the fraction of the cost that goes to the child, or that the cash pays for
        case kept.event_type
            when 'SPINOFF'
                then
                    coalesce(
                        kept.cost_fraction_told,
                        round(
                            kept.given_value
                            / nullif(
                                kept.children_value + coalesce(kept.own_value, kept.previous_price * kept.share_kept), 0
                            ),
                            18
                        ),
                        0
                    )
            when 'MERGER'
                then
                    case
                        when kept.new_price_key is null then 1
                        else
                            coalesce(
                                round(kept.cash_per_share / nullif(kept.cash_per_share + kept.given_value, 0), 18), 0
                            )
                    end
            else 0
        end as cost_fraction
    from kept
    left join symbol_names
        on
            kept.new_price_key = symbol_names.price_key
            and kept.session_number between symbol_names.from_session_number and symbol_names.to_session_number
)

select * from final
