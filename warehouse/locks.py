"""PostgreSQL's advisory locks: one run at a time for a database, and no writers but its own.

The run lock ends with the connection that holds it, which a server or a proxy may end while the run works on in others.
So each connection that writes for a run holds a second lock, shared, and the run's token stands in `ops.current_run`.
A run takes over, and changes the token, only while it holds that second lock alone: nobody writes for another run then,
and whoever comes later with an older token is refused.
"""

import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from warehouse.errors import Busy, TakenOver
from warehouse.queries import fetch_one

# An advisory lock is two numbers: one for all of ours, and one for its purpose.
LOCK_SPACE = 0x41465443
RUN_LOCK = 1
MIGRATION_LOCK = 2
CHECK_LOCK = 3
WRITE_LOCK = 4
# Servers that check for the client's death end its statement within seconds.
WRITERS_SECONDS = 15.0
# The code of the error that `ops.join_run` raises.
_TAKEN_OVER = "AC001"


@contextmanager
def run_lock(
    conn: psycopg.Connection[Any],
    holder: str,
    *,
    token: int | None = None,
    writers_seconds: float = WRITERS_SECONDS,
) -> Generator[None]:
    """Hold the one run lock of this database for the length of the block.

    It lives as long as the connection and no longer, so that a run that was killed never holds it. Nobody but this
    connection writes meanwhile, until `let_writers_in`.

    Args:
        conn: the connection that holds it; its application name tells others who does.
        holder: who we are, such as `run 17 (2024-03-28)`; PostgreSQL keeps 63 bytes.
        token: of a run that lost its connection and goes on with this one: its writers may be at work.
        writers_seconds: how long to wait for the end of what an earlier run still writes.

    Raises:
        Busy: another run holds it, or still writes; says which, and since when.
        TakenOver: another run has held it since.
    """
    if token is not None:
        _check_token(conn, token)
    if not _try_lock(conn, RUN_LOCK):
        raise Busy(f"another run holds the lock: {_describe_holder(conn)}: wait for it to end")
    (before,) = fetch_one(conn.execute("select current_setting('application_name')"))
    conn.execute("select set_config('application_name', %s, false)", [holder])
    try:
        if token is not None:
            _check_token(conn, token)
        else:
            _wait_for_writers(conn, writers_seconds)
        yield
    finally:
        with suppress(psycopg.OperationalError):  # a lost connection has lost the locks with it
            conn.execute("select set_config('application_name', %s, false)", [before])
            conn.execute(
                "select pg_advisory_unlock(classid::integer, objid::integer) from pg_locks where pid = pg_backend_pid()"
                " and locktype = 'advisory' and classid = %s and objid in (%s, %s) and objsubid = 2 and granted",
                [LOCK_SPACE, RUN_LOCK, WRITE_LOCK],
            )


def let_writers_in(conn: psycopg.Connection[Any], holder: str) -> int:
    """Let other connections write for this run, which holds the run lock here; returns the token that they need."""
    token = secrets.randbits(62)
    conn.execute(
        "insert into ops.current_run (token, holder, since) values (%s, %s, clock_timestamp())"
        " on conflict (is_only) do update set token = excluded.token, holder = excluded.holder, since = excluded.since",
        [token, holder],
    )
    conn.execute("select pg_advisory_unlock(%s, %s)", [LOCK_SPACE, WRITE_LOCK])
    return token


def join_run(conn: psycopg.Connection[Any], token: int) -> None:
    """Let this connection write for the run of that token, for as long as it lives.

    Raises:
        TakenOver: another run has begun since.
    """
    try:
        conn.execute("select ops.join_run(%s, true)", [token])
    except psycopg.DatabaseError as error:
        if error.sqlstate != _TAKEN_OVER:
            raise
        raise TakenOver(error.diag.message_primary or "another run has taken over") from None


def _try_lock(conn: psycopg.Connection[Any], number: int) -> bool:
    return fetch_one(conn.execute("select pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, number]))[0]


def _wait_for_writers(conn: psycopg.Connection[Any], seconds: float) -> None:
    """Take the writers' lock. It is tried again and again: a request that waits would make new writers wait, too."""
    deadline = time.monotonic() + seconds
    while not _try_lock(conn, WRITE_LOCK):
        if time.monotonic() >= deadline:
            pids = ", ".join(
                str(pid)
                for (pid,) in conn.execute(
                    "select pid from pg_locks where locktype = 'advisory' and classid = %s and objid = %s and granted"
                    " and database = (select oid from pg_database where datname = current_database()) order by pid",
                    [LOCK_SPACE, WRITE_LOCK],
                )
            )
            raise Busy(
                f"an earlier run has lost its lock and still writes (server process {pids}): wait for it to end, or "
                "end it with `select pg_terminate_backend(…)`"
            )
        time.sleep(0.1)


def _check_token(conn: psycopg.Connection[Any], token: int) -> None:
    current = conn.execute("select token, holder from ops.current_run").fetchone()
    if current is not None and current[0] != token:
        raise TakenOver(f"this run has lost its lock, and another has taken over: {current[1]}")


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
    name, user, pid, since = holder
    return f"{name or 'a connection'} (user {user}, server process {pid}, since {since} UTC)"


def _holder(conn: psycopg.Connection[Any]) -> tuple[str | None, str | None, int, str | None] | None:
    """Who holds the run lock: application name, user, server process, and since when."""
    return conn.execute(
        """
        select
            holder.application_name, holder.usename, holder.pid,
            to_char(holder.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
        from pg_locks
        inner join pg_stat_activity as holder using (pid)
        where locktype = 'advisory' and classid = %s and objid = %s and objsubid = 2 and granted
            and database = (select oid from pg_database where datname = current_database())
        """,
        [LOCK_SPACE, RUN_LOCK],
    ).fetchone()
