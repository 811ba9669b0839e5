{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    unique_key=["portfolio_id", "position_id", "value_date"],
    window_model='portfolios_due' if is_spread() else 'roll_forward_window',
    window_key='portfolio_id',
    window_date='value_date',
    tags=['phase_2'],
    indexes=[
        {"columns": ["position_id", "value_date", "portfolio_id"], "unique": true},
        {"columns": ["portfolio_id", "value_date"]},
    ],
    post_hook="{{ record_whole_build() }}",
) }}
{{ require_whole_window('roll_forward_window') }}

with roll_forward_window as (
    select * from {{ portfolios_due() }}
),

lot_segments as (
    select * from {{ ref('lot_segments') }}
),

session_closes as (
    select * from {{ ref('session_closes') }}
),

-- The broker's payment replaces the dividend that the source reports.
paid_dividends as (
    select
        portfolio_id,
        position_id,
        session_number,
        sum(dividend_income) as dividend_income
    from {{ ref('broker_dividends') }}
    group by portfolio_id, position_id, session_number
),

-- A lot that is bought during the session opens with nothing. A lot that is carried in opens with the close before. A
-- lot that joins at the close opens with that close.
opened as (
    select
        segments.*,
        closes.session_number,
        closes.session_date,
        closes.price_date,
        closes.is_stale,
        closes.growth,
        closes.dividend,
        paid_dividends.dividend_income as paid_dividend,
        closes.session_number = segments.first_session_number
        and not segments.is_carried_in and not segments.joins_at_close as is_bought,
        closes.session_number = segments.first_session_number
        and (segments.is_carried_in or segments.joins_at_close) as is_joining,
        closes.session_number = segments.first_session_number and segments.joins_at_close as is_received,
        coalesce(segments.previous_conversion, segments.conversion) as conversion_before,
        coalesce(segments.previous_base_growth, segments.base_growth) as base_growth_before,
        coalesce(segments.previous_growth, closes.previous_growth) as growth_before,
        case when segments.is_event then segments.previous_price else closes.previous_price end as price_before,
        -- without any price so far, the unit cost counts
        coalesce(
            closes.price,
            round(segments.entry_price * segments.base_growth / (closes.growth * segments.conversion), 10)
        ) as price
    from lot_segments as segments
    inner join roll_forward_window as due on segments.portfolio_id = due.portfolio_id
    inner join session_closes as closes
        on
            segments.price_key = closes.price_key
            and closes.session_number between segments.from_session_number and segments.to_session_number
            and closes.session_number between due.first_session_number and due.last_session_number
    left join paid_dividends
        on
            segments.portfolio_id = paid_dividends.portfolio_id
            and segments.position_id = paid_dividends.position_id
            and closes.session_number = paid_dividends.session_number
),

-- Shares of the day are shares of the lot's first day, times the splits and conversions since then.
quantities as (
    select
        *,
        coalesce(
            price_before,
            round(opening_entry_price * base_growth_before / (growth_before * conversion_before), 10)
        ) as opening_price,
        round(side * base_shares_held * growth * conversion / base_growth, 10) as quantity,
        case
            when is_bought then 0
            when is_received then round(side * base_shares_opening * growth * conversion / base_growth, 10)
            else round(side * base_shares_opening * growth_before * conversion_before / base_growth_before, 10)
        end as previous_quantity,
        case
            when is_bought or is_received then 0
            else round(side * (base_shares_opening - base_shares_ended) * growth * conversion / base_growth, 10)
        end as carried_quantity
    from opened
),

amounts as (
    select
        *,
        round(multiplier * quantity * price, 10) as market_value,
        round(multiplier * previous_quantity * case when is_received then price else opening_price end, 10)
            as previous_market_value,
        -- the holding of the close before, valued at this close
        round(multiplier * case when is_received then previous_quantity else carried_quantity end * price, 10)
            as carried_value,
        -- a child receives the dividend of its first day
        coalesce(
            paid_dividend,
            round(
                multiplier
                * case
                    when parent_position_id is not null and is_received then previous_quantity else carried_quantity
                end
                * dividend,
                10
            )
        ) as dividend_income,
        case when is_bought then opening_cost_basis else 0 end as bought
    from quantities
),

final as (
    select
        position_id,
        session_date as value_date,
        portfolio_id,
        symbol,
        quantity,
        price,
        price_date,
        is_stale,
        multiplier,
        market_value,
        cost_basis,
        market_value - cost_basis as unrealized_pnl,
        case when is_joining then previous_market_value - opening_cost_basis else 0 end as opening_unrealized_pnl,
        realized_pnl,
        dividend_income,
        fees,
        handed_value - handed_cost_basis as transferred_pnl,
        -- entries and closes against the close, less fees; the rest of the P&L is of what was held at the close before
        market_value - carried_value - bought + proceeds - fees as trading_pnl,
        market_value - previous_market_value - bought + proceeds + event_cash + handed_value + dividend_income - fees
            as daily_pnl
    from amounts
)

select * from final
