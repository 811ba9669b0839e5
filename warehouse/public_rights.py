"""What PostgreSQL lets everybody do in a database, and nobody needs in ours, taken away.

By default each role may make temporary tables and large objects, which fill the disk, and take advisory locks: the one
that a run holds too, and nights would be refused for as long as a reader holds it.
"""

from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from warehouse.queries import fetch_one

_FUNCTIONS = """
select oid::regprocedure::text
from pg_proc
where
    pronamespace = 'pg_catalog'::regnamespace
    and (proname ~ '^pg_(try_)?advisory' or proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import'))
    and exists (
        select 1 from aclexplode(coalesce(proacl, acldefault('f', proowner))) as granted
        where granted.grantee = 0 and granted.privilege_type = 'EXECUTE'
    )
"""
_TEMPORARY = """
select exists (
    select 1 from aclexplode(coalesce(datacl, acldefault('d', datdba))) as granted
    where granted.grantee = 0 and granted.privilege_type = 'TEMPORARY'
), pg_get_userbyid(datdba)
from pg_database where datname = current_database()
"""


def confine_public(conn: psycopg.Connection[Any]) -> None:
    """Take temporary tables, large objects and advisory locks from PUBLIC in this database, as far as we may.

    The owner of the database and we keep them. The functions of advisory locks belong to the superuser: if we are not
    that, readers keep them. What is done already is not done again.
    """
    is_public, owner = fetch_one(conn.execute(_TEMPORARY))
    keepers = sql.SQL(", ").join(sql.Identifier(name) for name in sorted({owner, conn.info.user}))
    if is_public:
        with suppress(psycopg.errors.InsufficientPrivilege), conn.transaction():
            database = sql.Identifier(conn.info.dbname)
            conn.execute(sql.SQL("revoke temporary on database {} from public").format(database))
            conn.execute(sql.SQL("grant temporary on database {} to {}").format(database, keepers))
    if conn.info.parameter_status("is_superuser") != "on":
        return
    if functions := [name for (name,) in conn.execute(_FUNCTIONS)]:
        with conn.transaction():
            listed = ", ".join(functions)  # as the server has quoted them
            conn.execute(f"revoke execute on function {listed} from public".encode())
            conn.execute(f"grant execute on function {listed} to {keepers.as_string(conn)}".encode())
