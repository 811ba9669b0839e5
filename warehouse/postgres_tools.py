"""PostgreSQL's own tools (psql, pg_dump, pg_restore) on a database: those that the embedded server's wheel brings.

They are as new as the server, which an installed pg_dump may not be: it refuses a server newer than itself.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from warehouse.database import Database
from warehouse.errors import UserError
from warehouse.queries import fetch_one
from warehouse.server import BINARIES, find_binaries

SCHEMAS = ("raw", "ops", "staging", "intermediate", "analytics", "failed_checks")


def psql(database: Database, arguments: Sequence[str]) -> int:
    """Run psql on this process's own terminal and streams; returns its exit status."""
    with suppress(KeyboardInterrupt):  # it is psql's, which the terminal sends it as well
        return subprocess.run([_tool(database, "psql"), *arguments], env=_environment(database), check=False).returncode
    return 130


def dump(database: Database, file: Path) -> None:
    """Write our schemas to a file in PostgreSQL's archive format; the file appears when it is whole.

    Raises:
        UserError: it can't be written, or pg_dump fails.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    schemas = [f"--schema={name}" for name in SCHEMAS]
    try:
        unfinished.touch(mode=0o600)
        _run(database, "pg_dump", "--format=custom", *schemas, f"--file={unfinished}")
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}): name a file in a folder of yours") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def restore(database: Database, file: Path) -> None:
    """Put back what `dump` has written, in place of our schemas, in one transaction.

    Raises:
        UserError: the file can't be read or is no such archive; the database is as it was.
    """
    # Written out first: an archive that is torn must be found out before anything is dropped.
    script = file.with_name(f"{file.name}.sql")
    try:
        script.touch(mode=0o600)
        _run(database, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
        drop = f"drop schema if exists {', '.join(SCHEMAS)} cascade"
        quiet = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--single-transaction")
        _run(database, "psql", *quiet, f"--command={drop}", f"--file={script}")
    except OSError as error:
        raise UserError(f"{script} cannot be written ({error.strerror}): copy {file} to a folder of yours") from None
    finally:
        with suppress(OSError):
            script.unlink(missing_ok=True)


def count_portfolios(conn: psycopg.Connection[Any]) -> int:
    """How many portfolios are loaded, also in a database that has no table for them yet."""
    if fetch_one(conn.execute("select to_regclass('raw.portfolios')"))[0] is None:
        return 0
    return fetch_one(conn.execute("select count(*) from raw.portfolios where deleted_at is null"))[0]


def _run(database: Database, tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [_tool(database, tool), *arguments],
        env=_environment(database),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        reason = next((line for line in lines if "rror" in line), lines[0] if lines else "it gives no reason")
        raise UserError(f"{tool} failed, and the database is as it was: {reason.strip()}")


def _tool(database: Database, name: str) -> str:
    """The path of a tool that fits the server: of its own major version, or the next newer one that we have."""
    with database.connect() as conn:
        version = conn.info.server_version // 10_000
    fitting = min((each for each in BINARIES if each >= version), default=max(BINARIES))
    return str(find_binaries(fitting) / name)


def _environment(database: Database) -> dict[str, str]:
    return {**os.environ, **database.libpq_environment()}
