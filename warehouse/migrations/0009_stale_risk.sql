-- Which risk results stand on inputs that have changed since: python_models/staleness.py marks them, and the next run
-- computes them again.
alter table ops.risk_state add column stale_because text;
comment on column ops.risk_state.stale_because is
'What changed under the results since they were computed, in words; null while they are current';
create index risk_state_stale on ops.risk_state (calculation_date) where stale_because is not null;

-- The last session of each portfolio with results is looked up every night.
create index on ops.risk_state (portfolio_id, calculation_date);
drop index ops.risk_state_portfolio_id_idx;

alter table ops.input_changes add column risk_taken_at timestamptz;
comment on column ops.input_changes.risk_taken_at is
'When the risk results that rest on it were marked as stale';
create index input_changes_to_risk on ops.input_changes (change_id) where risk_taken_at is null;

-- A change that was rolled for some portfolios concerns risk once more when it is rolled for another.
create function ops.reopen_for_risk() returns trigger language plpgsql as $$
begin
    update ops.input_changes set risk_taken_at = null
    where change_id in (select change_id from old_rows) and risk_taken_at is not null;
    return null;
end
$$;
create trigger reopen_for_risk after delete on ops.input_changes_outstanding
referencing old table as old_rows for each statement execute function ops.reopen_for_risk();
