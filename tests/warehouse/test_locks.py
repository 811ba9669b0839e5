"""One run at a time for a database."""

import psycopg
import pytest

from warehouse.database import libpq_url
from warehouse.errors import Busy
from warehouse.locks import check_lock, run_lock


def test_a_second_run_learns_who_holds_the_lock(database, conn):
    with database.connect() as other:
        with (
            run_lock(other, "run 17 (2024-03-28)"),
            pytest.raises(Busy, match=r"run 17 \(2024-03-28\) .*since 20\d\d-\d\d-\d\d \d\d:\d\d UTC"),
            run_lock(conn, "run 18"),
        ):
            pass
        assert other.execute("show application_name").fetchone() == ("afterclose",)
        with run_lock(conn, "run 18"):
            pass


def test_a_failed_run_lets_go(database, conn):
    with database.connect() as other, pytest.raises(ZeroDivisionError), run_lock(other, "run 17"):
        raise ZeroDivisionError
    with run_lock(conn, "run 18"):
        pass


def test_a_killed_run_lets_go(database, conn):
    holder = database.connect()
    with run_lock(holder, "run 17"):
        conn.execute("select pg_terminate_backend(%s, 5000)", [holder.info.backend_pid])
        with run_lock(conn, "run 18"):
            pass


def test_another_database_has_a_lock_of_its_own(database, conn):
    elsewhere = libpq_url({**psycopg.conninfo.conninfo_to_dict(database.url), "dbname": "postgres"})
    with psycopg.connect(elsewhere, autocommit=True) as other, run_lock(other, "theirs"), run_lock(conn, "ours"):
        pass


def test_data_checks_wait_for_each_other_and_not_for_a_run(database, conn):
    conn.execute("set lock_timeout = '100ms'")
    with database.connect() as other:
        with check_lock(other), pytest.raises(psycopg.errors.LockNotAvailable), check_lock(conn):
            pass
        with run_lock(other, "run 18"), check_lock(conn):
            pass
