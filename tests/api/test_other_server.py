"""The API on a server that dies and comes back, and under a login that may read and nothing else."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nightly.readiness import check_contents
from tests.api.conftest import Serve, wait_until
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import READER, grant_reader
from warehouse.postgres_tools import dump, restore
from warehouse.reader_rights import may_do_more_than_read
from warehouse.server import EmbeddedServer
from warehouse.settings import Settings

PATH = "/api/v1/portfolios/Core Growth"
LOGIN = "afterclose_api"


@pytest.fixture
def other_server(short_folder: Path, careless: dict[str, str]) -> EmbeddedServer:
    """A server of this module's own, with the logins that its database has."""
    return EmbeddedServer(short_folder / "other", Settings(_env_file=None).postgres_version, careless)


@pytest.fixture
def other_sample(short_folder: Path, other_server: EmbeddedServer, sample: Database) -> Iterator[Database]:
    """The sample there; the server stops with the test at the latest."""
    file = short_folder / "sample.dump"
    dump(sample, file)
    with other_server.running() as parameters:
        create_if_missing(parameters, "sample")
        database = Database(libpq_url({**parameters, "dbname": "sample"}), embedded=True)
        with database.connect() as conn:
            there_is = conn.execute("select from pg_roles where rolname = %s", [READER]).fetchone()
            if there_is is None:
                conn.execute(f"create role {READER}")
        restore(database, file)
        with database.connect() as conn:
            grant_reader(conn)
        yield database


def kill(database: Database) -> None:
    """End the server of a database as a lack of memory does, whoever is connected."""
    with database.connect() as conn:
        conn.autocommit = True
        # Commits are asynchronous here. Without this the server may come back without the last of them.
        conn.execute("checkpoint")
        data = Path(conn.execute("select current_setting('data_directory')").fetchone()[0])
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def test_a_server_that_is_gone_is_told_and_its_return_is_found(
    other_sample: Database, other_server: EmbeddedServer, serve: Serve
):
    client = serve(other_sample)
    before = client.get(PATH)
    assert before.status_code == 200
    kill(other_sample)
    wait_until(lambda: client.get("/readyz").status_code == 503)
    for path in (PATH, f"{PATH}/positions?as_of=2016-06-06", f"{PATH}/history?format=csv", "/readyz"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/healthz").status_code == 200, "the process lives"
    other_server.revive()
    wait_until(lambda: client.get("/readyz").status_code == 200)
    again = client.get(PATH)
    assert (again.status_code, again.content) == (200, before.content)
    for path in (f"{PATH}/positions", f"{PATH}/history?format=csv", f"{PATH}/stress-tests"):
        assert client.get(path).status_code == 200, path


def test_a_login_that_may_only_read_is_enough(
    short_folder: Path, other_sample: Database, other_server: EmbeddedServer, serve: Serve
):
    with other_sample.connect() as conn:
        rules = Path(conn.execute("select current_setting('hba_file')").fetchone()[0])
        # the embedded server lets in only its owner; another server has passwords
        rules.write_text(f"local all {LOGIN} trust\nlocal all writer trust\n{rules.read_text()}")
        conn.execute("select pg_reload_conf()")
        conn.execute(f"create role {LOGIN} login in role {READER}")
        conn.execute("create role writer login; grant usage on schema analytics to writer")
        conn.execute("grant insert on all tables in schema analytics to writer")
    urls = {name: make_conninfo(other_sample.url, user=name) for name in (LOGIN, "writer")}
    for name, url in urls.items():
        with psycopg.connect(url) as conn:
            assert conn.execute("select session_user::text").fetchone() == (name,)
            told = may_do_more_than_read(conn)
            assert (told is None) is (name == LOGIN)
            for query in ("select * from raw.portfolios", "select * from ops.api_tokens", "create table x (y int)"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                    conn.execute(query)
    served, own = serve(Database(urls[LOGIN], embedded=False)), serve(other_sample)
    paths = [path.format(portfolio="Core Growth", symbol="AAPL") for path in served.app.openapi()["paths"]]
    for path in (*paths, f"{PATH}/positions/history?format=csv", "/", "/status"):
        one, other = served.get(path), own.get(path)
        assert one.status_code == other.status_code, path
        if path != "/status":
            assert one.content == other.content, path

    def told_by_check(url: str) -> tuple[str, str]:
        settings = Settings(_env_file=None, AFTERCLOSE_API_DATABASE_URL=url, AFTERCLOSE_HOME=str(short_folder / "home"))
        with other_sample.connect() as conn:
            (check,) = (each for each in check_contents(conn, settings, datetime.now(UTC)) if each.name == "API")
        return check.verdict, check.finding

    assert told_by_check(urls[LOGIN]) == ("ok", "reads schema analytics and can do no more")
    status, detail = told_by_check(urls["writer"])
    assert status == "warning" and "writer may change tables" in detail and "AFTERCLOSE_API_DATABASE_URL" in detail
