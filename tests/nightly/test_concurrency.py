"""Readers, loads, direct SQL and nights at once, at random: no change is lost, and no reader is killed."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from ingest.books.portfolios import load_folder
from nightly.dbt.runner import Dbt
from tests.nightly.small_nights import NEXT_SESSION, Night
from tests.nightly.twins import state, tonight, unlike
from warehouse.errors import Busy
from warehouse.locks import run_lock
from warehouse.migrate import READER

READERS = 3
READ = (
    "position_factor_exposures",
    "position_market_betas",
    "position_volatility",
    "position_values",
    "portfolio_snapshots",
    "positions",
    "portfolio_sector_exposures",
    "position_sector_tags",
    "portfolio_risk_metrics",
)
CHANGES = (
    "update raw.market_data_cache set close = round(close * (1 + ({0} - 10) / 1000.0), 6)"
    " where symbol = 'AAA' and price_date = date '2024-01-02' + {0}",
    "update raw.positions set quantity = 100 + {0} where symbol = 'AAA'",
    "update raw.positions set deleted_at = case when deleted_at is null then now() end"
    " where symbol = 'BBB' and entry_date = '2024-01-03'",
    "insert into raw.equity_changes (change_id, portfolio_id, change_date, change_type, amount, source)"
    " select gen_random_uuid(), portfolio_id, date '2024-01-03' + {0}, 'CONTRIBUTION', 100 + {0}, 'test'"
    " from raw.portfolios where name = 'Income'",
    "delete from raw.equity_changes where amount < 100 + {0} and source = 'test'",
    "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
    " values ('BBB', date '2024-01-08' + {0}, 'DIVIDEND', 0.01 * (1 + {0}), 'test') on conflict do nothing",
    "delete from raw.corporate_actions where source = 'test' and ex_date > date '2024-01-08' + {0}",
)


class Crowd:
    """Threads that each do one thing again and again at random moments until they are told to stop."""

    def __init__(self, seed: int) -> None:
        self._moments = random.Random(seed)  # noqa: S311
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.done: dict[str, int] = {}
        self.errors: list[str] = []

    def add(self, name: str, work: Callable[[random.Random], None], longest_pause: float) -> None:
        moments = random.Random(self._moments.random())  # noqa: S311
        self.done[name] = 0

        def loop() -> None:
            while not self._stop.wait(moments.uniform(0, longest_pause)):
                try:
                    work(moments)
                    self.done[name] += 1
                except Exception as error:
                    self.errors.append(f"{name}: {type(error).__name__}: {error}")

        self._threads.append(threading.Thread(target=loop, name=name, daemon=True))

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def read(night: Night) -> Callable[[random.Random], None]:
    """A reader's connection, that stays open; each time, some tables in a random order and in one transaction."""
    conn = night.database.connect("a reader")
    conn.execute(f"set role {READER}")

    def some(moments: random.Random) -> None:
        with conn.transaction():
            for table in moments.sample(READ, 3):
                conn.execute(f"select count(*) from (select * from analytics.{table} limit 1000) as looked_at")

    return some


def change(night: Night) -> Callable[[random.Random], None]:
    """Direct SQL: one or several changes, committed after a moment."""
    conn = night.database.connect("direct SQL")

    def some(moments: random.Random) -> None:
        with conn.transaction():
            for statement in moments.sample(CHANGES, moments.randint(1, 3)):
                conn.execute(statement.format(moments.randint(0, 20)))
            time.sleep(moments.uniform(0, 0.3))

    return some


def load(night: Night, books: list[Path]) -> Callable[[random.Random], None]:
    """One of several books; refused while a run is going, and then left for the next time."""

    def some(moments: random.Random) -> None:
        with suppress(Busy), night.database.connect("a load") as conn, run_lock(conn, "a load"):
            load_folder(conn, moments.choice(books))

    return some


@pytest.mark.parametrize(
    ("seed", "seconds"),
    [
        pytest.param(1, 12, id="short"),
        *(pytest.param(seed, 180, id=f"long {seed}", marks=pytest.mark.slow) for seed in (2, 3)),
    ],
)
def test_no_change_is_lost_and_no_reader_killed(
    night: Night, small_book: Path, tmp_path: Path, seed: int, seconds: int
):
    other = tmp_path / "other"
    other.mkdir()
    for file in small_book.iterdir():
        (other / file.name).write_text(file.read_text().replace(",200,119,", ",210,118,"))
    dbt = Dbt(night.database, night.settings.home / "dbt")
    crowd = Crowd(seed)
    for number in range(READERS):
        crowd.add(f"reader {number}", read(night), 0.02)
    crowd.add("direct SQL", change(night), 0.5)
    crowd.add("load", load(night, [small_book, other]), 2.0)
    statuses, began, moments = [], time.monotonic(), random.Random(seed)  # noqa: S311
    with crowd:
        while time.monotonic() - began < seconds:
            try:
                if moments.random() < 0.3:
                    with night.database.connect() as conn, run_lock(conn, "plain dbt"):
                        invocation = dbt.run(["tag:views", "tag:phase_2", "tag:phase_2_5", "tag:phase_2_75"])
                    statuses += [result.message for result in invocation.results if not result.well]
                else:
                    run = night.run()
                    statuses += [problem.message for problem in run.errors if problem.phase]
            except Busy:
                continue
    assert sorted(set(crowd.errors)) == []
    assert all(crowd.done[f"reader {number}"] for number in range(READERS)), crowd.done
    assert crowd.done["direct SQL"], crowd.done
    assert statuses == []

    assert tonight(night).status == "succeeded"
    healed = state(night)
    open_changes = "select count(*) from ops.input_changes where rolled_at is null and from_date <= %s"
    assert night.rows(open_changes, NEXT_SESSION) == [(0,)]
    with night.database.connect() as conn, run_lock(conn, "full refresh"):
        assert dbt.command(["run", "--quiet", "--full-refresh"]) == 0
    assert night.run("analytics", force=True, trade_date=NEXT_SESSION).status == "succeeded"
    rebuilt = state(night)
    assert unlike(healed, rebuilt) == []


def test_the_crowd_tells_of_a_reader_that_is_killed(night: Night):
    """The test above could not fail otherwise."""
    crowd = Crowd(1)
    crowd.add("reader", read(night), 0.01)
    with crowd, night.database.connect() as conn:
        conn.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'a reader'")
        deadline = time.monotonic() + 120
        while not crowd.errors:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert psycopg.errors.AdminShutdown.__name__ in crowd.errors[0] or "OperationalError" in crowd.errors[0]
