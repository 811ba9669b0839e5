-- What a broker says happened, line by line. The lots, closes, flows and cash items of such a portfolio are derived
-- from it in dbt (lot_matches and what hangs on it); the loader settles only what a line does to the holdings.
create table raw.transactions (
    transaction_id uuid primary key,
    portfolio_id uuid not null references raw.portfolios on delete cascade,
    trade_date date not null,
    sequence integer not null,
    transaction_type text not null check (
        transaction_type in (
            'BUY', 'SELL', 'SHORT', 'COVER', 'DIVIDEND', 'REINVEST', 'INTEREST', 'FEE', 'TAX', 'DEPOSIT', 'WITHDRAWAL',
            'TRANSFER_IN', 'TRANSFER_OUT', 'SPLIT', 'ASSIGN', 'EXERCISE', 'EXPIRE'
        )
    ),
    symbol text check (symbol <> ''),
    quantity raw.amount check (quantity > 0),
    price raw.amount check (price >= 0),
    amount raw.amount,
    fees raw.amount not null default 0 check (fees >= 0),
    lot_date date,
    effect text not null check (effect in ('open', 'close', 'flip', 'expire', 'cash', 'none')),
    side smallint not null default 0 check (side in (-1, 0, 1)),
    unit_price raw.amount,
    cash raw.amount not null default 0,
    underlying_symbol text,
    option_type text check (option_type in ('CALL', 'PUT')),
    strike_price raw.amount check (strike_price > 0),
    expiration_date date,
    investment_class text not null default 'PUBLIC' check (investment_class in ('PUBLIC', 'OPTIONS')),
    source text not null,
    loaded_at timestamptz not null default now(),
    check (effect in ('cash', 'none') or (symbol is not null and quantity is not null)),
    check (effect in ('cash', 'none', 'expire') or side <> 0)
);
create index on raw.transactions (portfolio_id);
comment on table raw.transactions is
'What a broker said, one line each; an assignment or exercise has a second row for the shares it delivers';
comment on column raw.transactions.sequence is 'Its place among the lines of its portfolio''s day';
comment on column raw.transactions.quantity is 'Shares or contracts of the trade date, without a sign';
comment on column raw.transactions.price is 'USD per share as told; of a TRANSFER_IN what a share has cost';
comment on column raw.transactions.amount is 'USD as told';
comment on column raw.transactions.lot_date is
'The lot that a sale names by its date; of a TRANSFER_IN the day from which the shares are held';
comment on column raw.transactions.effect is
'open makes a lot; close takes from lots of the other side; flip takes from them and opens with the rest; expire takes'
' from lots of either side; cash moves money alone; none moves nothing';
comment on column raw.transactions.side is '1 buys, -1 sells; 0 where neither';
comment on column raw.transactions.unit_price is
'USD per share before fees, from the amount where one is told, which is exact where a printed price is rounded';
comment on column raw.transactions.cash is 'USD that the line moves: what comes in is positive';

alter table raw.portfolios add column lot_matching text not null default 'fifo'
check (lot_matching in ('fifo', 'lifo', 'hifo', 'average', 'named'));
comment on column raw.portfolios.lot_matching is 'Which lots a sale takes from, where transactions are told';

-- A position list of a day: its lots join at that day's close and bring the gain they had by then.
alter table raw.positions add column joins_on date;
comment on column raw.positions.joins_on is
'The day at whose close a lot of a statement joins, in that day''s shares; null where it is entered or carried in';

-- What a position is, wherever it comes from; a transaction that opens a lot gives the lot its identifier.
create view raw.position_terms as
select
    position_id,
    portfolio_id,
    symbol,
    entry_date,
    underlying_symbol,
    option_type,
    strike_price,
    expiration_date,
    investment_class,
    deleted_at,
    loaded_at
from raw.positions
union all
select
    transaction_id,
    portfolio_id,
    symbol,
    trade_date,
    underlying_symbol,
    option_type,
    strike_price,
    expiration_date,
    investment_class,
    null,
    loaded_at
from raw.transactions
where effect in ('open', 'flip');

alter table ops.input_changes drop constraint input_changes_input_check;
alter table ops.input_changes add constraint input_changes_input_check check (
    input in (
        'portfolio', 'position', 'close', 'flow', 'cash item', 'transaction', 'mark', 'price', 'split', 'dividend',
        'rename', 'merger', 'spinoff', 'delisting', 'sector', 'session'
    )
);

-- A dividend is told when it is paid and counts on its ex-date, up to three months before; the end of an option may be
-- told after its last session.
call ops.watch_input(
    'raw.transactions', '''transaction''', 'portfolio_id', 'counts_from', 'lasting',
    'transaction_id, portfolio_id, trade_date, sequence, transaction_type, symbol, quantity, effect, side, unit_price,'
    ' fees, cash, lot_date, case when transaction_type = ''DIVIDEND'' then trade_date - 95'
    ' else least(trade_date, expiration_date) end as counts_from'
);
-- Which lots are sold changes a portfolio from its first day on.
create trigger log_matching_update after update on raw.portfolios
referencing old table as old_rows new table as new_rows for each statement
execute function ops.log_input_changes(
    '''transaction''', 'portfolio_id', 'from_the_start', 'lasting',
    'portfolio_id, lot_matching, ''-infinity''::date as from_the_start'
);
drop trigger log_position_insert on raw.positions;
drop trigger log_position_update on raw.positions;
drop trigger log_position_delete on raw.positions;
call ops.watch_input(
    'raw.positions', '''position''', 'portfolio_id, position_id, symbol', 'entry_date', 'lasting',
    'position_id, portfolio_id, symbol, quantity, entry_price, entry_date, shares_as_of, joins_on, underlying_symbol,'
    ' option_type, strike_price, expiration_date, investment_class, deleted_at'
);

-- Takes the lines of one portfolio and symbol in their order and says what each does to the lots. Quantities are in one
-- unit (shares before any split), so that splits between the lines do not matter here.
--
-- Returns a row for each lot that is opened (closing_id null), for each part that a line takes from a lot, and for what
-- a line asks for and does not find (opening_id null).
--
-- fifo: the lot held longest goes first; lifo: the newest; hifo: the one with the highest price; average: all go in
-- equal parts, which leaves the rest at the average cost; named: the lot of the date that the line names, else fifo.
create function intermediate.match_lots( -- noqa: LT01
    rule text,
    ids uuid[],
    effects text[],
    sides smallint[],
    quantities numeric[],
    prices numeric[],
    held_since date[],
    named date[]
) returns table (opening_id uuid, closing_id uuid, base_shares numeric)
language plpgsql immutable parallel safe as $$
declare
    next_to_nothing constant numeric := 0.000000001;
    lot_ids uuid[] := '{}';
    lot_sides smallint[] := '{}';
    lot_prices numeric[] := '{}';
    lot_dates date[] := '{}';
    lefts numeric[] := '{}';
    wanted numeric;
    taken numeric;
    reached numeric;
    share numeric;
    held numeric;
    before numeric;
    lot integer;
begin
    for line in 1 .. coalesce(cardinality(ids), 0) loop
        wanted := quantities[line];
        if effects[line] <> 'open' then
            select coalesce(sum(lefts[place]), 0) into held
            from generate_subscripts(lot_ids, 1) as place
            where effects[line] = 'expire' or lot_sides[place] = -sides[line];
            share := least(wanted, held);
            reached := 0;
            before := 0;
            for lot in
                select place
                from generate_subscripts(lot_ids, 1) as place
                where
                    lefts[place] > 0
                    and (effects[line] = 'expire' or lot_sides[place] = -sides[line])
                    and (rule <> 'named' or named[line] is null or lot_dates[place] = named[line])
                order by
                    case when rule = 'hifo' then -lot_prices[place] end,
                    case when rule = 'lifo' then date '2200-01-01' - lot_dates[place] end,
                    case when rule = 'lifo' then -place end,
                    lot_dates[place],
                    place
            loop
                if rule = 'average' then
                    -- the parts add up to what is taken, whatever their rounding
                    before := before + lefts[lot];
                    taken := round(share * before / held, 18) - reached;
                    reached := reached + taken;
                else
                    taken := least(lefts[lot], wanted);
                end if;
                if lefts[lot] - taken < next_to_nothing then
                    taken := lefts[lot];
                end if;
                if taken > 0 then
                    lefts[lot] := lefts[lot] - taken;
                    wanted := wanted - taken;
                    opening_id := lot_ids[lot];
                    closing_id := ids[line];
                    base_shares := taken;
                    return next;
                end if;
                exit when wanted <= 0;
            end loop;
        end if;
        if wanted > next_to_nothing then
            if effects[line] in ('open', 'flip') then
                lot_ids := lot_ids || ids[line];
                lot_sides := lot_sides || sides[line];
                lot_prices := lot_prices || coalesce(prices[line], 0);
                lot_dates := lot_dates || held_since[line];
                lefts := lefts || wanted;
                opening_id := ids[line];
                closing_id := null;
            else
                opening_id := null;
                closing_id := ids[line];
            end if;
            base_shares := wanted;
            return next;
        end if;
        -- nothing left of any lot: begin anew, so that a long history of trades stays cheap
        if effects[line] <> 'open' and 0 = all (lefts) then
            lot_ids := '{}';
            lot_sides := '{}';
            lot_prices := '{}';
            lot_dates := '{}';
            lefts := '{}';
        end if;
    end loop;
end
$$;
