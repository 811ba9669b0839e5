"""Readers' statements and open transactions are bounded, for those who log in as one."""

import psycopg

from warehouse.migrate import READER, grant_reader
from warehouse.reader_limits import limit_readers
from warehouse.settings import load_settings

HERE = """
    from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())
    order by setrole::regrole::text
"""


def test_who_logs_in_as_a_reader_is_bounded_and_the_owner_is_not(conn: psycopg.Connection):
    grant_reader(conn)
    conn.execute("create role limited_analyst login in role afterclose_reader")
    try:
        settings = load_settings().model_copy(update={"reader_idle_seconds": 7, "reader_statement_seconds": 90})
        assert limit_readers(conn, settings) is None
        before = conn.execute(f"select xmin {HERE}").fetchall()
        assert limit_readers(conn, settings) is None
        assert conn.execute(f"select xmin {HERE}").fetchall() == before
        limits = ["idle_in_transaction_session_timeout=7s", "statement_timeout=90s"]
        assert conn.execute(f"select setrole::regrole::text, setconfig {HERE}").fetchall() == [
            (READER, limits),
            ("limited_analyst", limits),
        ]
    finally:
        conn.execute("drop owned by limited_analyst; drop role limited_analyst")


def test_who_may_not_change_roles_is_told(conn: psycopg.Connection):
    grant_reader(conn)
    conn.execute("create role humble_owner nologin")
    try:
        conn.execute("set role humble_owner")
        assert "not bounded" in (limit_readers(conn, load_settings()) or "")
    finally:
        conn.execute("reset role; drop role humble_owner")
