{{ config(materialized='ephemeral') }}

with lots as (
    select * from {{ ref('lots') }}
),

closes as (
    select * from {{ ref('book_closes') }}
),

lot_matches as (
    select * from {{ ref('lot_matches') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

-- Lots that come from transactions are left out, because the transactions themselves say how an option ends.
options as (
    select
        lots.*,
        lots.side * case lots.option_type when 'CALL' then 1 else -1 end as direction,
        round(lots.strike_price * lots.underlying_base_growth / coalesce(split_growth.growth, 1), 4) as strike_then
    from lots
    left join split_growth
        on
            lots.underlying_key = split_growth.symbol
            and lots.expiry_session_number
            between split_growth.from_session_number and split_growth.to_session_number
    where
        lots.expiry_session_number is not null
        and lots.position_id not in (
            select lot_matches.opening_id from lot_matches
            where lot_matches.opening_id is not null
        )
),

underlying_lots as (
    select * from lots
    where
        investment_class = 'PUBLIC'
        and (portfolio_id, price_key) in (select
            options.portfolio_id,
            options.underlying_key
        from options)
),

-- Shares that are bought and sold, with their prices.
trades as (
    select
        portfolio_id,
        price_key,
        first_session_number as session_number,
        side,
        entry_price as price,
        quantity
    from underlying_lots
    where not is_carried_in and not joins_at_close
    union all
    select
        portfolio_id,
        price_key,
        exit_session_number,
        -side,
        exit_price,
        quantity
    from underlying_lots
    where exit_session_number is not null
    union all
    select
        underlying_lots.portfolio_id,
        underlying_lots.price_key,
        closes.session_number,
        -underlying_lots.side,
        closes.close_price,
        closes.quantity_closed
    from underlying_lots
    inner join closes on underlying_lots.position_id = closes.position_id
),

moved as (
    select
        portfolio_id,
        price_key,
        session_number,
        side,
        round(price, 4) as price,
        sum(quantity) as shares
    from trades
    group by portfolio_id, price_key, session_number, side, round(price, 4)
),

contracts as (
    select
        portfolio_id,
        symbol,
        side,
        sum(quantity) as contracts
    from options
    group by portfolio_id, symbol, side
),

final as (
    select options.position_id
    from options
    inner join contracts
        on
            options.portfolio_id = contracts.portfolio_id
            and options.symbol = contracts.symbol
            and options.side = contracts.side
    inner join moved
        on
            options.portfolio_id = moved.portfolio_id
            and options.underlying_key = moved.price_key
            and options.expiry_session_number = moved.session_number
            and options.direction = moved.side
            and options.strike_then = moved.price
    where moved.shares between 100 and 100 * contracts.contracts
)

select * from final
