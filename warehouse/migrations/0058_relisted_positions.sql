-- A portfolio stays listed after its roll until `positions` has been written.
alter table ops.changed_books
add column is_rolled boolean not null default false,
add column is_listed boolean not null default false;
comment on column ops.changed_books.is_rolled is
'Whether the changes have been rolled; then only the rows in positions are to be made anew';
comment on column ops.changed_books.is_listed is
'Whether it was there before positions was written last';

-- What positions shows of a lot and P&L does not depend on is no change to the log.
create function ops.list_relabelled_books() returns trigger language plpgsql as $$
begin
    insert into ops.changed_books (portfolio_id, is_rolled)
    select distinct
        new_rows.portfolio_id,
        true
    from new_rows
    inner join old_rows on new_rows.position_id = old_rows.position_id
    where
        (new_rows.position_type, new_rows.investment_subtype)
        is distinct from (old_rows.position_type, old_rows.investment_subtype)
    on conflict (portfolio_id) do update set is_listed = false;
    return null;
end
$$;
create trigger list_relabelled_books after update on raw.positions
referencing old table as old_rows new table as new_rows for each statement
execute function ops.list_relabelled_books();
