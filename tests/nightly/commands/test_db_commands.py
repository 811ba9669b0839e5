"""The commands of `db`."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from nightly import cli
from nightly.commands.db import db
from nightly.invocation import as_typed
from warehouse import postgres_tools
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
    assert run("start") == f"PostgreSQL {version} runs in {home}; stop it with: {as_typed()} db stop\n"
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


def test_a_backup_comes_back_as_it_was_and_never_over_portfolios_unasked(night, monkeypatch, tmp_path: Path, capfd):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    everything = "select md5(string_agg(t::text, ',' order by t::text)) from analytics.position_values as t"
    before = night.rows(everything)
    file = tmp_path / "a backup.dump"
    assert cli.main(["db", "dump", str(file)]) == 0
    assert file.stat().st_mode & 0o077 == 0
    night.execute("delete from analytics.position_values; create table analytics.newer (id integer)")
    assert cli.main(["db", "restore", str(file)]) == 2
    assert "2 portfolios, which" in capfd.readouterr().err
    assert cli.main(["db", "restore", "--replace", str(file)]) == 0
    assert night.rows(everything) == before
    assert night.rows("select to_regclass('analytics.newer')") == [(None,)]
    assert night.rows("select has_schema_privilege('afterclose_reader', 'analytics', 'usage')") == [(True,)]
    assert night.run("run").errors == []


def test_a_torn_backup_changes_nothing(night, monkeypatch, tmp_path: Path, capfd):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "torn.dump"
    assert cli.main(["db", "dump", str(file)]) == 0
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert cli.main(["db", "restore", "--replace", str(file)]) == 2
    assert "pg_restore failed, and the database is as it was" in capfd.readouterr().err
    assert night.rows("select count(*) from raw.portfolios") == [(2,)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["torn.dump"]
    assert cli.main(["db", "restore", str(tmp_path / "none")]) == 2
    assert "does not exist" in capfd.readouterr().err


def test_only_a_backup_of_ours_is_restored_and_only_a_file_is_written(night, monkeypatch, tmp_path: Path, capfd):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    other, beside = tmp_path / "other.dump", tmp_path / "other.dump.sql"
    beside.write_text("mine")
    postgres_tools.run_tool(night.database, "pg_dump", "--format=custom", "--schema=staging", f"--file={other}")
    assert cli.main(["db", "restore", "--replace", str(other)]) == 2
    assert f"{other} is the archive of another database" in capfd.readouterr().err
    assert night.rows("select count(*) from raw.portfolios") == [(2,)]

    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    assert cli.main(["db", "dump", str(pipe)]) == 2
    assert "is there and is no file" in capfd.readouterr().err
    link.symlink_to(other)
    assert cli.main(["db", "dump", str(link)]) == 0
    assert link.is_symlink()
    assert cli.main(["db", "restore", "--replace", str(other)]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "other.dump", "other.dump.sql", "pipe"]
    assert beside.read_text() == "mine"


def test_psql_is_on_the_database_and_ends_with_its_own_status(night, monkeypatch, capfd):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["db", "psql", "-At", "-c", "select count(*) from raw.portfolios"]) == 0
    assert capfd.readouterr().out == "2\n"
    assert cli.main(["db", "psql", "-c", "select nothing"]) == 1
