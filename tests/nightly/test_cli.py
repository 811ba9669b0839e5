"""The command line: what it says, how fast, what it imports, and its exit status before anything was started."""

import importlib
import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from nightly import cli
from warehouse.database import Database
from warehouse.locks import run_lock
from warehouse.settings import PROJECT_ROOT

HEAVY = ("dbt", "pandas", "numpy", "exchange_calendars", "sklearn")


def run_cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run_nightly.py", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def imported_by(*arguments: str, **environment: str) -> set[str]:
    """The packages that a command has imported when it ends."""
    script = (
        "import sys, json; from nightly.cli import main; status = main(sys.argv[1:]);"
        "print(json.dumps([status, sorted({name.partition('.')[0] for name in sys.modules})]), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    status, packages = json.loads(ended.stderr.splitlines()[-1])
    assert status == 0, ended.stderr
    return set(packages)


def test_help_names_every_command_and_explains_the_exit_status():
    shown = run_cli("--help")
    assert shown.returncode == 0
    for name in ("run", "backfill", "analytics", "check", "status", "show", "load", "db", "dbt", "demo"):
        assert f"\n  {name} " in shown.stdout
    assert "Exit status" in shown.stdout


def test_an_output_that_ends_early_or_has_no_room_leaves_no_traceback(night):
    def said_by(command: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=PROJECT_ROOT,
            env={**os.environ, **night.environment()},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return ended.returncode, ended.stderr

    program = f"{shlex.quote(sys.executable)} run_nightly.py"
    status, told = said_by(f"{program} status > /dev/full")
    assert (status, told.strip()) == (1, "error: the output: the disk is full: make room, and give the command again")
    status, told = said_by(f"{program} status --json | head -1")
    assert (status, told) == (0, "")
    status, told = said_by(f"{program} dbt -- ls | head -1")
    assert "Traceback" not in told
    assert "BrokenPipe" not in told


def test_help_answers_at_once():
    def processor_seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = processor_seconds()
    run_cli("--help")
    assert processor_seconds() - before < 0.3
    assert not imported_by("--help") & {*HEAVY, "psycopg", "pydantic", "rich"}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name: str):
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is getattr(importlib.import_module(cli.COMMANDS[name][0]), name)
    assert command.help.strip()
    assert not imported_by(name, "--help") & {*HEAVY}


def test_light_commands_stay_light(database: Database, small_book: Path):
    environment = {"DATABASE_URL": database.url}
    assert not imported_by("load", str(small_book), **environment) & {*HEAVY}
    assert not imported_by("status", **environment) & {*HEAVY}
    assert not imported_by("db", "env", **environment) & {*HEAVY}


def test_the_risk_models_alone_need_no_dbt(night):
    assert not imported_by("analytics", **night.environment()) & {"dbt", "pandas", "sklearn"}


def test_a_page_needs_no_numerics(night, tmp_path: Path):
    page = str(tmp_path / "page.html")
    assert not imported_by("show", "Growth", "--html", page, **night.environment()) & {*HEAVY}


def test_without_a_command_the_night_is_run(unrolled, monkeypatch: pytest.MonkeyPatch, capsys):
    for name, value in unrolled.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main([]) == 2
    assert "no portfolio is loaded" in capsys.readouterr().err
    assert cli.main(["--date", "2024-02-17"]) == 2
    assert "2024-02-17 is no NYSE session; nearest: 2024-02-16 and 2024-02-20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--date", "17.2.2024"], "write it like 2023-12-29"),
        (["run", "--date", "2027-01-04"], "has not closed yet, or less than half an hour ago; the latest is"),
        (["run", "--phase", "7"], "no phase 7; there are: 1 (Market Data Collection), 1.5 (Fundamental Data)"),
        (["run", "--phase", "2", "--from-phase", "2.5"], "not both"),
        (["run", "--portfolio", "Groth"], "--portfolio Groth: no such portfolio; there are: Growth, Income"),
        (
            ["backfill", "--end", "2027-01-04"],
            "--end 2027-01-04: the latest session that closed half an hour ago or earlier is",
        ),
        (["backfill", "--start", "2024-02-02", "--end", "2024-02-01"], "is after the end"),
        (["backfill", "--start", "2024-02-03", "--end", "2024-02-04"], "no session from 2024-02-03 to 2024-02-04"),
        (["status", "99"], "there is no run 99"),
        (["rnu"], "No such command 'rnu'. Did you mean run? There are: run, backfill,"),
        (["db", "dmup"], "No such command 'dmup'. Did you mean dump?"),
        (["STATUS", "99"], "there is no run 99"),
        (["run", "--portfolio", "gRowth", "--date", "2024-02-10"], "2024-02-10 is no NYSE session"),
        (["run", "--nope"], "No such option"),
    ],
)
def test_a_wrong_request_is_one_line_and_nothing_is_done(night, monkeypatch, capsys, arguments, said):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(arguments) == 2
    assert said in capsys.readouterr().err
    assert night.rows("select count(*) from ops.batch_runs") == [(1,)]


def test_a_second_run_says_which_one_holds_the_lock(night, monkeypatch, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    with night.database.connect() as other, run_lock(other, "backfill --start 2021-01-04"):
        for arguments in (["run"], ["backfill"], ["dbt", "--", "run"]):
            assert cli.main(arguments) == 2
            assert "another run holds the lock: backfill --start 2021-01-04" in capsys.readouterr().err
    assert night.rows("select count(*) from ops.batch_runs") == [(1,)]


def test_a_database_that_is_not_there_is_a_broken_setup():
    ended = run_cli("status", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: cannot connect to PostgreSQL")
    assert "Traceback" not in ended.stderr


def test_without_its_packages_it_says_how_to_install_them():
    ended = subprocess.run(
        [sys.executable, "-S", "run_nightly.py", "status"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: Afterclose is not installed for this Python: `make install`")
    assert len(ended.stderr.splitlines()) == 1
