"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from warehouse.errors import UserError
from warehouse.locks import LOCK_SPACE, MIGRATION_LOCK
from warehouse.patience import PATIENCE_SECONDS, change_patiently
from warehouse.public_rights import confine_public
from warehouse.queries import fetch_one
from warehouse.session_settings import refuse_unfit

MIGRATIONS = Path(__file__).parent / "migrations"
READER = "afterclose_reader"

# The first migration creates the schema that this table lies in.
RECORD_TABLE = """
create table if not exists ops.schema_migrations (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
)
"""


def migrate(
    conn: psycopg.Connection[Any], folder: Path = MIGRATIONS, patience_seconds: float = PATIENCE_SECONDS
) -> list[str]:
    """Apply the migrations of `folder` that this database does not have yet; returns their names.

    Raises:
        UserError: a file was edited after it landed, the database is ahead of the code or unfit, we may not change it,
            or a transaction that others leave open is in the way for longer than our patience.
    """
    refuse_unfit(conn)
    files = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("[0-9]*.sql"))}
    if not _missing(conn, files):
        return []
    conn.execute("select pg_advisory_lock(%s, %s)", [LOCK_SPACE, MIGRATION_LOCK])
    try:
        missing = _missing(conn, files)
        for name in missing:
            _apply(conn, name, files[name], patience_seconds)
        return missing
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"{conn.info.user} may not change the database {conn.info.dbname} ({error.diag.message_primary}): "
            "grant create on it, or make that user its owner"
        ) from None
    except psycopg.errors.DuplicateSchema as error:
        raise UserError(
            f"the database {conn.info.dbname} is somebody else's ({error.diag.message_primary}): use one of your own"
        ) from None
    finally:
        conn.execute("select pg_advisory_unlock(%s, %s)", [LOCK_SPACE, MIGRATION_LOCK])


def _apply(conn: psycopg.Connection[Any], name: str, text: str, patience_seconds: float) -> None:
    def apply() -> None:
        # No parameters, so that a % in the file is only a %.
        conn.execute(text.encode())
        conn.execute(RECORD_TABLE)
        conn.execute("insert into ops.schema_migrations (name, checksum) values (%s, %s)", [name, _checksum(text)])

    change_patiently(conn, f"migration {name}", apply, patience_seconds)


def grant_reader(conn: psycopg.Connection[Any]) -> str | None:
    """Let the role afterclose_reader read schema `analytics` and nothing else; returns a warning where we may not.

    Raises UserError where the schema, which a migration has made, is gone.
    """
    if fetch_one(conn.execute("select to_regnamespace('analytics')"))[0] is None:
        raise UserError(
            "schema analytics has been dropped, with the tables that migrations made in it: restore it from a dump, or "
            "set up a new database (docs/runbook.md, Restoring from raw)"
        )
    confine_public(conn)
    if fetch_one(conn.execute(_READER_IS_READY, {"reader": READER}))[0]:
        return None
    reader = sql.Identifier(READER)
    try:
        with conn.transaction():
            if not conn.execute("select 1 from pg_roles where rolname = %s", [READER]).rowcount:
                with suppress(psycopg.errors.DuplicateObject), conn.transaction():  # roles belong to the whole server
                    conn.execute(sql.SQL("create role {} nologin").format(reader))
            for statement in (
                "grant usage on schema analytics to {}",
                "grant select on all tables in schema analytics to {}",
                "alter default privileges in schema analytics grant select on tables to {}",
                "grant execute on function analytics.api_token(bytea), analytics.api_tokens_version() to {}",
                "grant execute on function analytics.batch_status(integer) to {}",
            ):
                conn.execute(sql.SQL(statement).format(reader))
    except psycopg.errors.InsufficientPrivilege as error:
        return f"role {READER} could not be given schema analytics to read ({error.diag.message_primary})"
    return None


_READER_IS_READY = """
select exists (
    select 1
    from pg_roles as reader
    where
        rolname = %(reader)s
        and has_schema_privilege(reader.oid, 'analytics', 'usage')
        and has_function_privilege(reader.oid, 'analytics.api_token(bytea)', 'execute')
        and has_function_privilege(reader.oid, 'analytics.batch_status(integer)', 'execute')
        and not exists (
            select 1
            from pg_class
            where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
                and not has_table_privilege(reader.oid, pg_class.oid, 'select')
        )
        and exists (
            select 1
            from pg_default_acl, aclexplode(defaclacl) as granted
            where defaclnamespace = 'analytics'::regnamespace and defaclobjtype = 'r'
                and defaclrole = (select oid from pg_roles where rolname = current_user)
                and granted.grantee = reader.oid
        )
)
"""


def _missing(conn: psycopg.Connection[Any], files: dict[str, str]) -> list[str]:
    applied: dict[str, str] = {}
    if fetch_one(conn.execute("select to_regclass('ops.schema_migrations')"))[0]:
        applied = dict(conn.execute("select name, checksum from ops.schema_migrations order by name").fetchall())
    for name, checksum in applied.items():
        if name not in files:
            raise UserError(f"the database has migration {name}, which this version does not know: update the code")
        if checksum != _checksum(files[name]):
            raise UserError(
                f"migration {name} was edited after this database took it in: restore the file, and put the change "
                "in a new migration"
            )
    return [name for name in files if name not in applied]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
