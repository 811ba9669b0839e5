-- A person may say of a refused row that it is wrong, and that he knows.
alter table ops.rejected_rows add column dismissed_at timestamptz;
comment on column ops.rejected_rows.dismissed_at is
'When a person said that it is wrong: it stays refused, and is not told again';

-- What the lots of a portfolio are stated in: a list downloaded today counts in shares of today.
alter table raw.portfolios add column shares_as_of date;
comment on column raw.portfolios.shares_as_of is
'The day in whose shares quantities, entry prices and strikes of lots entered before it are stated; null: the day of'
' each entry, or the inception for lots carried in';
drop trigger log_portfolio_insert on raw.portfolios;
drop trigger log_portfolio_update on raw.portfolios;
drop trigger log_portfolio_delete on raw.portfolios;
