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

with returns_window as (
    select * from {{ ref('returns_window') }}
),

market_data as (
    select * from {{ ref('stg_market_data') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

session_dividends as (
    select * from {{ ref('session_dividends') }}
),

-- the closes of the window and the last one before it
closes as (
    select
        market_data.symbol,
        sessions.session_date,
        sessions.session_number,
        market_data.close,
        coalesce(split_growth.growth, 1) as growth,
        returns_window.replace_from
    from returns_window
    inner join market_data
        on
            returns_window.symbol = market_data.symbol
            and returns_window.last_close_before <= market_data.price_date
    inner join sessions on market_data.price_date = sessions.session_date
    left join split_growth
        on
            market_data.symbol = split_growth.symbol
            and sessions.session_number between split_growth.from_session_number and split_growth.to_session_number
),

pairs as (
    select
        *,
        lag(close) over symbol_in_order as previous_close,
        lag(growth) over symbol_in_order as previous_growth,
        lag(session_number) over symbol_in_order as previous_session_number
    from closes
    window symbol_in_order as (partition by symbol order by session_number)
),

-- what one share of the previous close has become: shares now, and dividends on the shares of their ex-dates
grown as (
    select
        pairs.*,
        pairs.close * pairs.growth / pairs.previous_growth as value_now,
        coalesce(paid.dividends / pairs.previous_growth, 0) as dividends
    from pairs
    left join lateral (
        select sum(session_dividends.dividend * coalesce(split_growth.growth, 1)) as dividends
        from session_dividends
        left join split_growth
            on
                session_dividends.symbol = split_growth.symbol
                and session_dividends.session_number
                between split_growth.from_session_number and split_growth.to_session_number
        where
            session_dividends.symbol = pairs.symbol
            and session_dividends.session_number > pairs.previous_session_number
            and session_dividends.session_number <= pairs.session_number
    ) as paid on true
    where
        pairs.previous_close is not null
        and pairs.session_date >= pairs.replace_from
),

final as (
    select
        symbol,
        session_date as value_date,
        -- a quotient has as many digits as what is divided: too few of them would hang on splits of long ago
        round(round(value_now + dividends, 30) / previous_close - 1, 18) as total_return,
        round(round(value_now, 30) / previous_close - 1, 18) as price_return,
        session_number - previous_session_number as gap_sessions
    from grown
    -- a price that is no price would have a return that no column holds, and break the statement for every symbol
    where value_now + dividends < previous_close * 1000000000
)

select * from final
