-- What live providers have answered: for each kind of thing that is asked for, and, of prices, for which sessions.
alter table ops.fetch_state add column kind text not null default 'prices'
check (kind in ('prices', 'profile', 'fundamentals'));
alter table ops.fetch_state alter column kind drop default;
alter table ops.fetch_state drop constraint fetch_state_pkey;
alter table ops.fetch_state add primary key (source, kind, symbol);
alter table ops.fetch_state
add column answered_from date,
add column answered_through date,
add column gap_attempts integer not null default 0,
add column gaps_due_at timestamptz;
create index on ops.fetch_state (symbol);
comment on table ops.fetch_state is
'What each source was asked about a symbol, and when it is asked again where it had nothing';
comment on column ops.fetch_state.next_attempt_at is
'Not asked before; null: on the next night';
comment on column ops.fetch_state.answered_from is
'First session that it was asked for and answered about, whether it had a price or not';
comment on column ops.fetch_state.gaps_due_at is
'When sessions that it has no price of, answered_from to answered_through, are asked for again';

-- A person may say of a refused row that it is right.
alter table ops.rejected_rows add column accepted_at timestamptz;
create index on ops.rejected_rows (symbol) where accepted_at is not null;
comment on column ops.rejected_rows.accepted_at is
'When a person said that it is right: the same values are not refused again';

alter table ops.price_restatements add column reason text;
comment on column ops.price_restatements.reason is
'Null: this session alone; else why the whole history of the symbol was fetched again';
