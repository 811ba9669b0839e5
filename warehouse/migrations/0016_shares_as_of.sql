-- What a lot is stated in: a broker's list of today counts in shares of today, whenever the lot was entered.
alter table raw.positions add column shares_as_of date;
comment on column raw.positions.shares_as_of is
'The day in whose shares quantity, entry price and strike are stated; null: the day of the entry, or the inception for'
' a lot that is carried in';
