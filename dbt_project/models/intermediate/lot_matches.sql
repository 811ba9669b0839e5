{{ config(indexes=[{"columns": ["portfolio_id"]}, {"columns": ["opening_id"]}]) }}

with transactions as (
    select * from {{ ref('stg_transactions') }}
    where effect not in ('cash', 'none')
),

portfolios as (
    select * from {{ ref('stg_portfolios') }}
    where deleted_at is null
),

calendar_days as not materialized (
    select * from {{ ref('calendar_days') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

split_growth as (
    select * from {{ ref('split_growth') }}
),

symbol_names as (
    select * from {{ ref('symbol_names') }}
),

corporate_events as (
    select * from {{ ref('corporate_events') }}
),

-- Symbols that are linked by events are matched together.
families as (
    select
        symbol,
        min(member) as family
    from {{ ref('event_families') }}
    group by symbol
),

-- The end of an option is often reported on the next business day. It counts on the option's last session.
timed as (
    select
        transactions.*,
        portfolios.lot_matching,
        least(trade_day.next_session_number, expiration_day.last_session_number) as session_number,
        case transactions.investment_class when 'OPTIONS' then 100 else 1 end as multiplier
    from transactions
    inner join portfolios on transactions.portfolio_id = portfolios.portfolio_id
    inner join calendar_days as trade_day on transactions.trade_date = trade_day.calendar_date
    left join calendar_days as expiration_day
        on
            transactions.expiration_date = expiration_day.calendar_date
            and transactions.effect in ('expire', 'close', 'flip')
    where trade_day.next_session_number is not null
),

-- A symbol means the company that had it on the day, or else the company that took it later.
dated as (
    select
        timed.*,
        coalesce(symbol_names.price_key, timed.symbol) as price_key,
        families.family
    from timed
    left join symbol_names
        on
            timed.symbol = symbol_names.symbol
            and timed.investment_class = 'PUBLIC'
            and timed.session_number between symbol_names.told_from_session_number and symbol_names.to_session_number
    left join families on timed.symbol = families.symbol and timed.investment_class = 'PUBLIC'
),

-- Everything is counted in shares before any split. In this unit a holding changes only by trades.
in_base_shares as (
    select
        dated.*,
        coalesce(split_growth.growth, 1) as growth,
        round(dated.quantity / coalesce(split_growth.growth, 1), 18) as base_shares,
        -- the price includes the costs of the trade, as the price of its lot will
        round(
            (dated.unit_price + dated.side * dated.fees / (dated.quantity * dated.multiplier))
            * coalesce(split_growth.growth, 1),
            18
        ) as base_price,
        -- shares of an assignment arrive when the option ends, however late that is reported
        case
            when dated.effect = 'open' then coalesce(dated.lot_date, dated.trade_date)
            else least(dated.trade_date, dated.expiration_date)
        end as held_since,
        case when dated.effect <> 'open' then dated.lot_date end as named_date
    from dated
    left join split_growth
        on
            dated.price_key = split_growth.symbol
            and dated.investment_class = 'PUBLIC'
            and dated.session_number between split_growth.from_session_number and split_growth.to_session_number
),

histories as (
    select
        portfolio_id,
        symbol,
        lot_matching,
        array_agg(transaction_id order by session_number, trade_date, sequence) as ids,
        array_agg(effect order by session_number, trade_date, sequence) as effects,
        array_agg(side order by session_number, trade_date, sequence) as sides,
        array_agg(base_shares order by session_number, trade_date, sequence) as quantities,
        array_agg(base_price order by session_number, trade_date, sequence) as prices,
        array_agg(held_since order by session_number, trade_date, sequence) as held_since,
        array_agg(named_date order by session_number, trade_date, sequence) as named_dates
    from in_base_shares
    where family is null
    group by portfolio_id, symbol, lot_matching
),

-- The lines of a family, with its events among them. An event comes before the trades of its session. But shares sold
-- under the old name on the day of a merger are sold before the merger.
family_lines as (
    select
        in_base_shares.portfolio_id,
        in_base_shares.family,
        in_base_shares.lot_matching,
        in_base_shares.session_number,
        case when merged.price_key is null then 3 else 1 end as place_in_session,
        in_base_shares.trade_date,
        in_base_shares.sequence::bigint as sequence,
        in_base_shares.transaction_id,
        in_base_shares.effect,
        in_base_shares.side,
        in_base_shares.base_shares,
        in_base_shares.base_price,
        in_base_shares.held_since,
        in_base_shares.named_date,
        in_base_shares.price_key,
        null as new_price_key,
        null::numeric as ratio,
        null as birth_name
    from in_base_shares
    left join corporate_events as merged
        on
            in_base_shares.price_key = merged.price_key
            and in_base_shares.session_number = merged.session_number
            and merged.event_type = 'MERGER'
    where in_base_shares.family is not null
    union all
    select
        books.portfolio_id,
        books.family,
        books.lot_matching,
        corporate_events.session_number,
        case corporate_events.event_type when 'SPINOFF' then 0 else 2 end,
        null,
        row_number() over (order by corporate_events.price_key, corporate_events.new_price_key),
        null,
        case
            when corporate_events.event_type = 'SPINOFF' then 'bear'
            when corporate_events.new_price_key is not null then 'convert'
            else 'end'
        end,
        null,
        null,
        null,
        null,
        null,
        corporate_events.price_key,
        corporate_events.new_price_key,
        corporate_events.new_shares * corporate_events.growth_before / corporate_events.new_growth_before,
        corporate_events.birth_name
    from (
        select distinct
            portfolio_id,
            family,
            lot_matching
        from in_base_shares
        where family is not null
    ) as books
    inner join families on books.family = families.family
    inner join corporate_events on families.symbol = corporate_events.price_key
    where corporate_events.event_type in ('SPINOFF', 'MERGER')
),

family_histories as (
    select
        portfolio_id,
        lot_matching,
        array_agg(transaction_id order by session_number, place_in_session, trade_date, sequence) as ids,
        array_agg(effect order by session_number, place_in_session, trade_date, sequence) as effects,
        array_agg(side order by session_number, place_in_session, trade_date, sequence) as sides,
        array_agg(base_shares order by session_number, place_in_session, trade_date, sequence) as quantities,
        array_agg(base_price order by session_number, place_in_session, trade_date, sequence) as prices,
        array_agg(held_since order by session_number, place_in_session, trade_date, sequence) as held_since,
        array_agg(named_date order by session_number, place_in_session, trade_date, sequence) as named_dates,
        array_agg(price_key order by session_number, place_in_session, trade_date, sequence) as symbols,
        array_agg(new_price_key order by session_number, place_in_session, trade_date, sequence) as new_symbols,
        array_agg(ratio order by session_number, place_in_session, trade_date, sequence) as ratios,
        array_agg(birth_name order by session_number, place_in_session, trade_date, sequence) as birth_names
    from family_lines
    group by portfolio_id, family, lot_matching
),

matches as (
    select
        matched.opening_id,
        matched.closing_id,
        coalesce(matched.closing_id, matched.opening_id) as transaction_id,
        matched.base_shares,
        matched.place
    from histories
    cross join
        lateral intermediate.match_lots(
            histories.lot_matching,
            histories.ids,
            histories.effects,
            histories.sides,
            histories.quantities,
            histories.prices,
            histories.held_since,
            histories.named_dates
        ) with ordinality as matched (opening_id, closing_id, base_shares, place)
    union all
    select
        matched.opening_id,
        matched.closing_id,
        coalesce(matched.closing_id, matched.opening_id),
        matched.base_shares,
        matched.place
    from family_histories
    cross join
        lateral intermediate.match_lots_through_events(
            family_histories.lot_matching,
            family_histories.ids,
            family_histories.effects,
            family_histories.sides,
            family_histories.quantities,
            family_histories.prices,
            family_histories.held_since,
            family_histories.named_dates,
            family_histories.symbols,
            family_histories.new_symbols,
            family_histories.ratios,
            family_histories.birth_names
        ) with ordinality as matched (opening_id, closing_id, base_shares, place)
),

-- A transfer is valued at the close of its session, because shares come in and leave at that value.
transfer_prices as (
    select
        in_base_shares.transaction_id,
        round(last_price.close * coalesce(growth_then.growth, 1) / in_base_shares.growth, 10) as market_price
    from in_base_shares
    inner join sessions on in_base_shares.session_number = sessions.session_number
    cross join
        lateral (
            select
                market_data.price_date,
                market_data.close
            from {{ ref('stg_market_data') }} as market_data
            where market_data.symbol = in_base_shares.symbol and market_data.price_date <= sessions.session_date
            order by market_data.price_date desc
            limit 1
        ) as last_price
    left join calendar_days as priced on last_price.price_date = priced.calendar_date
    left join split_growth as growth_then
        on
            in_base_shares.symbol = growth_then.symbol
            and in_base_shares.investment_class = 'PUBLIC'
            and priced.last_session_number between growth_then.from_session_number and growth_then.to_session_number
    where in_base_shares.transaction_type in ('TRANSFER_IN', 'TRANSFER_OUT')
),

priced as (
    select
        matches.opening_id,
        matches.closing_id,
        matches.transaction_id,
        matches.base_shares,
        matches.place,
        lines.portfolio_id,
        lines.symbol,
        lines.transaction_type,
        lines.session_number,
        lines.trade_date,
        lines.sequence,
        lines.side,
        lines.multiplier,
        lines.growth,
        case
            when matches.base_shares = lines.base_shares then lines.quantity
            else round(matches.base_shares * lines.growth, 10)
        end as quantity,
        case lines.transaction_type
            when 'TRANSFER_OUT' then transfer_prices.market_price
            when 'TRANSFER_IN' then coalesce(lines.unit_price, transfer_prices.market_price, 0)
            else coalesce(lines.unit_price, 0)
        end as price,
        transfer_prices.market_price,
        -- the fees of a line are shared among the lots that it finds, and the rounded parts add up to the fees
        sum(matches.base_shares) filter (where matches.opening_id is not null) over line as base_shares_found,
        sum(matches.base_shares) filter (where matches.opening_id is not null) over line_so_far as base_shares_so_far,
        lines.fees
    from matches
    inner join in_base_shares as lines on matches.transaction_id = lines.transaction_id
    left join transfer_prices on lines.transaction_id = transfer_prices.transaction_id
    window
        line as (partition by matches.transaction_id),
        line_so_far as (partition by matches.transaction_id order by matches.place)
),

final as (
    select
        portfolio_id,
        symbol,
        transaction_type,
        opening_id,
        closing_id,
        transaction_id,
        session_number,
        (trade_date - date '1900-01-01') * 1000000::bigint + sequence as sequence,
        side,
        multiplier,
        quantity,
        price,
        market_price,
        case
            -- the fees of a TRANSFER_IN are a cash item and no part of the cost of the shares
            when opening_id is null or transaction_type = 'TRANSFER_IN' then 0
            else
                round(fees * base_shares_so_far / base_shares_found, 10)
                - round(fees * (base_shares_so_far - base_shares) / base_shares_found, 10)
        end as fees
    from priced
)

select * from final
