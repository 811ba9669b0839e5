{{ config(indexes=[{"columns": ["position_id"]}]) }}

with recursive corporate_events as (
    select * from {{ ref('corporate_events') }}
),

lots as (
    select * from {{ ref('lots') }}
),

closes as (
    select * from {{ ref('book_closes') }}
),

-- All events of a price key on one day.
event_days as (
    select
        price_key,
        session_number,
        growth_before,
        max(new_symbol) filter (where event_type = 'RENAME') as renamed_symbol,
        greatest(0, 1 - coalesce(sum(cost_fraction) filter (where event_type = 'SPINOFF'), 0)) as cost_kept,
        bool_or(event_type = 'MERGER') as is_merger,
        max(new_price_key) filter (where event_type = 'MERGER') as merged_price_key,
        max(new_symbol) filter (where event_type = 'MERGER') as merged_symbol,
        max(new_shares) filter (where event_type = 'MERGER') as merged_shares,
        max(new_growth_before) filter (where event_type = 'MERGER') as merged_growth_before,
        coalesce(max(cash_per_share), 0) as cash_per_share,
        string_agg(what_happened, '; ' order by event_type, new_symbol) filter (where event_type <> 'SPINOFF')
            as what_happened,
        coalesce(max(cost_fraction) filter (where event_type = 'MERGER'), 0) as cash_fraction
    from corporate_events
    group by price_key, session_number, growth_before
),

-- One row for each lot and each stretch between events. Shares of a day = base shares x conversion x split_growth /
-- base_growth, whatever the lot has become. Cost of the base shares = base shares x entry_price x cost_share.
stages as (
    select
        lots.position_id,
        null::uuid as parent_position_id,
        lots.position_id as root_position_id,
        lots.portfolio_id,
        lots.side,
        lots.entry_price,
        lots.first_session_number as from_session_number,
        case when lots.is_carried_in then lots.first_session_number else lots.first_session_number + 1 end
            as next_event_from_session_number,
        lots.price_key,
        lots.first_symbol as symbol,
        1::numeric as conversion,
        lots.base_growth,
        1::numeric as cost_share,
        lots.quantity as base_shares,
        lots.exit_session_number,
        null::numeric as previous_growth,
        null::numeric as cash_per_share,
        false as is_end,
        null::text as what_happened,
        1 as place
    from lots
    where
        lots.investment_class = 'PUBLIC'
        and lots.price_key in (select event_days.price_key from event_days)
    union all
    select
        after.position_id,
        after.parent_position_id,
        stages.root_position_id,
        stages.portfolio_id,
        stages.side,
        stages.entry_price,
        event_day.session_number,
        event_day.session_number + 1,
        after.price_key,
        after.symbol,
        after.conversion,
        after.base_growth,
        after.cost_share,
        sold.base_shares_left,
        after.exit_session_number,
        event_day.growth_before,
        event_day.cash_per_share,
        after.is_end,
        after.what_happened,
        stages.place + 1
    from stages
    cross join
        lateral (
            select event_days.*
            from event_days
            where
                event_days.price_key = stages.price_key
                and event_days.session_number >= stages.next_event_from_session_number
            order by event_days.session_number
            limit 1
        ) as event_day
    cross join
        lateral (
            select
                -- each close takes at most what is left, and a remainder below a millionth of a share counts as zero
                case
                    when
                        (stages.base_shares - coalesce(sum(asked.base_shares), 0))
                        * coalesce(min(asked.shares_per_base_share), 1) >= 0.000001
                        then stages.base_shares - coalesce(sum(asked.base_shares), 0)
                    else 0
                end as base_shares_left
            from (
                select
                    round(closes.quantity_closed * stages.base_growth / (growth_then.growth * stages.conversion), 18)
                        as base_shares,
                    growth_then.growth * stages.conversion / stages.base_growth as shares_per_base_share
                from closes
                cross join
                    lateral (
                        select {{ growth_at('stages.price_key', 'closes.session_number') }} as growth
                    ) as growth_then
                where
                    closes.position_id = stages.position_id
                    and closes.session_number >= stages.from_session_number
                    and closes.session_number < event_day.session_number
            ) as asked
        ) as sold
    cross join
        lateral (
            select
                stages.position_id,
                stages.parent_position_id,
                coalesce(event_day.merged_price_key, stages.price_key) as price_key,
                coalesce(event_day.merged_symbol, event_day.renamed_symbol, stages.symbol) as symbol,
                case
                    when event_day.merged_price_key is null then stages.conversion
                    else round(stages.conversion * event_day.growth_before * event_day.merged_shares, 30)
                end as conversion,
                case
                    when event_day.merged_price_key is null then stages.base_growth
                    else round(stages.base_growth * event_day.merged_growth_before, 30)
                end as base_growth,
                round(stages.cost_share * event_day.cost_kept * (1 - event_day.cash_fraction), 18) as cost_share,
                stages.exit_session_number,
                event_day.is_merger and event_day.merged_price_key is null as is_end,
                event_day.what_happened
            union all
            select
                intermediate.uuid_v5(stages.position_id, corporate_events.birth_name),
                stages.position_id,
                corporate_events.new_price_key,
                corporate_events.new_symbol,
                round(stages.conversion * corporate_events.growth_before * corporate_events.new_shares, 30),
                round(stages.base_growth * corporate_events.new_growth_before, 30),
                round(stages.cost_share * corporate_events.cost_fraction, 18),
                null,
                false,
                corporate_events.what_happened
            from corporate_events
            where
                corporate_events.price_key = event_day.price_key
                and corporate_events.session_number = event_day.session_number
                and corporate_events.event_type = 'SPINOFF'
        ) as after
    where
        not stages.is_end
        and sold.base_shares_left > 0
        and coalesce(
            stages.exit_session_number > event_day.session_number
            -- an exit on the day of a merger is under the old name, and takes place before the merger
            or (stages.exit_session_number = event_day.session_number and not event_day.is_merger),
            true
        )
),

final as (
    select
        position_id,
        parent_position_id,
        root_position_id,
        portfolio_id,
        side,
        entry_price,
        from_session_number,
        coalesce(lead(from_session_number) over stages_in_order - 1, 2147483647) as to_session_number,
        price_key,
        symbol,
        conversion,
        base_growth,
        cost_share,
        base_shares,
        is_end,
        previous_growth is not null and lag(position_id) over stages_in_order is not null as is_event,
        previous_growth is not null and lag(position_id) over stages_in_order is null as is_birth,
        previous_growth,
        lag(price_key) over stages_in_order as previous_price_key,
        lag(conversion) over stages_in_order as previous_conversion,
        lag(base_growth) over stages_in_order as previous_base_growth,
        lag(cost_share) over stages_in_order as previous_cost_share,
        cash_per_share,
        what_happened,
        place
    from stages
    window stages_in_order as (partition by position_id order by place)
)

select * from final
