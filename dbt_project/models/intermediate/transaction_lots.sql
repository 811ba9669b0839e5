{{ config(materialized='ephemeral') }}

with lot_matches as (
    select * from {{ ref('lot_matches') }}
    where opening_id is not null and closing_id is null
),

transactions as (
    select * from {{ ref('stg_transactions') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

final as (
    select
        lot_matches.opening_id as position_id,
        lot_matches.portfolio_id,
        lot_matches.symbol,
        case
            when transactions.option_type is not null
                then case when lot_matches.side > 0 then 'L' else 'S' end || left(transactions.option_type, 1)
            when lot_matches.side > 0 then 'LONG'
            else 'SHORT'
        end as position_type,
        lot_matches.side * lot_matches.quantity as quantity,
        -- the costs of a trade are added to the price paid, or taken off the price received
        lot_matches.price
        + round(lot_matches.side * lot_matches.fees / (lot_matches.quantity * lot_matches.multiplier), 10)
            as entry_price,
        case
            when lot_matches.transaction_type = 'TRANSFER_IN'
                then coalesce(transactions.lot_date, transactions.trade_date)
            -- shares of an assignment arrive on the option's last session, however late that is reported
            else least(transactions.trade_date, sessions.session_date)
        end as entry_date,
        case when lot_matches.transaction_type = 'TRANSFER_IN' then transactions.trade_date end as joins_on,
        transactions.underlying_symbol,
        transactions.option_type,
        transactions.strike_price,
        case when transactions.option_type is not null then transactions.expiration_date end as expiration_date,
        transactions.investment_class
    from lot_matches
    inner join transactions on lot_matches.opening_id = transactions.transaction_id
    inner join sessions on lot_matches.session_number = sessions.session_number
)

select * from final
