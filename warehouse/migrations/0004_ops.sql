-- The ledger: what ran, what it did, what went wrong.
create table ops.batch_runs (
    run_id bigint generated always as identity primary key,
    command text not null,
    arguments jsonb not null default '{}',
    trade_date date,
    scope jsonb not null default '{}',
    status text not null default 'running' check (status in ('running', 'succeeded', 'failed', 'interrupted')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    version text not null
);

create table ops.batch_phases (
    run_id bigint not null references ops.batch_runs on delete cascade,
    phase text not null,
    name text not null,
    status text not null default 'running'
    check (status in ('running', 'succeeded', 'failed', 'interrupted', 'skipped')),
    started_at timestamptz not null default clock_timestamp(),
    seconds double precision,
    counts jsonb not null default '{}',
    primary key (run_id, phase)
);

create table ops.batch_errors (
    error_id bigint generated always as identity primary key,
    run_id bigint not null references ops.batch_runs on delete cascade,
    phase text,
    scope text,
    severity text not null default 'error' check (severity in ('error', 'warning')),
    message text not null,
    occurred_at timestamptz not null default clock_timestamp()
);
create index on ops.batch_errors (run_id);
comment on column ops.batch_errors.scope is 'What it concerns: a symbol, a portfolio, a dbt node';

-- Market data that was refused, replaced or not to be had.
create table ops.rejected_rows (
    rejection_id bigint generated always as identity primary key,
    source text not null,
    relation text not null,
    symbol text not null,
    row_date date,
    reason text not null,
    payload jsonb not null,
    first_rejected_at timestamptz not null default now(),
    last_rejected_at timestamptz not null default now(),
    unique nulls not distinct (source, relation, symbol, row_date, reason)
);
comment on table ops.rejected_rows is
'Quarantine: rows that failed a check on the way in, with the reason; asked again, a row is not listed twice';

create table ops.price_restatements (
    restatement_id bigint generated always as identity primary key,
    symbol text not null,
    price_date date not null,
    old_source text not null,
    new_source text not null,
    old_close raw.amount not null,
    new_close raw.amount not null,
    old_row jsonb not null,
    restated_at timestamptz not null default now()
);
create index on ops.price_restatements (symbol, price_date);

create table ops.fetch_state (
    source text not null,
    symbol text not null,
    consecutive_failures integer not null default 0,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    next_attempt_at timestamptz,
    reason text,
    primary key (source, symbol)
);

-- What was prepared from files of the project (the seeds, the calendar) and from which version of them.
create table ops.preparations (
    name text primary key,
    fingerprint text not null,
    prepared_at timestamptz not null default now()
);
