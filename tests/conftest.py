"""A real PostgreSQL for every test: one embedded server for the session, one database for each test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import migrate
from warehouse.server import EmbeddedServer
from warehouse.sessions import refresh_sessions
from warehouse.settings import PROJECT_ROOT, Settings

pytest_plugins = ["tests.fakes.fixtures", "tests.nightly.fixtures"]

# Creating and dropping a database for each test is mostly writing files.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
ROOM_FOR_TESTS = 4 * 2**30

_numbers = itertools.count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, the files of a package stay together too: they share what they set up."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadPackageScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.split("::", 1)[0])
            return str(file.parent if (PROJECT_ROOT / file.parent / "__init__.py").exists() else file)

    return LoadPackageScheduling(config, log)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A temporary folder that everybody may enter, as pytest's own may not be."""
    in_memory = SHARED_MEMORY.exists() and shutil.disk_usage(SHARED_MEMORY).free > ROOM_FOR_TESTS
    folder = Path(tempfile.mkdtemp(prefix="afterclose-tests-", dir=SHARED_MEMORY if in_memory else None)).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_tests(short_folder: Path) -> Iterator[None]:
    """No test reaches the database or the keys of the person who runs it: set to nothing, they win over `.env`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PG")]:
            patch.delenv(name)
        for name in (*(field.alias for field in Settings.model_fields.values()), "FMP_API_KEY", "POLYGON_API_KEY"):
            patch.setenv(name, os.environ.get(name, "") if name == "AFTERCLOSE_POSTGRES_VERSION" else "")
        patch.setenv("AFTERCLOSE_HOME", str(short_folder / "home"))
        yield


@pytest.fixture(scope="session")
def careless() -> dict[str, str]:
    """Settings of a server whose data may be lost in a power cut."""
    return {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}


@pytest.fixture(scope="session")
def calendar_day() -> date:
    """The day whose calendar the tests find: today, so that a command which asks for it has nothing to refresh."""
    return datetime.now(ZoneInfo("America/New_York")).date()


@pytest.fixture(scope="session")
def server(short_folder: Path, careless: dict[str, str]) -> Iterator[dict[str, str]]:
    """The libpq parameters of a server for the whole session."""
    version = Settings(_env_file=None).postgres_version
    with EmbeddedServer(short_folder / "server", version, careless).running() as parameters:
        yield parameters


@pytest.fixture(scope="session")
def template(server: dict[str, str], calendar_day: date) -> str:
    """The name of a migrated database with the trading sessions in it."""
    create_if_missing(server, "template")
    with Database(libpq_url({**server, "dbname": "template"}), embedded=True).connect() as conn:
        migrate(conn)
        refresh_sessions(conn, calendar_day)
    return "template"


@pytest.fixture
def database(server: dict[str, str], template: str) -> Iterator[Database]:
    """A database of the test's own, migrated, with the trading sessions in it."""
    name = f"test_{next(_numbers)}"
    with Database(libpq_url({**server, "dbname": "postgres"}), embedded=True).connect() as maintenance:
        maintenance.execute(f"create database {name} template {template} strategy file_copy")
        yield Database(libpq_url({**server, "dbname": name}), embedded=True)
        maintenance.execute(f"drop database {name} with (force)")


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the test's database, with autocommit on."""
    with database.connect("afterclose tests") as connection:
        yield connection


@pytest.fixture(scope="session")
def market_folder() -> Path:
    """The folder of real prices beside the project."""
    folder = PROJECT_ROOT.parent / "shared" / "data" / "market"
    if not (folder / "prices.csv.gz").exists():
        pytest.skip(f"no market data in {folder}")
    return folder
