"""One run at a time for a database."""

from dataclasses import replace

import psycopg
import pytest

from warehouse.database import libpq_url
from warehouse.errors import Busy, TakenOver
from warehouse.locks import check_lock, let_writers_in, run_lock


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


def terminate(conn, holder):
    conn.execute("select pg_terminate_backend(%s, 5000)", [holder.info.backend_pid])


def test_a_lost_lock_never_leads_to_two_writers(database, conn):
    """What else the run has open keeps the next one out; once that has begun, the first may not come back."""
    ledger = database.connect()
    with run_lock(ledger, "run 17"):
        token = let_writers_in(ledger, "run 17")
        ours = replace(database, run_token=token)
        writer = ours.connect()
        terminate(conn, ledger)
        busy = rf"an earlier run has lost its lock and still writes \(server process {writer.info.backend_pid}\)"
        with pytest.raises(Busy, match=busy), run_lock(conn, "run 18", writers_seconds=0.2):
            pass
        with database.connect() as again, run_lock(again, "run 17", token=token), ours.connect():
            pass
        writer.close()
        with run_lock(conn, "run 18"):
            let_writers_in(conn, "run 18")
            with pytest.raises(TakenOver, match="another has taken over: run 18, since 20"):
                ours.connect()
        with (
            database.connect() as again,
            pytest.raises(TakenOver, match="another has taken over: run 18"),
            run_lock(again, "run 17", token=token),
        ):
            pass


def test_nobody_writes_for_a_run_before_it_lets_them_in(database, conn):
    with database.connect() as earlier, run_lock(earlier, "run 17"):
        token = let_writers_in(earlier, "run 17")
    with run_lock(conn, "run 18"), database.connect() as late:
        late.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            late.execute("select ops.join_run(%s, true)", [token])
