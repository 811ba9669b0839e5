-- A lot that an event has made something else of is closed under its new symbol, and a child under its own.
alter table raw.position_realized_events add column named_symbol text check (named_symbol <> '');
comment on column raw.position_realized_events.named_symbol is
'The symbol that the close names, where its position was loaded under another: what events made of it, or a child';
