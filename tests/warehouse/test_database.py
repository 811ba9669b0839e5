"""Ways to the database: URLs and DSNs, the environment for other clients, and refusals that keep the password."""

import os
import signal
import time
import traceback

import psycopg
import psycopg2
import pytest
from pydantic import SecretStr

import warehouse.database
from warehouse.database import Database, libpq_url, open_database
from warehouse.errors import UserError
from warehouse.settings import Settings


def settings_with(url: str) -> Settings:
    return Settings(_env_file=None).model_copy(update={"database_url": SecretStr(url)})


def test_connects_with_autocommit_utc_and_statements_that_end_with_their_client(database):
    with database.connect("somebody") as conn:
        assert conn.autocommit
        shown = [
            conn.execute(f"show {name}").fetchone()[0]
            for name in ("timezone", "client_connection_check_interval", "application_name")
        ]
    assert shown == ["UTC", "2s", "somebody"]


def test_the_environment_brings_another_client_here(database, monkeypatch):
    environment = database.libpq_environment()
    assert set(environment) == {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    other = psycopg2.connect("")
    with other, other.cursor() as cursor:
        cursor.execute("select current_database()")
        assert cursor.fetchone() == (environment["PGDATABASE"],)
    other.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://an%40n:s%2F3%40cret@db.example:6543/pr%20od?sslmode=require&connect_timeout=3",
        "postgresql:///pr%20od?host=db.example&port=6543&user=an%40n&password=s%2F3%40cret&sslmode=require&connect_timeout=3",
        "host=db.example port=6543 user=an@n password=s/3@cret dbname='pr od' sslmode=require connect_timeout=3",
    ],
)
def test_the_environment_of_a_url_in_any_form(url):
    assert Database(url, embedded=False).libpq_environment() == {
        "PGHOST": "db.example",
        "PGPORT": "6543",
        "PGUSER": "an@n",
        "PGPASSWORD": "s/3@cret",
        "PGDATABASE": "pr od",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "3",
    }


def test_a_url_says_what_its_parameters_say():
    parameters = {
        "host": "/run/a b",
        "port": "5432",
        "user": "a:n@n",
        "password": "p/?#%",
        "dbname": "d/b",
        "options": "-c x=1",
    }
    assert psycopg.conninfo.conninfo_to_dict(libpq_url(parameters)) == parameters
    assert libpq_url({"host": "/run/x", "dbname": "d"}) == "postgresql:///d?host=%2Frun%2Fx"


def test_a_server_of_ones_own_is_used_as_it_is(database):
    environment = database.libpq_environment()
    dsn = f"host={environment['PGHOST']} user={environment['PGUSER']} dbname={environment['PGDATABASE']}"
    with open_database(settings_with(dsn)) as given:
        assert not given.embedded
        assert given.libpq_environment() == environment
        with given.connect() as conn:
            assert conn.info.dbname == environment["PGDATABASE"]


def test_an_old_server_is_refused(database, monkeypatch):
    monkeypatch.setattr(warehouse.database, "OLDEST_VERSION", 99)
    with pytest.raises(UserError, match=r"leads to PostgreSQL 1[68]\.\d+, and 99 or newer is needed"):
        open_database(settings_with(database.url)).__enter__()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ann:s3cret@127.0.0.1:1/prod", "port 1 failed: Connection refused"),
        ("postgresql://ann:s3cret@127.0.0.1:123456/prod", "invalid port number"),
        ("postgresql://ann:s3cret%zz@127.0.0.1/prod", "cannot be read"),
        ("postgresql+psycopg2://ann:s3cret@127.0.0.1/prod", "cannot be read"),
        ("postgresql://ann:p@s3cret@127.0.0.1/prod", "cannot be read"),
        ("postgresql://ann:1/s3cret@127.0.0.1/prod", "cannot be read"),
        ("postgresql://ann:s3cret/prod", "cannot be read"),
        ("s3cret", "cannot be read"),
    ],
)
def test_a_refusal_is_one_line_without_the_password(url, said):
    with pytest.raises(UserError, match=said) as refusal:
        open_database(settings_with(url)).__enter__()
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "DATABASE_URL" in str(refusal.value)
    assert "s3cret" not in "".join(traceback.format_exception(refusal.value))


def test_the_url_does_not_show():
    assert "s3cret" not in repr(Database("postgresql://ann:s3cret@db/prod", embedded=False))


def test_a_missing_database_is_one_line(database):
    with pytest.raises(UserError, match='database "no_such" does not exist'):
        Database(
            libpq_url({**psycopg.conninfo.conninfo_to_dict(database.url), "dbname": "no_such"}), embedded=True
        ).connect()


def test_a_database_by_name_is_embedded_whatever_the_settings_say(short_folder):
    settings = settings_with("postgresql://ann@127.0.0.1:1/prod").model_copy(update={"home": short_folder / "named"})
    for _ in range(2):
        with open_database(settings, name='de"mo') as database, database.connect() as conn:
            assert database.embedded
            assert conn.execute("select current_database()").fetchone() == ('de"mo',)


def test_an_embedded_server_that_has_stopped_says_why(short_folder):
    settings = settings_with("").model_copy(update={"home": short_folder / "stopped", "database_url": None})
    log = settings.home / "postgres" / "server.log"
    with open_database(settings) as database:
        with database.connect() as conn:
            assert conn.execute("select").rowcount == 1
        os.kill(int((log.parent / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        while not (gone := database.server.last_words()):
            time.sleep(0.02)
        with log.open("a") as file:  # as when a disk is full
            print("2024-01-02 [1]  PANIC:  could not write to file: No space left on device", file=file)
            print("2024-01-02 [2]  LOG:  database system is shut down", file=file)
        with pytest.raises(UserError) as refusal:
            database.connect()
    assert gone.endswith(f"see {log}")
    assert str(refusal.value) == (
        "PostgreSQL has stopped: 2024-01-02 [1]  PANIC:  could not write to file: No space left on device: make room: "
        f"see {log}: put that right and run it again"
    )


ODD = {
    "datestyle": "German",
    "timezone": "Asia/Tokyo",
    "default_transaction_read_only": "on",
    "array_nulls": "off",
    "extra_float_digits": "-3",
    "intervalstyle": "iso_8601",
    "statement_timeout": "5s",
    "idle_session_timeout": "200ms",
}


def test_what_a_database_is_set_to_does_not_matter(conn, database):
    """Neither to our connections nor to those of dbt."""
    for name, value in ODD.items():
        conn.execute(f"alter database {conn.info.dbname} set {name} = '{value}'")
    names = list(ODD)
    shown = "select name, setting from pg_settings where name = any(%s) order by name"
    with database.connect() as ours:
        time.sleep(0.4)
        assert ours.execute("select array[null, '2024-01-02'::date::text, pi()::text]").fetchone() == (
            [None, "2024-01-02", "3.141592653589793"],
        )
        ours.execute("create table written (id integer)")
        found = ours.execute(shown, [[name.lower() for name in names]]).fetchall()
    environment = database.libpq_environment()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        other = psycopg2.connect("")
        with other, other.cursor() as cursor:
            cursor.execute(shown, [names])
            assert [(name, value) for name, value in cursor.fetchall()] == found
        other.close()
