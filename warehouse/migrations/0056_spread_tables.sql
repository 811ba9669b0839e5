-- What lies on several servers (warehouse/distribution.py) can have no trigger that notes its changes. What is written
-- there is also entered in a table that stays, in the same transaction, and that table's trigger notes it instead. On
-- one server there are no such triggers, and spread_tables is empty.
create table ops.spread_tables (
    relation text primary key,
    column_name text,
    beside text
);
comment on table ops.spread_tables is
'The tables that db distribute brings to the workers, also those that are built later';
comment on column ops.spread_tables.column_name is
'The column that decides on which worker a row lies; null: the whole table is on each';
comment on column ops.spread_tables.beside is
'The table whose shards its own lie with';

create function ops.note_named_relations() returns trigger language plpgsql as $$
declare
    named text;
begin
    foreach named in array tg_argv loop
        if to_regclass(named) is not null then
            call ops.note_change(to_regclass(named));
        end if;
    end loop;
    return null;
end
$$;
comment on function ops.note_named_relations() is
'For statements: the relations that the arguments name have changed';

create function ops.note_written_model() returns trigger language plpgsql as $$
declare
    written constant regclass := to_regclass('analytics.' || quote_ident(new.model));
begin
    -- a model that was built whole has counted nothing
    if written is not null and coalesce(new.inserted + new.updated + new.deleted, 1) > 0 then
        call ops.note_change(written);
    end if;
    return null;
end
$$;
comment on function ops.note_written_model() is
'For rows of incremental_writes: the table of that model has changed';

create procedure ops.spread_relation(named regclass) language plpgsql as $$
declare
    wanted ops.spread_tables;
begin
    select spread_tables.* into wanted
    from ops.spread_tables
    where to_regclass(spread_tables.relation) = named;
    if wanted.relation is null or exists (select 1 from pg_dist_partition where logicalrelid = named) then
        return;
    end if;
    execute format('drop trigger if exists note_statement on %s', named);
    if wanted.column_name is null then
        perform create_reference_table(named);
    else
        perform create_distributed_table(named, wanted.column_name, colocate_with => coalesce(wanted.beside, 'none'));
    end if;
    -- the rows have been copied
    perform truncate_local_data_after_distributing_table(named);
end
$$;
comment on procedure ops.spread_relation (regclass) is
'Brings a table of spread_tables to where it belongs; to others, and to those that are there, it does nothing';
