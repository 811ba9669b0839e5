{{ config(indexes=[{"columns": ["position_id", "session_number"]}]) }}

with transactions as (
    select * from {{ ref('stg_transactions') }}
    where transaction_type = 'DIVIDEND'
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

lot_segments as (
    select * from {{ ref('lot_segments') }}
),

session_dividends as (
    select * from {{ ref('session_dividends') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

told as (
    select
        transactions.transaction_id,
        transactions.portfolio_id,
        transactions.symbol,
        coalesce(symbol_names.price_key, transactions.symbol) as price_key,
        transactions.cash,
        calendar_days.next_session_number as paid_session_number
    from transactions
    inner join calendar_days on transactions.trade_date = calendar_days.calendar_date
    left join symbol_names
        on
            transactions.symbol = symbol_names.symbol
            and calendar_days.next_session_number
            between symbol_names.told_from_session_number and symbol_names.to_session_number
    where calendar_days.next_session_number is not null
),

-- A payment counts on one of the ex-dates of the 45 sessions before it, or else on the day it was made.
possible_sessions as (
    select
        told.transaction_id,
        session_dividends.session_number
    from told
    inner join session_dividends
        on
            told.price_key = session_dividends.symbol
            and session_dividends.session_number between told.paid_session_number - 45 and told.paid_session_number
    union
    select
        transaction_id,
        paid_session_number
    from told
),

-- Signed shares that were held at the close before the ex-date. Their holder is entitled to the dividend.
entitled as (
    select
        told.transaction_id,
        told.portfolio_id,
        told.symbol,
        told.cash,
        possible_sessions.session_number,
        session_dividends.dividend,
        segments.position_id,
        segments.side
        * round(
            segments.base_shares_opening * coalesce(split_growth.growth, 1) * segments.conversion
            / segments.base_growth,
            10
        ) as shares
    from told
    inner join possible_sessions on told.transaction_id = possible_sessions.transaction_id
    inner join lot_segments as segments
        on
            told.portfolio_id = segments.portfolio_id
            and told.price_key = segments.price_key
            and possible_sessions.session_number between segments.from_session_number and segments.to_session_number
    left join session_dividends
        on
            told.price_key = session_dividends.symbol
            and possible_sessions.session_number = session_dividends.session_number
    left join split_growth
        on
            told.price_key = split_growth.symbol
            and possible_sessions.session_number
            between split_growth.from_session_number and split_growth.to_session_number
    where possible_sessions.session_number > segments.first_session_number or segments.is_carried_in
),

totals as (
    select
        *,
        sum(shares) over (partition by transaction_id, session_number) as all_shares
    from entitled
),

-- The last ex-date whose dividend is about as large, else the last ex-date, else the day of the payment.
chosen as (
    select distinct on (transaction_id)
        transaction_id,
        session_number
    from totals
    where all_shares <> 0
    order by
        transaction_id asc,
        coalesce(abs(cash - all_shares * dividend) <= 0.35 * abs(all_shares * dividend), false) desc,
        dividend is not null desc,
        session_number desc
),

final as (
    select
        totals.transaction_id,
        totals.portfolio_id,
        totals.position_id,
        totals.symbol,
        totals.session_number,
        round(totals.cash * totals.shares / totals.all_shares, 10) as dividend_income,
        round(totals.shares * totals.dividend, 10) as source_income
    from totals
    inner join chosen
        on
            totals.transaction_id = chosen.transaction_id
            and totals.session_number = chosen.session_number
)

select * from final
