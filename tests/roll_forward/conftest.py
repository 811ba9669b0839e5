"""A database with dbt's seeds and models in it, all empty, made once; each module rolls a copy of its own.

The copies all bear one name, one after the other: dbt's parsed project belongs to a database of that name, and parsing
costs seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from nightly.dbt.runner import Dbt
from nightly.output.progress import Progress
from nightly.prepare import prepare_seeds
from tests.roll_forward.books import MODELS, Warehouse
from tests.roll_forward.random_books import FIRST, LAST
from tests.wire import PORT, Wire
from warehouse.database import Database, libpq_url
from warehouse.sessions import sessions_between

NAME = "roll_forward"
PREPARED = "roll_forward_prepared"

Copies = Callable[[], AbstractContextManager[Warehouse]]


@pytest.fixture(scope="session")
def home(short_folder: Path) -> Path:
    """The folder of the settings, in which dbt's parse cache is."""
    return short_folder / "roll_forward"


@pytest.fixture(scope="session")
def copies(server: dict[str, str], template: str, home: Path) -> Copies:
    """A context that makes a warehouse with nothing in it but seeds, and drops it; one at a time."""
    database = Database(libpq_url({**server, "dbname": NAME}), embedded=True)
    warehouse = Warehouse(database, Dbt(database, home / "dbt"))
    with maintenance(server) as conn:
        conn.execute(f"create database {NAME} template {template} strategy file_copy")
        with database.connect() as seeding:
            prepare_seeds(seeding, warehouse.dbt, Progress())
        warehouse.roll("tag:views", *MODELS)
        conn.execute(f"alter database {NAME} rename to {PREPARED}")

    @contextmanager
    def copy() -> Iterator[Warehouse]:
        with maintenance(server) as conn:
            conn.execute(f"create database {NAME} template {PREPARED} strategy file_copy")
            try:
                yield warehouse
            finally:
                conn.execute(f"drop database {NAME} with (force)")

    return copy


@pytest.fixture(scope="session")
def wire(server: dict[str, str], short_folder: Path) -> Iterator[Wire]:
    """The way to the server for all clients but those that look on."""
    folder = short_folder / "wire"
    folder.mkdir()
    with Wire(server, folder).open() as wire:
        yield wire


@pytest.fixture(scope="session")
def wired(server: dict[str, str], short_folder: Path, home: Path, wire: Wire) -> Warehouse:
    """The warehouse at the far end of the wire."""
    parameters = {**server, "host": str(short_folder / "wire"), "port": PORT, "dbname": NAME}
    database = Database(libpq_url(parameters), embedded=True)
    return Warehouse(database, Dbt(database, home / "dbt"))


@pytest.fixture(scope="session")
def sessions(server: dict[str, str], template: str) -> list[date]:
    """The sessions of the random books, and the one after them."""
    with Database(libpq_url({**server, "dbname": template}), embedded=True).connect() as conn:
        return sessions_between(conn, FIRST, LAST + timedelta(days=5))


def maintenance(server: dict[str, str]) -> psycopg.Connection[Any]:
    """A connection that makes and drops databases."""
    return Database(libpq_url({**server, "dbname": "postgres"}), embedded=True).connect()
