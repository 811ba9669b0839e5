{{ config(
    meta={'kept_by_book': true},
    indexes=[{"columns": ["position_id"]}, {"columns": ["portfolio_id"]}],
) }}

with lots as not materialized (
    select * from {{ ref('held_lots') }}
    where {{ is_of_changed_book() }}
),

lot_stages as (
    select * from {{ ref('lot_stages') }}
),

closes as (
    select * from {{ ref('book_closes') }}
),

option_settlements as (
    select * from {{ ref('option_settlements') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

-- Order within a session: closes in the order of the file, then the exit, then the expiry. An event takes what is left.
events as (
    select
        position_id,
        event_id,
        'close' as kind,
        session_number,
        1 as kind_order,
        sequence,
        quantity_closed as quantity_asked,
        close_price,
        fees
    from closes
    union all
    select
        position_id,
        null,
        'exit',
        exit_session_number,
        2,
        null,
        null,
        exit_price,
        0
    from lots
    where exit_session_number is not null
    union all
    select
        position_id,
        null,
        'expiry',
        expiry_session_number,
        3,
        null,
        null,
        settlement_price,
        0
    from option_settlements
    union all
    select
        position_id,
        null,
        'event',
        from_session_number,
        4,
        null,
        null,
        cash_per_share,
        0
    from lot_stages
    where is_end
),

-- Everything is counted in shares of the lot's first day. In this unit a holding changes only by trades.
in_base_shares as (
    select
        events.*,
        lots.portfolio_id,
        lots.quantity,
        lots.multiplier * lots.side as signed_multiplier,
        round(
            coalesce(split_growth.growth, 1) * coalesce(stages.conversion, lots.conversion)
            / coalesce(stages.base_growth, lots.base_growth),
            18
        ) as shares_per_base_share,
        coalesce(
            round(
                events.quantity_asked * coalesce(stages.base_growth, lots.base_growth)
                / (coalesce(split_growth.growth, 1) * coalesce(stages.conversion, lots.conversion)),
                18
            ),
            lots.quantity
        ) as base_shares_asked
    from events
    inner join lots on events.position_id = lots.position_id
    left join lot_stages as stages
        on
            events.position_id = stages.position_id
            and events.session_number between stages.from_session_number and stages.to_session_number
    left join split_growth
        on
            coalesce(stages.price_key, lots.price_key) = split_growth.symbol
            and lots.investment_class = 'PUBLIC'
            -- an event takes effect before the split of its session
            and events.session_number
            - case events.kind
                when 'event' then 1 else 0
            end between split_growth.from_session_number and split_growth.to_session_number
    -- a close before the lot joins is already in the quantity of its statement
    where events.session_number >= lots.first_session_number
),

-- Each closing takes at most what is left. A remainder below a millionth of a share counts as zero.
accumulated as (
    select
        *,
        least(
            quantity,
            sum(base_shares_asked) over (
                partition by position_id
                order by session_number, kind_order, sequence, event_id
                rows unbounded preceding
            )
        ) as base_shares_reached
    from in_base_shares
),

closed_so_far as (
    select
        *,
        max(
            case
                when (quantity - base_shares_reached) * shares_per_base_share < 0.000001 then quantity
                else base_shares_reached
            end
        ) over (
            partition by position_id
            order by session_number, kind_order, sequence, event_id
            rows unbounded preceding
        ) as base_shares_closed_so_far
    from accumulated
),

closed as (
    select
        *,
        base_shares_closed_so_far - lag(base_shares_closed_so_far, 1, 0::numeric) over (
            partition by position_id
            order by session_number, kind_order, sequence, event_id
        ) as base_shares_closed
    from closed_so_far
),

final as (
    select
        position_id,
        portfolio_id,
        event_id,
        kind,
        session_number,
        quantity_asked,
        round(base_shares_closed * shares_per_base_share, 10) as quantity_closed,
        base_shares_closed,
        round(
            signed_multiplier * round(base_shares_closed * shares_per_base_share, 10) * close_price, 10
        ) as proceeds,
        case when base_shares_closed > 0 then fees else 0 end as fees
    from closed
)

select * from final
