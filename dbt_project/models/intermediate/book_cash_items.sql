{{ config(materialized='ephemeral') }}

with cash_items as (
    select * from {{ ref('stg_cash_items') }}
),

transactions as (
    select * from {{ ref('stg_transactions') }}
),

broker_dividends as (
    select * from {{ ref('broker_dividends') }}
),

final as (
    select
        item_id,
        portfolio_id,
        item_date,
        item_type,
        amount
    from cash_items
    union all
    select
        transaction_id,
        portfolio_id,
        trade_date,
        case transaction_type
            when 'INTEREST' then 'INTEREST'
            when 'TAX' then 'TAX'
            when 'DIVIDEND' then 'OTHER'
            else 'FEE'
        end,
        cash
    from transactions
    where
        transaction_type in ('INTEREST', 'FEE', 'TAX')
        -- the cost of a transfer of shares into the portfolio
        or (transaction_type = 'TRANSFER_IN' and cash <> 0)
        -- a payment on shares that nobody held
        or (
            transaction_type = 'DIVIDEND'
            and transaction_id not in (select broker_dividends.transaction_id from broker_dividends)
        )
)

select * from final
