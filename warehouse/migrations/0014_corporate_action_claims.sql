-- What sources and people have said of a symbol, and what is believed of it. Four more kinds of event: renamings,
-- mergers, spin-offs and delistings.
alter table raw.corporate_actions
drop constraint corporate_actions_action_type_check,
drop constraint corporate_actions_value_check,
add column new_symbol text check (new_symbol <> '' and new_symbol <> symbol),
add column cash_per_share raw.amount check (cash_per_share > 0),
add column cost_fraction raw.ratio check (cost_fraction >= 0 and cost_fraction <= 1),
add constraint corporate_actions_action_type_check
check (action_type in ('SPLIT', 'DIVIDEND', 'RENAME', 'MERGER', 'SPINOFF', 'DELISTING')),
-- a merger for cash alone gives no shares; a delisting may leave nothing
add constraint corporate_actions_value_check
check (value > 0 or (value = 0 and (action_type = 'DELISTING' or (action_type = 'MERGER' and new_symbol is null)))),
add constraint corporate_actions_new_symbol_needed
check (new_symbol is not null or action_type not in ('RENAME', 'SPINOFF')),
add constraint corporate_actions_merger_pays
check (action_type <> 'MERGER' or new_symbol is not null or cash_per_share is not null);
comment on column raw.corporate_actions.value is
'SPLIT: new shares per old share. DIVIDEND: USD per share, in shares of the ex-date. RENAME: 1. MERGER: new shares per'
' old share, 0 for cash alone. SPINOFF: shares of the child per share. DELISTING: USD per share';
comment on column raw.corporate_actions.new_symbol is
'RENAME, MERGER: what the shares become. SPINOFF: the child';
comment on column raw.corporate_actions.cash_per_share is
'MERGER: USD per old share';
comment on column raw.corporate_actions.cost_fraction is
'SPINOFF: the share (0 to 1) of the cost that goes with the child; null: by the first closes of both';

-- The columns that matter to the change log have become more.
drop trigger log_loweraction_type_insert on raw.corporate_actions;
drop trigger log_loweraction_type_update on raw.corporate_actions;
drop trigger log_loweraction_type_delete on raw.corporate_actions;
alter table ops.input_changes drop constraint input_changes_input_check;
alter table ops.input_changes add constraint input_changes_input_check check (
    input in (
        'portfolio', 'position', 'close', 'flow', 'mark', 'price', 'split', 'dividend', 'sector', 'session',
        'rename', 'merger', 'spinoff', 'delisting'
    )
);
call ops.watch_input(
    'raw.corporate_actions', 'lower(action_type)', 'symbol', 'ex_date', 'dated',
    'symbol, ex_date, action_type, value, new_symbol, cash_per_share, cost_fraction'
);

create table raw.corporate_action_claims (
    source text not null,
    symbol text not null,
    ex_date date not null,
    action_type text not null check (action_type in ('SPLIT', 'DIVIDEND', 'RENAME', 'MERGER', 'SPINOFF', 'DELISTING')),
    value raw.ratio not null check (value >= 0),
    new_symbol text,
    cash_per_share raw.amount,
    cost_fraction raw.ratio,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    moved_to date,
    refused_because text check (refused_because <> ''),
    decision text check (decision in ('added', 'dismissed')),
    decided_by text,
    decided_at timestamptz,
    decided_because text,
    from_file boolean not null default false,
    primary key (symbol, ex_date, action_type, source, value),
    check ((source = 'person') = (decision is not null)),
    check ((decision is null) = (decided_by is null)),
    check ((decision is null) = (decided_at is null))
);
comment on table raw.corporate_action_claims is
'What each source has said of splits, dividends and other events, and what people have decided (source: person).'
' raw.corporate_actions holds what is believed of it';
comment on column raw.corporate_action_claims.last_seen_at is
'When the source last told it';
comment on column raw.corporate_action_claims.moved_to is
'The date that its source tells the same event for since; null while it stands by this one';
comment on column raw.corporate_action_claims.refused_because is
'What speaks against it, in words: closes that show no such split; null where nothing does';
comment on column raw.corporate_action_claims.decision is
'added: it holds, whatever the sources say. dismissed: on this date nothing of this type holds';
comment on column raw.corporate_action_claims.from_file is
'From a corporate_actions.csv: the next one that names the symbol replaces it';

-- What is stored was told by its source.
insert into raw.corporate_action_claims (source, symbol, ex_date, action_type, value, first_seen_at, last_seen_at)
select
    source,
    symbol,
    ex_date,
    action_type,
    value,
    loaded_at as first_seen_at,
    loaded_at as last_seen_at
from raw.corporate_actions;

create table ops.action_restatements (
    restatement_id bigint generated always as identity primary key,
    symbol text not null,
    action_type text not null,
    old_ex_date date not null,
    new_ex_date date,
    old_value raw.ratio not null,
    new_value raw.ratio,
    old_source text not null,
    new_source text,
    reason text not null,
    restated_at timestamptz not null default now()
);
create index on ops.action_restatements (symbol, old_ex_date);
comment on table ops.action_restatements is
'Splits, dividends and events that were believed and have changed, moved or gone. One row per change';
comment on column ops.action_restatements.new_ex_date is
'Null: it is no longer believed, and nothing took its place';
