{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    unique_key=["symbol", "value_date"],
    window_model='returns_window',
    window_key='symbol',
    window_date='value_date',
    tags=['phase_2'],
    indexes=[
        {"columns": ["symbol", "value_date"], "unique": true},
        {"columns": ["value_date"]},
    ],
    post_hook=["{{ record_whole_build() }}", "{{ finish_returns() }}"],
) }}
{{ require_whole_window('returns_window') }}

with recursive returns_window as (
    select * from {{ ref('returns_window') }}
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

calendar_days as (
    select * from {{ ref('calendar_days') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

session_dividends as (
    select * from {{ ref('session_dividends') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

corporate_events as (
    select * from {{ ref('corporate_events') }}
),

stitched_prices as (
    select * from {{ ref('stitched_prices') }}
),

names as (
    {{ event_names('corporate_events') }}
),

-- The price key whose returns a symbol shows. Where events touch it, these are the returns of its company under all
-- names.
shown as (
    select
        symbol,
        price_key,
        told_from_date as from_date,
        until_date
    from names
),

-- the closes of the window and the last one before it
closes as (
    select
        market_data.symbol,
        market_data.symbol as price_key,
        sessions.session_date,
        sessions.session_number,
        market_data.close,
        returns_window.replace_from,
        null::date as until_date
    from returns_window
    inner join market_data
        on
            returns_window.symbol = market_data.symbol
            and returns_window.last_close_before <= market_data.price_date
    inner join sessions on market_data.price_date = sessions.session_date
    where returns_window.symbol not in (select shown.symbol from shown)
    union all
    select
        shown.symbol,
        shown.price_key,
        sessions.session_date,
        sessions.session_number,
        stitched_prices.close,
        shown.from_date,
        shown.until_date
    from returns_window
    inner join shown on returns_window.symbol = shown.symbol
    inner join stitched_prices on shown.price_key = stitched_prices.price_key
    inner join sessions on stitched_prices.price_date = sessions.session_date
),

grown_closes as (
    select
        closes.*,
        coalesce(split_growth.growth, 1) as growth
    from closes
    left join split_growth
        on
            closes.price_key = split_growth.symbol
            and closes.session_number between split_growth.from_session_number and split_growth.to_session_number
),

pairs as (
    select
        *,
        lag(close) over symbol_in_order as previous_close,
        lag(growth) over symbol_in_order as previous_growth,
        lag(session_number) over symbol_in_order as previous_session_number,
        lag(session_date) over symbol_in_order as previous_date
    from grown_closes
    window symbol_in_order as (partition by symbol, price_key order by session_number)
),

-- The value that spin-offs between two closes have handed out, per share before all splits.
handed_out as (
    select
        pairs.symbol,
        pairs.session_number,
        sum(corporate_events.given_value * corporate_events.growth_before) as amount
    from pairs
    inner join corporate_events
        on
            pairs.price_key = corporate_events.price_key
            and corporate_events.event_type = 'SPINOFF'
            and pairs.previous_session_number < corporate_events.session_number
            and pairs.session_number >= corporate_events.session_number
    group by pairs.symbol, pairs.price_key, pairs.session_number
),

-- The value of what one share of the previous close has become: today's shares, and children. Dividends are paid on the
-- shares of their ex-dates.
grown as (
    select
        pairs.*,
        pairs.close * pairs.growth / pairs.previous_growth
        + coalesce(handed_out.amount / pairs.previous_growth, 0) as value_now,
        coalesce(paid.dividends / pairs.previous_growth, 0) as dividends
    from pairs
    left join handed_out on pairs.symbol = handed_out.symbol and pairs.session_number = handed_out.session_number
    left join lateral (
        select sum(session_dividends.dividend * coalesce(split_growth.growth, 1)) as dividends
        from session_dividends
        left join split_growth
            on
                session_dividends.symbol = split_growth.symbol
                and session_dividends.session_number
                between split_growth.from_session_number and split_growth.to_session_number
        where
            session_dividends.symbol = pairs.price_key
            and session_dividends.session_number > pairs.previous_session_number
            and session_dividends.session_number <= pairs.session_number
    ) as paid on true
    where
        pairs.previous_close is not null
        and pairs.session_date >= pairs.replace_from
        and (pairs.until_date is null or pairs.session_date < pairs.until_date)
),

-- A merger ends a history, and its last return is what the merger paid. If the new symbol has no history before the
-- merger, it takes over the old one.
ends as (
    select distinct on (corporate_events.price_key, corporate_events.session_number)
        corporate_events.price_key,
        corporate_events.new_price_key,
        corporate_events.session_number,
        sessions.session_date,
        corporate_events.cash_per_share + coalesce(corporate_events.given_value, 0) as value_now,
        corporate_events.previous_price,
        corporate_events.session_number - calendar_days.last_session_number as gap_sessions
    from corporate_events
    inner join sessions on corporate_events.session_number = sessions.session_number
    inner join calendar_days on corporate_events.previous_price_date = calendar_days.calendar_date
    where corporate_events.event_type = 'MERGER' and corporate_events.previous_price > 0
    order by corporate_events.price_key, corporate_events.session_number
),

own_returns as (
    select
        grown.symbol,
        grown.price_key,
        grown.session_date as value_date,
        -- a quotient has as many decimals as its dividend: with fewer than 30, the result would depend on old splits
        round(round(grown.value_now + grown.dividends, 30) / grown.previous_close - 1, 18) as total_return,
        round(round(grown.value_now, 30) / grown.previous_close - 1, 18) as price_return,
        grown.session_number - grown.previous_session_number as gap_sessions,
        grown.previous_date
    from grown
    -- an absurd price would give a return too large for the column, and the statement would fail for every symbol
    where grown.value_now + grown.dividends < grown.previous_close * 1000000000
),

heirs as (
    select * from (
        select distinct on (ends.new_price_key)
            ends.new_price_key as price_key,
            ends.price_key as source_key,
            ends.session_number
        from ends
        where
            ends.new_price_key is not null
            and not exists (
                select 1 from stitched_prices
                where stitched_prices.price_key = ends.new_price_key and stitched_prices.price_date < ends.session_date
            )
        order by ends.new_price_key, ends.session_number, ends.price_key
    ) as first_heirs
),

lines_of_descent as (
    select * from heirs
    union all
    select
        lines_of_descent.price_key,
        heirs.source_key,
        heirs.session_number
    from lines_of_descent
    inner join heirs
        on
            lines_of_descent.source_key = heirs.price_key
            and lines_of_descent.session_number > heirs.session_number
),

-- The return that ends a history, for every symbol that shows this history or has taken it over.
last_returns as (
    select
        shown.symbol,
        ends.session_date as value_date,
        round(round(ends.value_now, 30) / ends.previous_price - 1, 18) as period_return,
        ends.gap_sessions
    from ends
    left join lines_of_descent
        on ends.price_key = lines_of_descent.source_key and ends.session_number = lines_of_descent.session_number
    inner join shown
        on
            shown.price_key in (ends.price_key, lines_of_descent.price_key)
            and ends.session_date >= shown.from_date
            and ends.session_date < shown.until_date
    inner join returns_window on shown.symbol = returns_window.symbol
    where ends.value_now < ends.previous_price * 1000000000
),

final as (
    select
        own_returns.symbol,
        own_returns.value_date,
        own_returns.total_return,
        own_returns.price_return,
        own_returns.gap_sessions
    from own_returns
    where
        not exists (
            select 1 from ends
            where
                ends.price_key = own_returns.price_key
                and ends.session_date <= own_returns.value_date
                and ends.session_date > own_returns.previous_date
        )
    union all
    select
        shown.symbol,
        own_returns.value_date,
        own_returns.total_return,
        own_returns.price_return,
        own_returns.gap_sessions
    from lines_of_descent
    inner join own_returns
        on
            lines_of_descent.source_key = own_returns.price_key
            and lines_of_descent.source_key = own_returns.symbol
    inner join sessions
        on
            lines_of_descent.session_number = sessions.session_number
            and own_returns.value_date < sessions.session_date
    inner join shown
        on
            lines_of_descent.price_key = shown.price_key
            and own_returns.value_date >= shown.from_date
            and own_returns.value_date < shown.until_date
    union all
    select distinct
        last_returns.symbol,
        last_returns.value_date,
        last_returns.period_return as total_return,
        last_returns.period_return as price_return,
        last_returns.gap_sessions
    from last_returns
)

select * from final
