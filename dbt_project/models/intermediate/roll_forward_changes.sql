{{ config(schema='ops', indexes=[{"columns": ["change_id"]}, {"columns": ["portfolio_id"]}]) }}

with outstanding as (
    select * from {{ source('ops', 'input_changes_outstanding') }}
),

input_changes as (
    select * from {{ ref('open_changes') }}
    where is_to_roll
),

roll_forward_state as (
    select * from {{ ref('stg_roll_forward_state') }}
),

active_portfolios as (
    select * from {{ ref('active_portfolios') }}
),

lots as (
    select * from {{ ref('held_lots') }}
),

lot_stages as (
    select * from {{ ref('lot_stages') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

lot_segments as (
    select * from {{ ref('lot_segments') }}
),

positions as (
    select * from {{ ref('stg_positions') }}
),

option_settlements as (
    select * from {{ ref('option_settlements') }}
),

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

sessions as not materialized (
    select * from {{ ref('sessions') }}
),

rolled_portfolios as (
    select
        active_portfolios.portfolio_id,
        active_portfolios.benchmark,
        active_portfolios.inception_session_number,
        roll_forward_state.last_session,
        calendar_days.last_session_number as last_rolled_session_number
    from active_portfolios
    inner join roll_forward_state on active_portfolios.portfolio_id = roll_forward_state.portfolio_id
    inner join calendar_days on roll_forward_state.last_session = calendar_days.calendar_date
),

lot_lives as (
    select
        position_id,
        max(to_session_number) as last_session_number
    from lot_segments
    group by position_id
),

rolled_lots as (
    select
        lots.*,
        rolled_portfolios.last_rolled_session_number,
        lot_lives.last_session_number
    from lots
    inner join rolled_portfolios on lots.portfolio_id = rolled_portfolios.portfolio_id
    inner join lot_lives on lots.position_id = lot_lives.position_id
),

dated_changes as (
    select
        input_changes.*,
        -- a renaming may change which prices are used on earlier days
        case
            when input_changes.from_date = '-infinity' or input_changes.input = 'rename' then 0
            else calendar_days.next_session_number
        end as from_session_number,
        input_changes.input in ('rename', 'merger', 'spinoff', 'delisting') as is_event,
        calendar_days.last_session_number as from_session_or_before
    from input_changes
    left join calendar_days on input_changes.from_date = calendar_days.calendar_date
),

-- The changes of an ordinary night are of a session that nobody is rolled to yet, so they concern no lot.
past_changes as (
    select * from dated_changes
    where
        from_session_number <= (
            select max(rolled_portfolios.last_rolled_session_number)
            from rolled_portfolios
        )
),

-- Changes of the portfolio itself, of its positions' terms, its flows and its cash items.
portfolio_changes as (
    select
        changes.change_id,
        rolled_portfolios.portfolio_id,
        case changes.input
            -- rows before an inception that has moved to a later date must be deleted
            when 'portfolio' then changes.from_session_number
            else greatest(changes.from_session_number, rolled_portfolios.inception_session_number)
        end as first_session_number
    from past_changes as changes
    inner join rolled_portfolios on changes.portfolio_id = rolled_portfolios.portfolio_id
    where changes.from_session_number <= rolled_portfolios.last_rolled_session_number
),

-- A day that has become a session, or is no longer one, is rolled again from the session at or before it. The rows of a
-- day that is no longer a session lie after that one.
session_changes as (
    select
        changes.change_id,
        rolled_portfolios.portfolio_id,
        greatest(changes.from_session_or_before, rolled_portfolios.inception_session_number) as first_session_number
    from dated_changes as changes
    inner join rolled_portfolios on changes.from_date <= rolled_portfolios.last_session
    where changes.input = 'session'
),

-- Other symbols that the rows of a lot may depend on: other names of its company, and what events turn it into.
further_symbols as (
    select
        lots.position_id,
        symbol_names.symbol
    from rolled_lots as lots
    inner join symbol_names on lots.price_key = symbol_names.price_key
    where lots.investment_class = 'PUBLIC'
    union
    select
        lot_stages.position_id,
        coalesce(symbol_names.symbol, lot_stages.price_key)
    from lot_stages
    left join symbol_names on lot_stages.price_key = symbol_names.price_key
),

-- Closes, marks and tags name the lot. Prices, splits, dividends, events and sectors name the symbol.
changes_of_lots as (
    select
        changes.*,
        lots.position_id as lot_id,
        false as is_of_further_symbol
    from past_changes as changes
    inner join rolled_lots as lots on changes.position_id = lots.position_id
    where changes.portfolio_id is null
    union all
    select
        changes.*,
        lots.position_id,
        false
    from past_changes as changes
    inner join rolled_lots as lots on changes.symbol = lots.price_key
    where changes.portfolio_id is null and changes.input <> 'sector'
    union all
    select
        changes.*,
        lots.position_id,
        false
    from past_changes as changes
    inner join rolled_lots as lots on changes.symbol = coalesce(lots.underlying_symbol, lots.price_key)
    where changes.portfolio_id is null and changes.input = 'sector'
    union all
    select
        changes.*,
        further_symbols.position_id,
        true
    from past_changes as changes
    inner join further_symbols on changes.symbol = further_symbols.symbol
    where changes.portfolio_id is null
),

lot_changes as (
    select
        changes.change_id,
        lots.portfolio_id,
        case
            -- the shares that a lot is stated in may be those of a later day, and then depend on the splits until that
            -- day
            when changes.input = 'split' and changes.from_session_number <= lots.base_session_number
                then lots.first_session_number
            else greatest(changes.from_session_number, lots.first_session_number)
        end as first_session_number
    from changes_of_lots as changes
    inner join rolled_lots as lots on changes.lot_id = lots.position_id
    -- a lot that is carried in is first valued at the close before it joins
    inner join sessions as first_valued
        on lots.first_session_number - lots.is_carried_in::integer = first_valued.session_number
    where
        changes.from_session_number <= lots.last_session_number
        and greatest(changes.from_session_number, lots.first_session_number) <= lots.last_rolled_session_number
        -- nothing older than the price of the first valuation can change the lot
        and (
            changes.input in ('close', 'sector')
            or changes.is_event
            or changes.is_of_further_symbol
            or coalesce(
                changes.through_date >= case lots.investment_class
                    when 'PRIVATE'
                        then (
                            select max(manual_prices.price_date)
                            from {{ ref('stg_manual_prices') }} as manual_prices
                            where
                                manual_prices.position_id = lots.position_id
                                and manual_prices.price_date <= first_valued.session_date
                        )
                    else (
                        select max(market_data.price_date)
                        from {{ ref('stg_market_data') }} as market_data
                        where
                            market_data.symbol = lots.price_key
                            and market_data.price_date <= first_valued.session_date
                    )
                end,
                true
            )
        )
),

-- The underlyings of options, under every name of the company.
underlyings as (
    select
        position_id,
        underlying_symbol as symbol
    from rolled_lots
    where underlying_symbol is not null
    union
    select
        rolled_lots.position_id,
        symbol_names.symbol
    from rolled_lots
    inner join symbol_names on rolled_lots.underlying_key = symbol_names.price_key
    where rolled_lots.underlying_symbol is not null
),

-- An underlying changes an option only at its settlement: by its last price, by its name, and by the splits between
-- that price and the first session, whose shares the strike is stated in.
settlement_changes as (
    select
        changes.change_id,
        lots.portfolio_id,
        option_settlements.expiry_session_number as first_session_number
    from past_changes as changes
    inner join underlyings on changes.symbol = underlyings.symbol
    inner join rolled_lots as lots on underlyings.position_id = lots.position_id
    inner join option_settlements on lots.position_id = option_settlements.position_id
    inner join sessions as first_held on lots.first_session_number = first_held.session_number
    where
        (changes.input in ('price', 'split') or changes.is_event)
        and changes.from_session_number <= option_settlements.expiry_session_number
        and option_settlements.expiry_session_number <= lots.last_rolled_session_number
        and coalesce(
            changes.is_event
            or changes.through_date >= case changes.input
                when 'split' then least(option_settlements.underlying_price_date, first_held.session_date)
                else option_settlements.underlying_price_date
            end,
            true
        )
),

-- The portfolio's rows show the benchmark's return from the close before inception on.
benchmark_changes as (
    select
        changes.change_id,
        rolled_portfolios.portfolio_id,
        greatest(changes.from_session_number, rolled_portfolios.inception_session_number) as first_session_number
    from past_changes as changes
    inner join rolled_portfolios on changes.symbol = rolled_portfolios.benchmark
    inner join sessions on rolled_portfolios.inception_session_number = sessions.session_number
    where
        changes.input in ('price', 'split', 'dividend')
        and changes.from_session_number <= rolled_portfolios.last_rolled_session_number
        and coalesce(
            changes.through_date >= (
                select max(market_data.price_date)
                from {{ ref('stg_market_data') }} as market_data
                where
                    market_data.symbol = rolled_portfolios.benchmark
                    and market_data.price_date < sessions.session_date
            ),
            true
        )
),

concerned as (
    select * from portfolio_changes
    union all
    select * from benchmark_changes
    union all
    select * from session_changes
    union all
    select * from lot_changes
    union all
    select * from settlement_changes
),

earliest as (
    select
        concerned.change_id,
        concerned.portfolio_id,
        min(concerned.first_session_number) as first_session_number
    from concerned
    group by concerned.change_id, concerned.portfolio_id
),

final as (
    select
        input_changes.change_id,
        earliest.portfolio_id,
        earliest.first_session_number,
        input_changes.input,
        coalesce(input_changes.symbol, positions.symbol) as symbol,
        input_changes.what,
        input_changes.from_date,
        input_changes.through_date,
        {{ whole_chain('input_changes.invocation_id') }} as invocation_id
    from input_changes
    left join earliest
        on
            input_changes.change_id = earliest.change_id
            and (
                input_changes.rolled_at is null
                or exists (
                    select 1
                    from outstanding
                    where
                        outstanding.change_id = earliest.change_id
                        and outstanding.portfolio_id = earliest.portfolio_id
                )
            )
    left join positions on input_changes.position_id = positions.position_id
)

select * from final
