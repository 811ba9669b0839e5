"""PostgreSQL's own tools (psql, pg_dump, pg_restore) on a database: those that the embedded server's wheel brings.

They are as new as the server, which an installed pg_dump may not be: it refuses a server newer than itself.
"""

import os
import subprocess
import tempfile
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
    with suppress(KeyboardInterrupt):  # the signal is for psql, which gets it from the terminal as well
        return subprocess.run([_tool(database, "psql"), *arguments], env=_environment(database), check=False).returncode
    return 130


def dump(database: Database, file: Path) -> None:
    """Write our schemas to a file in PostgreSQL's archive format; the file appears when it is whole.

    If it is a link, the file that it leads to is written.

    Raises:
        UserError: it can't be written or is something else than a file, or pg_dump fails.
    """
    if file.exists() and not file.is_file():
        raise UserError(f"{file} is there and is no file: name one in a folder of yours")
    file = file.resolve()
    unfinished = file.with_name(f"{file.name}.unfinished")
    schemas = [f"--schema={name}" for name in SCHEMAS]
    try:
        unfinished.touch(mode=0o600)
        run_tool(database, "pg_dump", "--format=custom", *schemas, f"--file={unfinished}")
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}): name a file in a folder of yours") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def restore(database: Database, file: Path) -> None:
    """Put back what `dump` has written, in place of our schemas, in one transaction.

    Raises:
        UserError: the file can't be read, is no such archive or one of another database; the database is as it was.
    """
    contents = run_tool(database, "pg_restore", "--list", str(file))
    if not all(f" TABLE {table} " in contents for table in ("raw portfolios", "ops schema_migrations")):
        raise UserError(f"{file} is the archive of another database: give one that `db dump` has written")
    # The archive is read to its end first: a damaged one must be noticed before anything is dropped.
    script = None
    try:
        opened, name = tempfile.mkstemp(suffix=".sql", prefix=f"{file.name}.", dir=file.parent)
        os.close(opened)
        script = Path(name)
        run_tool(database, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
        drop = f"drop schema if exists {', '.join(SCHEMAS)} cascade"
        quiet = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--single-transaction")
        run_tool(database, "psql", *quiet, f"--command={drop}", f"--file={script}")
    except OSError as error:
        raise UserError(
            f"{file.parent} cannot be written to ({error.strerror}): copy {file} to a folder of yours"
        ) from None
    finally:
        if script:
            script.unlink(missing_ok=True)


def count_portfolios(conn: psycopg.Connection[Any]) -> int:
    """How many portfolios are loaded, also in a database that has no table for them yet."""
    if fetch_one(conn.execute("select to_regclass('raw.portfolios')"))[0] is None:
        return 0
    return fetch_one(conn.execute("select count(*) from raw.portfolios where deleted_at is null"))[0]


def run_tool(database: Database, tool: str, *arguments: str) -> str:
    """Run a tool that asks nothing; returns what it printed, and raises UserError with its reason where it fails."""
    done = subprocess.run(
        [_tool(database, tool), *arguments],
        env=_environment(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        reason = next((line for line in lines if "rror" in line), lines[0] if lines else "it gives no reason")
        raise UserError(f"{tool} failed, and the database is as it was: {reason.strip()}")
    return done.stdout


def _tool(database: Database, name: str) -> str:
    """The path of a tool that fits the server: of its own major version, or the next newer one that we have."""
    with database.connect() as conn:
        version = conn.info.server_version // 10_000
    fitting = min((each for each in BINARIES if each >= version), default=max(BINARIES))
    return str(find_binaries(fitting) / name)


def _environment(database: Database) -> dict[str, str]:
    return {**os.environ, **database.libpq_environment()}
