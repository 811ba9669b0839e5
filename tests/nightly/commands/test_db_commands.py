"""`db start`, `stop`, `url` and `env`."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from nightly.commands.db import db
from warehouse.errors import UserError
from warehouse.settings import load_settings


@pytest.fixture
def home(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = short_folder / "a home for $HOME"
    monkeypatch.setenv("AFTERCLOSE_HOME", str(home))
    yield home
    run("stop")


def run(command: str) -> str:
    result = CliRunner().invoke(db, [command], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_start_url_env_and_stop(home):
    version = load_settings().postgres_version
    assert run("start") == f"PostgreSQL {version} runs in {home}; stop it with: python run_nightly.py db stop\n"
    url = run("url")
    assert url.count("\n") == 1
    with psycopg.connect(url.strip()) as conn:
        assert conn.execute("select count(*) from ops.schema_migrations").fetchone()[0] > 0
        assert conn.execute("select count(*) from pg_roles where rolname = 'afterclose_reader'").fetchone() == (1,)
    shell = subprocess.run(
        ["sh", "-c", f"{run('env')}\nenv"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    exported = dict(line.split("=", 1) for line in shell.stdout.splitlines() if line.startswith("PG"))
    with psycopg.connect(
        **{name.removeprefix("PG").lower().replace("database", "dbname"): exported[name] for name in exported}
    ):
        pass
    assert run("stop") == "PostgreSQL is stopped\n"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.strip())
    assert run("stop") == "PostgreSQL is stopped\n"


def test_url_alone_starts_it_and_leaves_it_running(home):
    with psycopg.connect(run("url").strip()) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_server_of_ones_own_is_not_ours(command, monkeypatch, database):
    monkeypatch.setenv("DATABASE_URL", database.url)
    with pytest.raises(UserError, match="DATABASE_URL is set: that server is not ours to start or stop"):
        run(command)


def test_url_and_env_of_a_server_of_ones_own(monkeypatch, database):
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert run("url") == f"{database.url}\n"
    assert f"export PGDATABASE={database.libpq_environment()['PGDATABASE']}\n" in run("env")
