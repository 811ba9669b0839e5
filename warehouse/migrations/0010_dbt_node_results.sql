-- What became of each dbt node that a run asked for: which model was slow, which failed, with what message.
create table ops.dbt_node_results (
    run_id bigint not null references ops.batch_runs on delete cascade,
    phase text not null,
    unique_id text not null,
    name text not null,
    status text not null,
    seconds double precision not null,
    failures integer,
    message text not null,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (run_id, phase, unique_id)
);
comment on column ops.dbt_node_results.status is
'The word that dbt has for it (success, error, skipped), or absent: asked for, and not run by dbt';
