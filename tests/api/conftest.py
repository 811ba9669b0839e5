"""The demo's sample, rolled and analysed once, and the API on copies of it."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import Options, create_app
from nightly import demo
from nightly.demo_database import demo_settings
from nightly.output.progress import Progress
from tests.nightly.small_nights import maintenance
from warehouse.database import Database, libpq_url
from warehouse.settings import Settings, load_settings

LOCAL = "http://127.0.0.1:8750"
PATIENCE_SECONDS = 120

_copies = itertools.count(1)


@pytest.fixture(scope="session")
def sample_settings(short_folder: Path) -> Settings:
    """The demo's settings, with a workspace for these tests."""
    return demo_settings(load_settings()).model_copy(update={"home": short_folder / "api"})


@pytest.fixture(scope="session")
def sample(server: dict[str, str], template: str, sample_settings: Settings) -> Database:
    """A database like the demo's: three portfolios, 378 sessions, risk of the last 20."""
    database = Database(libpq_url({**server, "dbname": "sample"}), embedded=True)
    with maintenance(server) as conn:
        conn.execute(f"create database sample template {template} strategy file_copy")
        now = datetime.now(UTC)
        demo.load_sample(database, now)
        run = demo.run_sample(database, sample_settings, now, Progress())
        assert not run.errors, run.problems
        # the template for copies; nobody may be connected to it
        conn.execute("create database untouched_sample template sample strategy file_copy")
    return database


@pytest.fixture
def own_sample(server: dict[str, str], sample: Database) -> Iterator[Database]:
    """A copy of it for one test."""
    name = f"sample_{next(_copies)}"
    with maintenance(server) as conn:
        conn.execute(f"create database {name} template untouched_sample strategy file_copy")
        yield Database(libpq_url({**server, "dbname": name}), embedded=True)
        conn.execute(f"drop database {name} with (force)")


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for it, though not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


Serve = Callable[..., TestClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a database, as on this machine unless told otherwise; ends with the test."""
    with ExitStack() as served:

        def begin(database: Database, **options: Any) -> TestClient:
            app = create_app(Options(database.url, **options))
            return served.enter_context(TestClient(app, base_url=LOCAL, raise_server_exceptions=False))

        yield begin


@pytest.fixture(scope="module")
def client(sample: Database) -> Iterator[TestClient]:
    """The API on the sample, which nobody changes."""
    with TestClient(create_app(Options(sample.url)), base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client
