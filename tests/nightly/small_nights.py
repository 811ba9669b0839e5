"""The dates of the small market, and a night to run on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from nightly.record import RunRecord
from warehouse.database import Database, libpq_url
from warehouse.settings import Settings

NAME = "nightly"
ROLLED_TO = date(2024, 2, 14)
NEXT_SESSION = date(2024, 2, 15)
# 18:30 in New York on the session after the last one rolled.
TONIGHT = datetime(2024, 2, 15, 23, 30, tzinfo=UTC)
LAST_PRICE = date(2024, 2, 16)


@dataclass(frozen=True)
class Night:
    """A database and settings to run nights with."""

    database: Database
    settings: Settings

    def run(self, command: str = "run", now: datetime = TONIGHT, **request: Any) -> RunRecord:
        """Run a night as the command line does."""
        return run_night(self.database, self.settings, Request(command, **request), now, Progress())

    def refuse_writes(self, table: str) -> None:
        """Let whoever adds or changes a row of the table fail with "no room", until the trigger `refuse` is dropped."""
        self.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;"
            f"create trigger refuse before insert or update on {table} execute function refuse()"
        )

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.database.connect() as conn:
            return conn.execute(query, parameters).fetchall()

    def execute(self, statement: str) -> None:
        """Change the database."""
        with self.database.connect() as conn:
            conn.execute(statement)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to run on this database."""
        return {
            "DATABASE_URL": self.database.url,
            "AFTERCLOSE_HOME": str(self.settings.home),
            "AFTERCLOSE_PROVIDERS": self.settings.providers,
        }


@contextmanager
def copy_of(server: dict[str, str], source: str, settings: Settings) -> Iterator[Night]:
    """A copy of a database, dropped afterwards; one at a time."""
    with maintenance(server) as conn:
        conn.execute(f"create database {NAME} template {source} strategy file_copy")
        try:
            yield Night(Database(libpq_url({**server, "dbname": NAME}), embedded=True), settings)
        finally:
            conn.execute(f"drop database {NAME} with (force)")


def maintenance(server: dict[str, str]) -> psycopg.Connection[Any]:
    """A connection that makes and drops databases."""
    return Database(libpq_url({**server, "dbname": "postgres"}), embedded=True).connect()
