"""A reader reads: it makes nothing in the database, and holds no lock that a night waits for."""

import psycopg
import pytest

from warehouse.locks import LOCK_SPACE, RUN_LOCK, run_lock
from warehouse.migrate import READER, grant_reader


@pytest.fixture
def reader(conn, database):
    grant_reader(conn)
    with database.connect() as connection:
        connection.execute(f"set role {READER}")
        yield connection


@pytest.mark.parametrize(
    "attempt",
    [
        "create temp table mine (filled text)",
        "create table analytics.mine (filled text)",
        "create table public.mine (filled text)",
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'x')",
        f"select pg_advisory_lock({LOCK_SPACE}, {RUN_LOCK})",
        f"select pg_try_advisory_lock({LOCK_SPACE}, {RUN_LOCK})",
        f"select pg_try_advisory_xact_lock_shared({LOCK_SPACE}, {RUN_LOCK})",
    ],
)
def test_a_reader_makes_and_locks_nothing(reader, attempt):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(attempt)


def test_the_owner_keeps_what_a_run_needs_and_nothing_is_done_twice(conn, database):
    """Also an owner who is no superuser, on a server where a superuser has set things up."""
    name = conn.info.dbname
    conn.execute("create role plain_owner login")
    try:
        conn.execute(f"alter database {name} owner to plain_owner")
        grant_reader(conn)
        before = conn.execute("select proacl from pg_proc where proname = 'pg_advisory_lock'").fetchall()
        grant_reader(conn)
        assert conn.execute("select proacl from pg_proc where proname = 'pg_advisory_lock'").fetchall() == before
        with database.connect() as owner:
            owner.execute("set role plain_owner")
            owner.execute("create temp table mine (filled text)")
            with run_lock(owner, "a run"):
                pass
            owner.execute("drop table mine")
    finally:
        conn.execute(f"alter database {name} owner to current_user")
        conn.execute("drop owned by plain_owner")
        conn.execute("drop role plain_owner")
