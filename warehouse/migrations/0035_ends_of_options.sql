-- An option that expires on a weekend or a holiday ends on the session before it: what tells its end counts from there,
-- at most four days before the date.
drop trigger log_transaction_insert on raw.transactions;
drop trigger log_transaction_update on raw.transactions;
drop trigger log_transaction_delete on raw.transactions;
call ops.watch_input(
    'raw.transactions', '''transaction''', 'portfolio_id', 'counts_from', 'lasting',
    'transaction_id, portfolio_id, trade_date, sequence, transaction_type, symbol, quantity, effect, side, unit_price,'
    ' fees, cash, lot_date, case when transaction_type = ''DIVIDEND'' then trade_date - 95'
    ' else least(trade_date, expiration_date - 4) end as counts_from'
);
