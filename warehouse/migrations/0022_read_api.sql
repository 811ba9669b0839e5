-- What readers of schema `analytics` need beside its tables: to know whether anything has changed since they last
-- looked, and, for the API, whom a token was given to.

-- One row for each relation that is published, or that a published view shows. The version is replaced in the
-- transaction that changes the relation, so that whoever sees the rows sees the version that goes with them. It is
-- random and not a count: a database that was restored from a dump must not give old names to new contents.
create table ops.relation_versions (
    relation text primary key,
    version uuid not null,
    changed_at timestamptz not null,
    changed_by xid8 not null
);
comment on column ops.relation_versions.changed_by is
'The transaction that changed it: one transaction replaces a version once, whatever it writes';

create procedure ops.note_change(changed regclass) language sql as $$
    insert into ops.relation_versions as noted (relation, version, changed_at, changed_by)
    select
        nspname || '.' || relname, gen_random_uuid(), clock_timestamp(), pg_current_xact_id()
    from pg_class inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where pg_class.oid = changed
    on conflict (relation) do update set
        version = excluded.version, changed_at = excluded.changed_at, changed_by = excluded.changed_by
    where noted.changed_by <> excluded.changed_by or noted.changed_at < transaction_timestamp();
$$;

create function ops.note_statement() returns trigger language plpgsql as $$
begin
    -- a statement that found no row to write has changed nothing
    if
        tg_op = 'TRUNCATE'
        or not current_setting('track_counts')::boolean
        or pg_stat_get_xact_tuples_inserted(tg_relid)
        + pg_stat_get_xact_tuples_updated(tg_relid)
        + pg_stat_get_xact_tuples_deleted(tg_relid) > 0
    then
        call ops.note_change(tg_relid);
    end if;
    return null;
end
$$;

-- Called once for a table, and again by dbt whenever it has built another one in its place (macros/note_relation.sql).
create procedure ops.watch_relation(watched regclass) language plpgsql as $$
begin
    if not exists (select from pg_trigger where tgrelid = watched and tgname = 'note_statement') then
        execute format(
            'create trigger note_statement after insert or update or delete or truncate on %s'
            ' for each statement execute function ops.note_statement()',
            watched
        );
    end if;
    call ops.note_change(watched);
end
$$;

call ops.watch_relation('raw.portfolios');
call ops.watch_relation('raw.positions');
call ops.watch_relation('raw.company_profiles');
call ops.watch_relation('ops.risk_state');
do $$
declare
    published regclass;
begin
    for published in select oid from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'r' loop
        call ops.watch_relation(published);
    end loop;
end
$$;

-- Tokens of the API: 256 random bits each, of which the database knows a digest alone.
create table ops.api_tokens (
    token_id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    digest bytea not null unique check (length(digest) = 32),
    portfolio_ids uuid[] check (portfolio_ids <> '{}'),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create unique index on ops.api_tokens (name) where revoked_at is null;
comment on column ops.api_tokens.digest is
'SHA-256 of the token';
comment on column ops.api_tokens.portfolio_ids is
'The portfolios that it opens; null: all of them, and the status of the batch';
call ops.watch_relation('ops.api_tokens');

-- The API reads as afterclose_reader, which sees nothing of `ops`: these two answer what it has to know.
create function analytics.api_token(given_digest bytea)
returns table (name text, portfolio_ids uuid[], expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tokens.name, tokens.portfolio_ids, tokens.expires_at
    from ops.api_tokens as tokens
    where
        tokens.digest = given_digest
        and tokens.revoked_at is null
        and (tokens.expires_at is null or tokens.expires_at > clock_timestamp())
$$;
comment on function analytics.api_token(bytea) is
'Whom a token of the API was given to, by its SHA-256; no row for one that is unknown, revoked or expired';

create function analytics.api_tokens_version()
returns table (version uuid, has_tokens boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select
        (select versions.version from ops.relation_versions as versions where relation = 'ops.api_tokens'),
        exists (
            select from ops.api_tokens as tokens
            where tokens.revoked_at is null and (tokens.expires_at is null or tokens.expires_at > clock_timestamp())
        )
$$;
comment on function analytics.api_tokens_version() is
'What changes whenever a token is given or revoked, and whether there is any that is valid';

revoke execute on function analytics.api_token(bytea), analytics.api_tokens_version() from public;
