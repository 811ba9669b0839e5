-- Lots are kept from run to run, but for these portfolios.
create table ops.changed_books (
    portfolio_id uuid primary key
);
comment on table ops.changed_books is
'The portfolios whose lots are made anew: changes that are not rolled yet may concern them';

-- The change log decides which those are, so it notes all that lots are made from.
drop trigger log_close_insert on raw.position_realized_events;
drop trigger log_close_update on raw.position_realized_events;
drop trigger log_close_delete on raw.position_realized_events;
call ops.watch_input(
    'raw.position_realized_events', '''close''', 'position_id', 'trade_date', 'lasting',
    'event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees, named_symbol'
);
drop trigger log_transaction_insert on raw.transactions;
drop trigger log_transaction_update on raw.transactions;
drop trigger log_transaction_delete on raw.transactions;
call ops.watch_input(
    'raw.transactions', '''transaction''', 'portfolio_id', 'counts_from', 'lasting',
    'transaction_id, portfolio_id, trade_date, sequence, transaction_type, symbol, quantity, effect, side, unit_price,'
    ' fees, cash, lot_date, underlying_symbol, option_type, strike_price, expiration_date, investment_class,'
    ' case when transaction_type = ''DIVIDEND'' then trade_date - 95'
    ' else least(trade_date, expiration_date - 4) end as counts_from'
);
