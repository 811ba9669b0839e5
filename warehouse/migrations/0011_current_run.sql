-- Which run may write. A run that has lost its lock, with its ledger's connection, may still be at work in others: they
-- must not write any more once another run has taken over.
create table ops.current_run (
    is_only boolean primary key default true check (is_only),
    token bigint not null,
    holder text not null,
    since timestamptz not null default clock_timestamp()
);
comment on table ops.current_run is
'The run that may write: the last one that took the run lock. Its token changes while nobody else holds the lock of'
' writers';

-- Each connection that writes for a run holds the lock of writers (warehouse/locks.py), shared, for as long as it may
-- write: for its own life (lasting), or for a transaction. A new run takes over while it holds that lock alone. So all
-- who hold it at any moment belong to one run.
create function ops.join_run(expected bigint, lasting boolean) returns void language plpgsql as $$
declare
    taken_by text;
begin
    if lasting then
        perform pg_advisory_lock_shared(1095128131, 4);
    else
        perform pg_advisory_xact_lock_shared(1095128131, 4);
    end if;
    select format('%s, since %s UTC', holder, to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))
    into taken_by
    from ops.current_run
    where token is distinct from expected;
    if taken_by is not null then
        raise exception using
            errcode = 'AC001', message = format('this run has lost its lock, and another has taken over: %s', taken_by);
    end if;
end
$$;
