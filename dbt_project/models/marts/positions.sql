{{ config(
    materialized='incremental',
    incremental_strategy='upsert_listed',
    unique_key=["portfolio_id", "position_id"],
    tags=['phase_2_5'],
    indexes=[{"columns": ["position_id", "portfolio_id"], "unique": true}, {"columns": ["portfolio_id"]}],
    pre_hook="{{ hash_joins_only() }}; {{ note_listed_books() }}",
    post_hook="{{ record_whole_build() }}; {{ forget_listed_books() }}",
) }}

with listed_positions as (
    select * from {{ ref('listed_positions') }}
),

lot_segments as not materialized (
    select * from {{ ref('lot_segments') }}
),

sessions as (
    select * from {{ ref('session_dates') }}
),

lot_happenings as (
    select * from {{ ref('lot_happenings') }}
),

{% if is_spread() %}
    -- The last row of each lot, where its portfolio lies.
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
{% else %}
    portfolios as (
        select * from {{ ref('stg_portfolios') }}
        where deleted_at is null
    ),

    changed_books as (
        select * from {{ source('ops', 'changed_books') }}
        where is_listed
    ),

    roll_forward_window as (
        select * from {{ ref('roll_forward_window') }}
    ),

    -- The lots with sessions in the window.
    reached as (
        select distinct lot_segments.position_id
        from lot_segments
        inner join roll_forward_window as due
            on
                lot_segments.portfolio_id = due.portfolio_id
                and lot_segments.to_session_number >= due.first_session_number
    ),

    -- The others have ended, and their rows stay as they are.
    listed as (
        select listed_positions.*
        from listed_positions
        left join reached on listed_positions.position_id = reached.position_id
        left join changed_books on listed_positions.portfolio_id = changed_books.portfolio_id
        where
            reached.position_id is not null
            or changed_books.portfolio_id is not null
            or not {{ follows_last_listing() }}
    ),

    -- Most lots have a row in their portfolio's last session, which is looked up once for all of them.
    last_session_values as (
        select value.*
        from portfolios
        cross join
            lateral (
                select position_values.*
                from {{ ref('position_values') }} as position_values
                where
                    position_values.portfolio_id = portfolios.portfolio_id
                    and position_values.value_date = (
                        select max(dated.value_date)
                        from {{ ref('position_values') }} as dated
                        where dated.portfolio_id = portfolios.portfolio_id
                    )
                -- Without it the planner may read all sessions of all portfolios instead.
                offset 0
            ) as value
    ),

    latest as (
        select
            listed.*,
            coalesce(last_value.symbol, earlier.symbol) as symbol_then,
            coalesce(last_value.price, earlier.price) as last_price,
            coalesce(last_value.price_date, earlier.price_date) as price_date,
            coalesce(last_value.market_value, earlier.market_value) as market_value,
            coalesce(last_value.unrealized_pnl, earlier.unrealized_pnl) as unrealized_pnl,
            coalesce(last_value.is_stale, earlier.is_stale, false) as is_stale,
            coalesce(last_value.value_date, earlier.value_date) as as_of_date
        from listed
        left join last_session_values as last_value
            on
                listed.position_id = last_value.position_id
                and listed.portfolio_id = last_value.portfolio_id
        left join lateral (
            select position_values.*
            from {{ ref('position_values') }} as position_values
            where last_value.position_id is null and position_values.position_id = listed.position_id
            order by position_values.value_date desc
            limit 1
        ) as earlier on true
    ),
{% endif %}

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
