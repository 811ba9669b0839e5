{{ config(materialized='ephemeral') }}

with equity_changes as (
    select * from {{ ref('stg_equity_changes') }}
),

transactions as (
    select * from {{ ref('stg_transactions') }}
    where transaction_type in ('DEPOSIT', 'WITHDRAWAL')
),

-- A transfer in kind is a flow of its value at the close.
transfers as (
    select * from {{ ref('lot_matches') }}
    where transaction_type in ('TRANSFER_IN', 'TRANSFER_OUT') and opening_id is not null
),

transaction_lots as (
    select * from {{ ref('transaction_lots') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

moved as (
    select
        transfers.transaction_id || ' ' || transfers.opening_id as flow_id,
        transfers.portfolio_id,
        sessions.session_date as change_date,
        round(
            transfers.multiplier * transfers.side * transfers.quantity
            * coalesce(transfers.market_price, transaction_lots.entry_price, 0),
            10
        ) as amount
    from transfers
    inner join sessions on transfers.session_number = sessions.session_number
    left join transaction_lots on transfers.opening_id = transaction_lots.position_id
),

final as (
    select
        change_id::text as flow_id,
        portfolio_id,
        change_date,
        change_type,
        amount
    from equity_changes
    union all
    select
        transaction_id::text,
        portfolio_id,
        trade_date,
        case when cash > 0 then 'CONTRIBUTION' else 'WITHDRAWAL' end,
        abs(cash)
    from transactions
    union all
    select
        flow_id,
        portfolio_id,
        change_date,
        case when amount > 0 then 'CONTRIBUTION' else 'WITHDRAWAL' end,
        abs(amount)
    from moved
)

select * from final
