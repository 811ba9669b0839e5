"""Limits on those who read the tables: a transaction left open must not hold up a night for longer than that."""

from typing import Any

import psycopg
from psycopg import sql

from warehouse.migrate import READER
from warehouse.settings import Settings

# The reader's role and all its members: a role's settings count only when that role itself logs in.
_READERS = """
with recursive readers as (
    select oid from pg_roles where rolname = %(reader)s
    union
    select members.member from readers inner join pg_auth_members as members on members.roleid = readers.oid
)
select
    pg_roles.rolname::text,
    coalesce(
        (
            select setconfig from pg_db_role_setting
            where setrole = readers.oid
                and setdatabase = (select oid from pg_database where datname = current_database())
        ),
        '{}'
    )
from readers
inner join pg_roles on readers.oid = pg_roles.oid
where not pg_roles.rolsuper and pg_roles.rolname <> current_user
order by 1
"""


def limit_readers(conn: psycopg.Connection[Any], settings: Settings) -> str | None:
    """Bound how long a reader's statement, and a transaction that it leaves open, may last in this database.

    It counts from a reader's next connection on. Returns a warning where we may not change a role; a role that is as
    it should be is left alone.
    """
    limits = {
        "idle_in_transaction_session_timeout": f"{settings.reader_idle_seconds}s",
        "statement_timeout": f"{settings.reader_statement_seconds}s",
    }
    readers = conn.execute(_READERS, {"reader": READER}).fetchall()
    try:
        with conn.transaction():
            for role, current in readers:
                for name, value in limits.items():
                    if f"{name}={value}" not in current:
                        conn.execute(
                            sql.SQL("alter role {} in database {} set {} = {}").format(
                                sql.Identifier(role),
                                sql.Identifier(conn.info.dbname),
                                sql.Identifier(name),
                                sql.Literal(value),
                            )
                        )
    except psycopg.errors.InsufficientPrivilege as error:
        return (
            f"readers' statements and open transactions are not bounded ({error.diag.message_primary}): "
            "let a superuser run `alter role … set idle_in_transaction_session_timeout`"
        )
    return None
