{{ config(
    meta={'kept_by_book': true},
    indexes=[{"columns": ["position_id"]}, {"columns": ["portfolio_id"]}],
) }}

with lots as not materialized (
    select * from {{ ref('held_lots') }}
    where {{ is_of_changed_book() }}
),

lot_closings as (
    select * from {{ ref('lot_closings') }}
    where {{ is_of_changed_book() }}
),

lot_stages as (
    select * from {{ ref('lot_stages') }}
    where {{ is_of_changed_book() }}
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

closing_sessions as (
    select
        position_id,
        session_number,
        sum(base_shares_closed) as base_shares_closed,
        coalesce(sum(proceeds) filter (where kind <> 'event'), 0) as proceeds,
        coalesce(sum(proceeds) filter (where kind = 'event'), 0) as event_cash,
        coalesce(sum(base_shares_closed) filter (where kind = 'event'), 0) as base_shares_ended,
        sum(fees) as fees
    from lot_closings
    where base_shares_closed > 0
    group by position_id, session_number
),

-- A segment begins on each session on which a lot joins, is closed in part or whole, or is changed by an event. Another
-- segment begins on the session after a closing or an event.
segment_starts as (
    select
        position_id,
        first_session_number as from_session_number
    from lots
    union
    select
        position_id,
        session_number
    from closing_sessions
    union
    select
        position_id,
        session_number + 1
    from closing_sessions
    union
    select
        position_id,
        from_session_number
    from lot_stages
    where is_event
    union
    select
        position_id,
        from_session_number + 1
    from lot_stages
    where is_event
),

-- The value and cost of children at their first close. The first row of each child shows the same figures.
births as (
    select
        lot_stages.parent_position_id as position_id,
        lot_stages.from_session_number,
        round(
            lot_stages.side * lot_stages.base_shares
            * {{ growth_at('lot_stages.price_key', 'lot_stages.from_session_number') }}
            * lot_stages.conversion / lot_stages.base_growth,
            10
        ) as quantity,
        first_price.price,
        round(lot_stages.side * lot_stages.base_shares * lot_stages.entry_price * lot_stages.cost_share, 10)
            as cost_basis
    from lot_stages
    inner join sessions on lot_stages.from_session_number = sessions.session_number
    cross join
        lateral {{ stitched_price('lot_stages.price_key', 'sessions.session_number', 'sessions.session_date') }}
            as first_price
    where lot_stages.is_birth
),

handed_over as (
    select
        position_id,
        from_session_number,
        sum(coalesce(round(quantity * price, 10), cost_basis)) as handed_value,
        sum(cost_basis) as handed_cost_basis
    from births
    group by position_id, from_session_number
),

-- What a lot opens as on the day of an event, and at which price.
events as (
    select
        lot_stages.*,
        last_price.price as previous_price
    from lot_stages
    inner join sessions on lot_stages.from_session_number - 1 = sessions.session_number
    cross join
        lateral {{ stitched_price(
            'lot_stages.previous_price_key', 'sessions.session_number', 'sessions.session_date'
        ) }} as last_price
    where lot_stages.is_event
),

segments as (
    select
        lots.*,
        segment_starts.from_session_number,
        coalesce(
            lead(segment_starts.from_session_number) over lot_in_order - 1,
            (select max(sessions.session_number) from sessions)
        ) as to_session_number,
        coalesce(closing_sessions.base_shares_closed, 0) as base_shares_closed,
        coalesce(closing_sessions.proceeds, 0) as proceeds,
        coalesce(closing_sessions.event_cash, 0) as event_cash,
        coalesce(closing_sessions.base_shares_ended, 0) as base_shares_ended,
        coalesce(closing_sessions.fees, 0) as fees,
        lots.quantity - coalesce(sum(closing_sessions.base_shares_closed) over lot_in_order, 0) as base_shares_held
    from segment_starts
    inner join lots on segment_starts.position_id = lots.position_id
    left join closing_sessions
        on
            segment_starts.position_id = closing_sessions.position_id
            and segment_starts.from_session_number = closing_sessions.session_number
    window lot_in_order as (partition by segment_starts.position_id order by segment_starts.from_session_number)
),

-- What the lot has become by the time of the segment.
staged as (
    select
        segments.position_id,
        segments.parent_position_id,
        segments.portfolio_id,
        coalesce(stages.symbol, segments.symbol) as symbol,
        coalesce(stages.price_key, segments.price_key) as price_key,
        segments.investment_class,
        segments.multiplier,
        segments.side,
        segments.entry_price * coalesce(stages.cost_share, segments.cost_share) as entry_price,
        segments.entry_price
        * coalesce(events.previous_cost_share, stages.cost_share, segments.cost_share) as opening_entry_price,
        coalesce(stages.conversion, segments.conversion) as conversion,
        coalesce(stages.base_growth, segments.base_growth) as base_growth,
        segments.is_carried_in,
        segments.joins_at_close,
        segments.first_session_number,
        segments.from_session_number,
        segments.to_session_number,
        segments.base_shares_held,
        segments.base_shares_held + segments.base_shares_closed as base_shares_opening,
        segments.base_shares_ended,
        segments.proceeds,
        segments.fees,
        events.position_id is not null as is_event,
        events.previous_price,
        events.previous_growth,
        events.previous_conversion,
        events.previous_base_growth,
        segments.event_cash
        + case
            when events.is_end then 0
            else
                coalesce(
                    round(
                        round(
                            segments.side * (segments.base_shares_held + segments.base_shares_closed)
                            * events.previous_growth * events.previous_conversion / events.previous_base_growth,
                            10
                        )
                        * events.cash_per_share,
                        10
                    ),
                    0
                )
        end as event_cash,
        coalesce(handed_over.handed_value, 0) as handed_value,
        coalesce(handed_over.handed_cost_basis, 0) as handed_cost_basis
    from segments
    left join lot_stages as stages
        on
            segments.position_id = stages.position_id
            and segments.from_session_number between stages.from_session_number and stages.to_session_number
    left join events
        on
            segments.position_id = events.position_id
            and segments.from_session_number = events.from_session_number
    left join handed_over
        on
            segments.position_id = handed_over.position_id
            and segments.from_session_number = handed_over.from_session_number
    where
        (segments.base_shares_held > 0 or segments.base_shares_closed > 0)
        and segments.from_session_number <= segments.to_session_number
),

valued as (
    select
        *,
        round(multiplier * side * base_shares_held * entry_price, 10) as cost_basis,
        round(multiplier * side * base_shares_opening * opening_entry_price, 10) as opening_cost_basis
    from staged
),

final as (
    select
        *,
        proceeds + event_cash - (opening_cost_basis - cost_basis - handed_cost_basis) - fees as realized_pnl
    from valued
)

select * from final
