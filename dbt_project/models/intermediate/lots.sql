{{ config(
    meta={'kept_by_book': true},
    pre_hook="{{ list_changed_books() }}",
    indexes=[
        {"columns": ["position_id", "portfolio_id"], "unique": true},
        {"columns": ["portfolio_id"]},
        {"columns": ["price_key"]},
        {"columns": ["underlying_symbol"]},
    ],
) }}
-- What the hook reads.
-- depends_on: {{ ref('open_changes') }}
-- depends_on: {{ ref('sessions') }}
-- depends_on: {{ ref('stg_corporate_actions') }}
-- depends_on: {{ ref('stg_input_changes') }}
-- depends_on: {{ ref('stg_portfolios') }}
-- depends_on: {{ ref('stg_positions') }}
-- depends_on: {{ ref('stg_transactions') }}

with positions as (
    select * from {{ ref('book_positions') }}
    where deleted_at is null and {{ is_of_changed_book() }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

-- Every date is moved to its session first. All comparisons are between sessions.
dated as (
    select
        positions.*,
        active_portfolios.inception_session_number,
        entry_day.next_session_number as entry_session_number,
        joining_day.next_session_number as joining_session_number,
        exit_day.next_session_number as exit_session_number,
        shares_day.last_session_number as shares_session_number,
        case positions.investment_class when 'OPTIONS' then expiration_day.last_session_number end
            as expiry_session_number
    from positions
    inner join active_portfolios on positions.portfolio_id = active_portfolios.portfolio_id
    inner join calendar_days as entry_day on positions.entry_date = entry_day.calendar_date
    left join calendar_days as joining_day on positions.joins_on = joining_day.calendar_date
    left join calendar_days as exit_day on positions.exit_date = exit_day.calendar_date
    left join calendar_days as expiration_day on positions.expiration_date = expiration_day.calendar_date
    left join calendar_days as shares_day on positions.shares_as_of = shares_day.calendar_date
    where
        entry_day.next_session_number is not null
        and (positions.joins_on is null or joining_day.next_session_number is not null)
),

joined as (
    select
        *,
        coalesce(joining_session_number, entry_session_number) < inception_session_number as is_carried_in,
        coalesce(joining_session_number >= inception_session_number, false) as joins_at_close,
        greatest(coalesce(joining_session_number, entry_session_number), inception_session_number)
            as first_session_number,
        -- quantity, price and strike are in shares of this session
        greatest(
            coalesce(joining_session_number, entry_session_number), inception_session_number, shares_session_number
        ) as base_session_number
    from dated
    where exit_session_number is null or exit_session_number >= inception_session_number
),

-- A symbol means the company that had it on the day of entry, or else the company that took it later.
named as (
    select
        joined.*,
        case joined.investment_class
            when 'PRIVATE' then joined.position_id::text
            else coalesce(own_name.price_key, joined.symbol)
        end as price_key,
        coalesce(underlying_name.price_key, joined.underlying_symbol) as underlying_key
    from joined
    left join symbol_names as own_name
        on
            joined.symbol = own_name.symbol
            and joined.investment_class = 'PUBLIC'
            and joined.entry_session_number between own_name.told_from_session_number and own_name.to_session_number
    left join symbol_names as underlying_name
        on
            joined.underlying_symbol = underlying_name.symbol
            and joined.investment_class = 'OPTIONS'
            and joined.entry_session_number
            between underlying_name.told_from_session_number and underlying_name.to_session_number
),

final as (
    select
        joined.position_id,
        joined.portfolio_id,
        joined.symbol,
        joined.price_key,
        coalesce(name_then.symbol, joined.symbol) as first_symbol,
        joined.investment_class,
        case joined.investment_class when 'OPTIONS' then 100 else 1 end as multiplier,
        sign(joined.quantity)::integer as side,
        abs(joined.quantity) as quantity,
        joined.entry_price,
        joined.is_carried_in,
        joined.joins_at_close,
        joined.first_session_number,
        joined.base_session_number,
        joined.exit_session_number,
        joined.exit_price,
        joined.expiry_session_number,
        joined.underlying_symbol,
        joined.underlying_key,
        joined.option_type,
        joined.strike_price,
        coalesce(split_growth.growth, 1) as base_growth,
        coalesce(underlying_growth.growth, 1) as underlying_base_growth
    from named as joined
    left join symbol_names as name_then
        on
            joined.price_key = name_then.price_key
            and joined.investment_class = 'PUBLIC'
            and joined.first_session_number between name_then.from_session_number and name_then.to_session_number
    left join split_growth
        on
            joined.price_key = split_growth.symbol
            and joined.investment_class = 'PUBLIC'
            and joined.base_session_number between split_growth.from_session_number and split_growth.to_session_number
    left join split_growth as underlying_growth
        on
            joined.underlying_key = underlying_growth.symbol
            and joined.investment_class = 'OPTIONS'
            and joined.base_session_number
            between underlying_growth.from_session_number and underlying_growth.to_session_number
    where joined.expiry_session_number is null or joined.expiry_session_number >= joined.first_session_number
)

select * from final
