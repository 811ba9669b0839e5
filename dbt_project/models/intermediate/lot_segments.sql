{{ config(indexes=[{"columns": ["position_id"]}, {"columns": ["portfolio_id"]}]) }}

with lots as (
    select * from {{ ref('lots') }}
),

lot_closings as (
    select * from {{ ref('lot_closings') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

closing_sessions as (
    select
        position_id,
        session_number,
        sum(base_shares_closed) as base_shares_closed,
        sum(proceeds) as proceeds,
        sum(fees) as fees
    from lot_closings
    where base_shares_closed > 0
    group by position_id, session_number
),

-- a segment begins where a lot joins, where it is closed in part or whole, and on the session after that
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

final as (
    select
        position_id,
        portfolio_id,
        symbol,
        price_key,
        investment_class,
        multiplier,
        side,
        entry_price,
        base_growth,
        is_carried_in,
        joins_at_close,
        first_session_number,
        from_session_number,
        to_session_number,
        base_shares_held,
        base_shares_held + base_shares_closed as base_shares_opening,
        round(multiplier * side * base_shares_held * entry_price, 10) as cost_basis,
        round(multiplier * side * (base_shares_held + base_shares_closed) * entry_price, 10) as opening_cost_basis,
        proceeds,
        fees
    from segments
    where
        (base_shares_held > 0 or base_shares_closed > 0)
        and from_session_number <= to_session_number
)

select * from final
