"""Migrations: once, in order, all or nothing, never edited; and the role that reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from warehouse.database import Database, libpq_url
from warehouse.errors import UserError
from warehouse.migrate import MIGRATIONS, grant_reader, migrate
from warehouse.server import EmbeddedServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations that have landed, in a folder that a test may change."""
    for file in MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    return tmp_path


@pytest.fixture
def reader(conn):
    """The name of the read-only role. Roles are the whole server's, where other tests' databases may have made it."""
    others = "afterclose_reader_of_other_tests"
    exists = conn.execute("select from pg_roles where rolname = 'afterclose_reader'").rowcount
    if exists:
        conn.execute(f"alter role afterclose_reader rename to {others}")
    yield "afterclose_reader"
    if conn.execute("select from pg_roles where rolname = 'afterclose_reader'").rowcount:
        conn.execute("drop owned by afterclose_reader")
        conn.execute("drop role afterclose_reader")
    if exists:
        conn.execute(f"alter role {others} rename to afterclose_reader")


def applied(conn) -> list[str]:
    return [name for (name,) in conn.execute("select name from ops.schema_migrations order by applied_at, name")]


def test_each_is_applied_once_and_recorded(conn):
    names = sorted(file.name for file in MIGRATIONS.glob("*.sql"))
    assert applied(conn) == names
    assert migrate(conn) == []
    assert applied(conn) == names


def test_numbers_are_unique():
    numbers = [file.name[:4] for file in MIGRATIONS.glob("*.sql")]
    assert len(numbers) == len(set(numbers))


def test_a_new_one_is_applied_with_its_percent_signs_and_many_statements(conn, folder):
    (folder / "9001_more.sql").write_text("create table ops.more (x text);\ninsert into ops.more values ('100 %s');")
    assert migrate(conn, folder) == ["9001_more.sql"]
    assert conn.execute("select x from ops.more").fetchall() == [("100 %s",)]
    assert migrate(conn, folder) == []


def test_one_that_fails_leaves_nothing_and_can_be_mended(conn, folder):
    broken = folder / "9001_more.sql"
    broken.write_text("create table ops.more (x text); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(conn, folder)
    assert "9001_more.sql" not in applied(conn)
    broken.write_text("create table ops.more (x text);")
    assert migrate(conn, folder) == ["9001_more.sql"]


def test_an_open_reader_is_waited_for_then_named_and_holds_up_no_other(conn, database, folder):
    """A migration that waited for its lock would keep all who come after it waiting."""
    (folder / "9001_more.sql").write_text("alter table analytics.portfolio_risk_metrics add column more text")
    with database.connect("a notebook") as reader, database.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute("set statement_timeout = '3s'")
        with reader.transaction():
            reader.execute("select from analytics.portfolio_risk_metrics")
            attempt = pool.submit(migrate, conn, folder, 1.0)
            while not attempt.done():
                other.execute("select from analytics.portfolio_risk_metrics")
            in_the_way = (
                r"migration 9001_more.sql can't change .*: a notebook of \S+ \(process \d+, idle in transaction"
            )
            with pytest.raises(UserError, match=in_the_way):
                attempt.result()
            patient = pool.submit(migrate, conn, folder)
        assert patient.result() == ["9001_more.sql"]
    assert conn.execute("show lock_timeout").fetchone() == ("0",)


def test_an_edited_one_is_refused(conn, folder):
    edited = folder / "0003_raw_market.sql"
    edited.write_text(edited.read_text() + "\n-- an afterthought")
    (folder / "9001_more.sql").write_text("create table ops.more (x text);")
    with pytest.raises(UserError, match=r"0003_raw_market\.sql was edited .* new migration"):
        migrate(conn, folder)
    assert "9001_more.sql" not in applied(conn)


def test_a_database_ahead_of_the_code_is_refused(conn, folder):
    (folder / "9001_more.sql").write_text("select 1;")
    migrate(conn, folder)
    with pytest.raises(UserError, match=r"has migration 9001_more\.sql, which this version does not know: update"):
        migrate(conn)


def test_without_the_right_to_create(conn, database):
    conn.execute("create role humble login")
    conn.execute("create database humble_home")
    try:
        with database.connect(dbname="humble_home") as other:
            other.execute("set role humble")
            with pytest.raises(UserError, match=r"may not change the database humble_home \(permission denied"):
                migrate(other)
    finally:
        conn.execute("drop database humble_home")
        conn.execute("drop role humble")


def test_a_database_that_is_somebody_elses(conn, database):
    conn.execute("create database theirs")
    try:
        with database.connect(dbname="theirs") as other:
            other.execute("create schema analytics")
            with pytest.raises(UserError, match=r'theirs is somebody else\'s \(schema "analytics" already exists\)'):
                migrate(other)
            assert not other.execute("select to_regnamespace('raw')").fetchone()[0]
    finally:
        conn.execute("drop database theirs")


def test_the_reader_reads_analytics_and_nothing_else(conn, reader):
    conn.execute("create table analytics.before as select 1 as x")
    assert grant_reader(conn) is None
    conn.execute("create table analytics.after as select 2 as x")
    conn.execute("create view analytics.seen as select count(*) as x from raw.positions")
    with conn.transaction():
        conn.execute(f"set local role {reader}")
        found = [conn.execute(f"select x from analytics.{name}").fetchone()[0] for name in ("before", "after", "seen")]
        assert found == [1, 2, 0]
        for statement in ("select from raw.positions", "select from ops.batch_runs", "delete from analytics.after"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(statement)


def test_granting_again_writes_nothing(conn, reader):
    grant_reader(conn)
    version = "select xmin from pg_namespace where nspname = 'analytics'"
    before = conn.execute(version).fetchone()
    assert grant_reader(conn) is None
    assert conn.execute(version).fetchone() == before


def test_where_roles_may_not_be_created_a_warning_says_so(conn, reader):
    conn.execute("create role humble")
    conn.execute("grant usage on schema analytics to humble")
    conn.execute("set role humble")
    assert grant_reader(conn) == (
        "role afterclose_reader could not be given schema analytics to read (permission denied to create role)"
    )
    conn.execute("reset role")
    conn.execute("drop owned by humble")
    conn.execute("drop role humble")


def test_a_schema_that_was_dropped_is_told(conn):
    with conn.transaction(force_rollback=True):
        conn.execute("drop schema analytics cascade")
        with pytest.raises(UserError, match="schema analytics has been dropped"):
            grant_reader(conn)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_refused_before_anything_is_made(conn, database, encoding):
    name = f"in_{encoding.lower()}"
    conn.execute(f"create database {name} encoding '{encoding}' locale 'C' locale_provider libc template template0")
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(database.url)
        with Database(libpq_url({**parameters, "dbname": name}), embedded=False).connect() as odd:
            with pytest.raises(UserError, match=f"{name} is in {encoding}, and names in all languages need UTF8"):
                migrate(odd)
            assert odd.execute("select to_regnamespace('raw')").fetchone() == (None,)
    finally:
        conn.execute(f"drop database {name} with (force)")


def test_a_database_whose_triggers_are_off_is_refused(conn):
    conn.execute("set session_replication_role = replica")
    with pytest.raises(UserError, match="session_replication_role is replica in the database"):
        migrate(conn)


@pytest.mark.slow
def test_a_read_only_standby_is_refused(tmp_path, careless):
    replicated = {**careless, "wal_level": "replica", "max_wal_senders": "2"}
    server = EmbeddedServer(tmp_path / "home", 18, replicated)
    with server.running():
        pass
    (server.home / "postgres" / "data" / "standby.signal").touch()
    with (
        server.running() as parameters,
        Database(libpq_url({**parameters, "dbname": "postgres"}), embedded=False).connect() as conn,
        pytest.raises(UserError, match=r"is a read-only standby: let DATABASE_URL lead to the primary"),
    ):
        migrate(conn)
