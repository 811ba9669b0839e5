"""Whether a connection could do more than read schema `analytics`."""

from typing import Any

import psycopg

from warehouse.queries import fetch_one

_RIGHTS = """
select
    current_setting('is_superuser')::boolean,
    has_schema_privilege(session_user, 'raw', 'usage') or has_schema_privilege(session_user, 'ops', 'usage'),
    exists (
        select 1 from pg_class
        where relnamespace = 'analytics'::regnamespace and relkind = 'r'
            and has_table_privilege(session_user, oid, 'insert, update, delete, truncate')
    ),
    session_user::text
"""


def may_do_more_than_read(conn: psycopg.Connection[Any]) -> str | None:
    """What this login may do beyond reading schema `analytics`, and what to do about it; None where it may not."""
    superuser, reads_inputs, writes, user = fetch_one(conn.execute(_RIGHTS))
    if not (superuser or reads_inputs or writes):
        return None
    what = "is a superuser" if superuser else "may change tables" if writes else "may read schemas raw or ops"
    return (
        f"{user} {what}: give AFTERCLOSE_API_DATABASE_URL a login that may read and nothing else"
        " (create role … login in role afterclose_reader)"
    )
