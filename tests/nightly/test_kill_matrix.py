"""Whatever is killed, at whatever moment: one ordinary run later all rows are what they would have been undisturbed.

Every row of `raw` and `analytics` is compared, risk included. The moments are random, and the same each time.
"""

import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.context import ForkServerProcess as Process
from pathlib import Path
from typing import Any

import pytest

from ingest.books.portfolios import load_folder
from nightly import cli
from tests.nightly.small_nights import NAME, NEXT_SESSION, ROLLED_TO, Night, copy_of, maintenance
from tests.nightly.twins import State, state, tonight, unlike
from warehouse.database import Database, libpq_url
from warehouse.migrate import MIGRATIONS, migrate
from warehouse.sessions import refresh_sessions
from warehouse.settings import Settings

MOMENTS, AT_ONCE = 20, 5

# Processes begin as copies of one that has imported everything. Otherwise half of each run would be imports, with
# nothing to kill.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["dbt.cli.main", "dbt.adapters.postgres", "nightly.night", "python_models.run", "ingest.market.collection"]
)


def command(arguments: list[str], environment: dict[str, str], output: Path) -> None:
    """A command of the command line, in a process of its own."""
    os.environ.update(environment)
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(cli.main(arguments))


@dataclass(frozen=True)
class Scenario:
    """What is killed, and what it finds: `prepare` changes a copy of a database, the rolled one or a new one."""

    arguments: tuple[str, ...]
    source: str = "rolled"
    prepare: Callable[[Night], None] = lambda night: None
    # No run can know about a run that was killed before its entry in the ledger, nor about files and plain dbt.
    may_be_undone: bool = False


def correct(night: Night) -> None:
    """A close of three weeks ago, a quantity from the start, a lot that goes, a tag that a person chose."""
    night.execute(
        "update raw.market_data_cache set close = close * 1.02 where symbol = 'AAA' and price_date = '2024-01-23'"
    )
    night.execute("update raw.positions set quantity = 150 where symbol = 'AAA'")
    night.execute(
        "update raw.positions set deleted_at = '2024-02-15' where symbol = 'BBB' and entry_date = '2024-01-03'"
    )
    night.execute(
        "insert into raw.manual_sector_tags (position_id, sector, source)"
        " select position_id, 'Wine', 'test' from raw.positions where symbol = 'AAA'"
    )


def forget_risk(night: Night) -> None:
    """As before the first analytics: each session of the span has something to compute."""
    night.execute("delete from ops.risk_state")


SCENARIOS = {
    "first night": Scenario(("run", "--date", str(NEXT_SESSION)), source="loaded"),
    "ordinary night": Scenario(("run", "--date", str(NEXT_SESSION))),
    "late corrections": Scenario(("run", "--date", str(NEXT_SESSION)), prepare=correct),
    "backfill": Scenario(
        ("backfill", "--start", "2024-01-08", "--end", str(ROLLED_TO)), prepare=correct, may_be_undone=True
    ),
    "analytics": Scenario(
        ("analytics", "--start", "2024-01-08", "--end", str(ROLLED_TO)), prepare=forget_risk, may_be_undone=True
    ),
    "load": Scenario(("load", "{book}"), may_be_undone=True),
    "migrations": Scenario(("run", "--date", str(NEXT_SESSION)), source="old"),
    "full refresh": Scenario(("dbt", "--", "run", "--full-refresh"), prepare=correct, may_be_undone=True),
}


@pytest.fixture(scope="module")
def sources(server, template, first_night, small_book, night_settings, calendar_day) -> Iterator[dict[str, str]]:
    """The databases that scenarios find, by name: a rolled one, one that is loaded, and one of an older version."""
    with maintenance(server) as conn:
        conn.execute(f"create database {NAME} template {template} strategy file_copy")
        with Database(libpq_url({**server, "dbname": NAME}), embedded=True).connect() as loading:
            load_folder(loading, small_book)
        conn.execute(f"alter database {NAME} rename to kill_loaded")
        conn.execute("create database kill_old")
        with Database(libpq_url({**server, "dbname": "kill_old"}), embedded=True).connect() as old:
            _make_old(old, night_settings, calendar_day)
        yield {"rolled": first_night[0], "loaded": "kill_loaded", "old": "kill_old"}
        for name in ("kill_loaded", "kill_old"):
            conn.execute(f"drop database {name} with (force)")


def _make_old(conn: Any, settings: Settings, today: date) -> None:
    """A database as the first version left it before its first night: ten migrations, and a book by direct SQL."""
    folder = settings.home / "old_migrations"
    folder.mkdir(parents=True, exist_ok=True)
    for file in MIGRATIONS.glob("00*.sql"):
        if file.name < "0011":
            shutil.copy(file, folder)
    migrate(conn, folder)
    refresh_sessions(conn, today)
    conn.execute(
        "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)"
        " values (md5('Old')::uuid, 'Old', '2024-01-02', 100000, 'test')"
    )
    conn.execute(
        "insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price, "
        "entry_date, investment_class, source)"
        " select md5(symbol)::uuid, md5('Old')::uuid, symbol, 'LONG', 100, 120, '2024-01-03', 'PUBLIC', 'test'"
        " from unnest(array['AAA', 'BBB']) as symbol"
    )


@pytest.fixture(scope="module")
def other_book(tmp_path_factory, small_book) -> Path:
    """The book with another quantity, one lot more and one less, and a flow."""
    folder = tmp_path_factory.mktemp("other") / "book"
    shutil.copytree(small_book, folder)
    (folder / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        "Growth,AAA,130,120,2024-01-02\nGrowth,BBB,25,130,2024-01-22\nIncome,BBB,200,119,2023-12-28\n"
    )
    (folder / "capital_flows.csv").write_text("portfolio,date,type,amount\nIncome,2024-01-17,WITHDRAWAL,1000\n")
    return folder


class Matrix:
    """Scenarios, what comes of each undisturbed, and how long that takes."""

    def __init__(self, server: dict[str, str], sources: dict[str, str], settings: Settings, book: Path) -> None:
        self._server, self._sources, self._settings, self._book = server, sources, settings, book
        self.output = settings.home / "killed.log"
        self._twins: dict[str, tuple[float, list[State]]] = {}

    @contextmanager
    def copy(self, name: str) -> Iterator[Night]:
        """A database as the scenario finds it."""
        scenario = SCENARIOS[name]
        with copy_of(self._server, self._sources[scenario.source], self._settings) as night:
            scenario.prepare(night)
            yield night

    def start(self, name: str, night: Night) -> Process:
        """The scenario's command in a process of its own."""
        arguments = [word.format(book=self._book) for word in SCENARIOS[name].arguments]
        process = PROCESSES.Process(target=command, args=(arguments, night.environment(), self.output))
        process.start()
        return process

    def undisturbed(self, name: str) -> tuple[float, list[State]]:
        """How long the command takes, and what there is after it and an ordinary run; found out once."""
        if name not in self._twins:
            with self.copy(name) as night:
                began = time.monotonic()
                process = self.start(name, night)
                process.join()
                assert process.exitcode == 0, self.output.read_text()
                seconds = time.monotonic() - began
                assert tonight(night).status == "succeeded"
                twins = [state(night)]
            if SCENARIOS[name].may_be_undone:
                with self.copy(name) as night:
                    assert tonight(night).status == "succeeded"
                    twins.append(state(night))
            self._twins[name] = seconds, twins
        return self._twins[name]


@pytest.fixture(scope="module")
def matrix(server, sources, night_settings, other_book) -> Matrix:
    return Matrix(server, sources, night_settings, other_book)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MOMENTS, AT_ONCE))
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_a_random_moment(matrix: Matrix, name: str, first: int):
    seconds, twins = matrix.undisturbed(name)
    moments = random.Random(name)  # noqa: S311
    shares = [moments.random() for _ in range(MOMENTS)][first : first + AT_ONCE]
    for share in shares:
        with matrix.copy(name) as night:
            process = matrix.start(name, night)
            time.sleep(share * seconds)
            process.kill()
            process.join()
            run = tonight(night)
            assert run.status == "succeeded", (share, run.problems)
            found = state(night)
            differences = [unlike(found, twin) for twin in twins]
            assert [] in differences, (share, differences)
