{{ config(
    materialized='incremental',
    incremental_strategy='upsert_changed',
    unique_key=["portfolio_id", "position_id"],
    tags=['phase_2_5'],
    indexes=[{"columns": ["position_id", "portfolio_id"], "unique": true}, {"columns": ["portfolio_id"]}],
    pre_hook="{{ hash_joins_only() }}",
    post_hook="{{ record_whole_build() }}",
) }}

with listed_positions as (
    select * from {{ ref('listed_positions') }}
),

lot_segments as (
    select * from {{ ref('lot_segments') }}
),

sessions as (
    select * from {{ ref('session_dates') }}
),

lot_happenings as (
    select * from {{ ref('lot_happenings') }}
),

latest as (
    select
        listed_positions.*,
        value.symbol as symbol_then,
        value.price as last_price,
        value.price_date,
        value.market_value,
        value.unrealized_pnl,
        coalesce(value.is_stale, false) as is_stale,
        value.value_date as as_of_date
    from listed_positions
    left join lateral (
        select position_values.*
        from {{ ref('position_values') }} as position_values
        where
            position_values.position_id = listed_positions.position_id
            and position_values.portfolio_id = listed_positions.portfolio_id
        order by position_values.value_date desc
        limit 1
    ) as value on true
),

realized as (
    select
        latest.portfolio_id,
        latest.position_id,
        -- adds up, by segment, what position_values books on the segment's first session
        sum(segments.realized_pnl) as realized_pnl
    from latest
    inner join sessions as as_of_session on latest.as_of_date = as_of_session.session_date
    inner join lot_segments as segments
        on
            latest.portfolio_id = segments.portfolio_id
            and latest.position_id = segments.position_id
            and as_of_session.session_number >= segments.from_session_number
    group by latest.portfolio_id, latest.position_id
),

-- The events of each lot. For a child, the first one is the spin-off that created it.
happened as (
    select
        latest.portfolio_id,
        latest.position_id,
        string_agg(lot_happenings.what_happened, '; ' order by lot_happenings.place) as what_happened
    from latest
    inner join sessions as as_of_session on latest.as_of_date = as_of_session.session_date
    inner join lot_happenings
        on
            latest.portfolio_id = lot_happenings.portfolio_id
            and latest.position_id = lot_happenings.position_id
            and as_of_session.session_number >= lot_happenings.from_session_number
    group by latest.portfolio_id, latest.position_id
),

final as (
    select
        latest.position_id,
        latest.portfolio_id,
        coalesce(latest.symbol_then, latest.symbol) as symbol,
        latest.position_type,
        latest.quantity::numeric(28, 10) as quantity,
        latest.entry_price::numeric(28, 10) as entry_price,
        latest.entry_date,
        latest.exit_price::numeric(28, 10) as exit_price,
        latest.exit_date,
        latest.underlying_symbol,
        latest.option_type,
        latest.strike_price::numeric(28, 10) as strike_price,
        latest.expiration_date,
        latest.investment_class,
        latest.investment_subtype,
        latest.deleted_at,
        latest.last_price,
        latest.price_date,
        latest.market_value,
        latest.unrealized_pnl,
        coalesce(realized.realized_pnl, 0) as realized_pnl,
        latest.is_stale,
        latest.as_of_date,
        latest.symbol as entry_symbol,
        latest.parent_position_id,
        happened.what_happened
    from latest
    left join realized on latest.portfolio_id = realized.portfolio_id and latest.position_id = realized.position_id
    left join happened on latest.portfolio_id = happened.portfolio_id and latest.position_id = happened.position_id
)

select * from final
