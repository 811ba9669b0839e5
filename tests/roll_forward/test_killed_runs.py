"""A run that dies at any statement, run again, ends in the same rows as one that nobody disturbed.

Nobody but its own session sees what a statement did before its transaction is committed. So the states that a dead run
can leave behind are those between its commits, and cutting the wire before each commit meets all of them; a few other
statements are cut too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from random import Random
from typing import Any

import pytest

from nightly.dbt.runner import DbtError
from tests.roll_forward import random_books
from tests.roll_forward.books import MODELS, TABLES, Warehouse, load_market, load_portfolios
from tests.roll_forward.conftest import NAME, maintenance
from tests.roll_forward.random_books import World
from tests.wire import ENDING, Wire

INTERRUPTED = "roll_forward_interrupted"
COMPARED = (*TABLES, "sector_tags", "position_sector_tags")
CORRECTIONS = (
    # a session in the middle, a lot that is deleted, and a tag that a person chose
    "update raw.market_data_cache set close = close * 1.02 where price_date = '2023-12-05'",
    "update raw.positions set deleted_at = now()"
    " where position_id in (select position_id from raw.positions order by 1 limit 1)",
    "insert into raw.manual_sector_tags (position_id, sector, source)"
    " select position_id, 'Wine', 'test' from raw.positions order by 1 desc limit 1",
)


@pytest.fixture(scope="module")
def half_rolled(copies, server: dict[str, str], sessions: list[date]) -> Iterator[Callable[[], None]]:
    """Puts the database back to where books are rolled half-way, and prices and corrections have come in since."""
    world = random_books.build(6, 6, sessions)
    middle = date(2023, 12, 27)
    with copies() as warehouse, maintenance(server) as conn:
        _load(warehouse, world, lambda day: day <= middle)
        warehouse.roll()
        _load(warehouse, World(world.prices, world.actions, {}, sessions), lambda day: day > middle)
        for correction in CORRECTIONS:
            warehouse.execute(correction)
        conn.execute(f"create database {INTERRUPTED} template {NAME} strategy file_copy")

        def restore() -> None:
            conn.execute(f"drop database {NAME} with (force)")
            conn.execute(f"create database {NAME} template {INTERRUPTED} strategy file_copy")

        yield restore
        conn.execute(f"drop database {INTERRUPTED} with (force)")


@pytest.fixture(scope="module")
def undisturbed(half_rolled: Callable[[], None], wired: Warehouse, wire: Wire) -> tuple[dict[str, Any], list[str]]:
    """What there is after a run that nobody disturbed, and its statements."""
    half_rolled()
    before = wired.content(COMPARED)
    wire.mend()
    wired.roll()
    statements = list(wire.statements)
    content = _state(wired)
    assert all(content[table] != before[table] for table in TABLES)
    return content, statements


@pytest.mark.slow
@pytest.mark.parametrize("unbuilt", [pytest.param(False, id="half-rolled"), pytest.param(True, id="without tables")])
def test_a_run_cut_off_and_run_again(
    half_rolled: Callable[[], None],
    wired: Warehouse,
    wire: Wire,
    undisturbed: tuple[dict[str, Any], list[str]],
    unbuilt: bool,
):
    expected, statements = undisturbed
    commits = sum(bool(ENDING.match(statement)) for statement in statements)
    # Without tables, runs write the same models in other ways, so every third commit is enough.
    cuts = [(number, ENDING) for number in range(1, commits + 1, 3 if unbuilt else 1)]
    cuts += [(number,) for number in sorted(Random(1).sample(range(1, len(statements)), 4))]  # noqa: S311
    for cut in cuts:
        half_rolled()
        if unbuilt:
            with wired.database.connect() as conn:
                conn.execute(f"drop table {', '.join(f'analytics.{table}' for table in COMPARED)} cascade")
        wire.cut_before(*cut)
        results = []
        with suppress(DbtError):
            results = wired.dbt.run(MODELS).results
        assert wire.is_cut, cut
        assert not results or not all(result.well for result in results), cut
        wire.mend()
        _wait_until_alone(wired)
        wired.roll()
        assert _state(wired) == expected, cut


def _load(warehouse: Warehouse, world: World, wanted: Callable[[date], bool]) -> None:
    with warehouse.database.connect() as conn:
        prices = {
            symbol: {day: close for day, close in closes.items() if wanted(day)}
            for symbol, closes in world.prices.items()
        }
        load_market(conn, prices, [action for action in world.actions if wanted(action.ex_date)])
        load_portfolios(conn, world.portfolios)


def _state(warehouse: Warehouse) -> dict[str, Any]:
    """Every row that consumers read, how far each portfolio is, and what is due still."""
    state = "select portfolio_id, last_session, sector_seeds_fingerprint from ops.roll_forward_state order by 1"
    due = "select count(*) from ops.input_changes where rolled_at is null or returns_taken_at is null"
    return {**warehouse.content(COMPARED), "state": warehouse.rows(state), "due": warehouse.rows(due)}


def _wait_until_alone(warehouse: Warehouse) -> None:
    """The server may still be at the statement of a client that has gone."""
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    deadline = time.monotonic() + 120
    while warehouse.rows(others) != [(0,)]:
        assert time.monotonic() < deadline, "the server did not notice that its clients are gone"
        time.sleep(0.05)
