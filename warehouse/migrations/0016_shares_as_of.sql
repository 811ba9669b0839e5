-- What a lot is stated in: a broker's list of today counts in shares of today, whenever the lot was entered.
alter table raw.positions add column shares_as_of date;
comment on column raw.positions.shares_as_of is
'The day in whose shares quantity, entry price and strike are stated; null: the day of the entry, or the inception for'
' a lot that is carried in';
create trigger log_shares_as_of_update after update on raw.positions
referencing old table as old_rows new table as new_rows for each statement
execute function ops.log_input_changes(
    '''position''', 'portfolio_id, position_id, symbol', 'entry_date', 'lasting',
    'position_id, portfolio_id, symbol, entry_date, shares_as_of'
);
