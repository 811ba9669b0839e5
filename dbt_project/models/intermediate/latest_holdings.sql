{{ config(materialized='ephemeral') }}

with portfolios as (
    select
        roll_forward_state.portfolio_id,
        roll_forward_state.last_session
    from {{ ref('stg_roll_forward_state') }} as roll_forward_state
    inner join {{ ref('stg_portfolios') }} as portfolios on roll_forward_state.portfolio_id = portfolios.portfolio_id
    where portfolios.deleted_at is null
),

position_values as (
    select * from {{ ref('position_values') }}
),

positions as (
    select * from {{ ref('all_positions') }}
    where deleted_at is null
),

delistings as (
    select * from {{ ref('stg_corporate_actions') }}
    where action_type = 'DELISTING' and value is null
),

final as (
    select
        portfolios.portfolio_id,
        portfolios.last_session as value_date,
        position_values.position_id,
        position_values.symbol,
        positions.investment_class,
        case
            when positions.investment_class <> 'PRIVATE' then {{ market_symbol('positions', held='position_values') }}
        end as market_symbol,
        position_values.market_value,
        position_values.price_date,
        position_values.is_stale,
        coalesce(delisted.is_delisted, false) as is_delisted
    from portfolios
    inner join position_values
        on
            portfolios.portfolio_id = position_values.portfolio_id
            and portfolios.last_session = position_values.value_date
    inner join positions on position_values.position_id = positions.position_id
    left join lateral (
        select true as is_delisted
        from delistings
        where
            delistings.symbol = position_values.symbol
            and delistings.ex_date > positions.entry_date
            and delistings.ex_date <= position_values.value_date
        limit 1
    ) as delisted on true
    where position_values.quantity <> 0
)

select * from final
