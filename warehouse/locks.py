"""PostgreSQL's advisory locks: one run at a time for a database."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from warehouse.errors import Busy
from warehouse.queries import fetch_one

# Advisory locks are two numbers: ours, and what for.
LOCK_SPACE = 0x41465443
RUN_LOCK = 1
MIGRATION_LOCK = 2
CHECK_LOCK = 3


@contextmanager
def run_lock(conn: psycopg.Connection[Any], holder: str) -> Generator[None]:
    """Hold the lock of this database, of which there is one, for the length of the block.

    It lives as long as the connection and no longer, so that a run that was killed never holds it.

    Args:
        conn: the connection that holds it; its application name tells others who does.
        holder: who we are, such as `run 17 (2024-03-28)`; PostgreSQL keeps 63 bytes.

    Raises:
        Busy: another run holds it; says which, and since when.
    """
    if not fetch_one(conn.execute("select pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, RUN_LOCK]))[0]:
        raise Busy(f"another run holds the lock: {_describe_holder(conn)}: wait for it to end")
    (before,) = fetch_one(conn.execute("select current_setting('application_name')"))
    conn.execute("select set_config('application_name', %s, false)", [holder])
    try:
        yield
    finally:
        with suppress(psycopg.OperationalError):  # a lost connection has lost the lock with it
            conn.execute("select set_config('application_name', %s, false)", [before])
            conn.execute("select pg_advisory_unlock(%s, %s)", [LOCK_SPACE, RUN_LOCK])


@contextmanager
def check_lock(conn: psycopg.Connection[Any]) -> Generator[None]:
    """Wait for other data checks of this database to end, and keep them waiting: each makes its tables of failing rows.

    Args:
        conn: the connection that holds the lock, outside a transaction.
    """
    conn.execute("select pg_advisory_lock(%s, %s)", [LOCK_SPACE, CHECK_LOCK])
    try:
        yield
    finally:
        with suppress(psycopg.OperationalError):
            conn.execute("select pg_advisory_unlock(%s, %s)", [LOCK_SPACE, CHECK_LOCK])


def run_is_going(conn: psycopg.Connection[Any]) -> bool:
    """Whether somebody, on whatever connection, holds the run lock of this database."""
    return _holder(conn) is not None


def _describe_holder(conn: psycopg.Connection[Any]) -> str:
    holder = _holder(conn)
    if holder is None:
        return "it ended just now"
    name, pid, since = holder
    return f"{name or 'a connection of another user'} (server process {pid}, since {since} UTC)"


def _holder(conn: psycopg.Connection[Any]) -> tuple[str | None, int, str | None] | None:
    """Who holds the run lock: application name, server process, and since when."""
    return conn.execute(
        """
        select
            holder.application_name, holder.pid,
            to_char(holder.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
        from pg_locks
        inner join pg_stat_activity as holder using (pid)
        where locktype = 'advisory' and classid = %s and objid = %s and objsubid = 2 and granted
            and database = (select oid from pg_database where datname = current_database())
        """,
        [LOCK_SPACE, RUN_LOCK],
    ).fetchone()
