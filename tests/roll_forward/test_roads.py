"""By whatever road a session was reached, its rows are the same to the last digit."""

from collections.abc import Iterator
from datetime import date
from random import Random

import pytest

from tests.roll_forward import random_books
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, portfolio_id
from tests.roll_forward.random_books import FIRST, LAST, World, spans, split_in_chunks

Content = dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def world(sessions: list[date]) -> World:
    """The books and the market of every road."""
    return random_books.build(3, 30, sessions)


@pytest.fixture(scope="module")
def built(copies, world: World) -> tuple[Content, Content]:
    """The tables after one run from nothing, and after a full refresh of that."""
    with copies() as warehouse:
        _load(warehouse, world)
        warehouse.roll()
        content = warehouse.content()
        warehouse.rebuild()
        return content, warehouse.content()


@pytest.fixture
def warehouse(copies) -> Iterator[Warehouse]:
    """A database of the road's own, with nothing in it."""
    with copies() as warehouse:
        yield warehouse


def test_a_full_refresh_gives_what_the_first_run_gave(built: tuple[Content, Content]):
    once, rebuilt = built
    assert all(rows for rows, _ in once.values())
    assert rebuilt == once


def test_nights(warehouse: Warehouse, world: World, built: tuple[Content, Content]):
    """Prices come in as they do, and each night rolls what is new."""
    _by_nights(warehouse, world, split_in_chunks(Random(1), _sessions(world)[20:], 4)[:1] + _sessions(world)[-2:])  # noqa: S311
    assert warehouse.content() == built[0]


def test_dates_and_portfolios_as_variables(warehouse: Warehouse, world: World, built: tuple[Content, Content]):
    """Backfills of one portfolio and of the rest, ahead of each other, over each other, and then a plain run."""
    _load(warehouse, world)
    one, *others = world.portfolios
    sessions = _sessions(world)
    warehouse.roll(end_date=str(sessions[25]))
    assert _rolled_to(warehouse) == {sessions[25]}
    warehouse.roll(start_date=str(sessions[10]), end_date=str(sessions[40]), portfolio_ids=[str(portfolio_id(one))])
    assert _rolled_to(warehouse) == {sessions[25], sessions[40]}
    # A window in the middle is carried on to each chain's end.
    ids = [str(portfolio_id(name)) for name in others[::2]]
    warehouse.roll(start_date=str(sessions[5]), end_date=str(sessions[15]), portfolio_ids=ids)
    assert set(warehouse.window()) <= set(others[::2])
    assert _rolled_to(warehouse) == {sessions[25], sessions[40]}
    warehouse.roll()
    assert warehouse.content() == built[0]


@pytest.mark.slow
def test_every_night(warehouse: Warehouse, world: World, built: tuple[Content, Content]):
    _by_nights(warehouse, world, _sessions(world)[1:])
    assert warehouse.content() == built[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_backfills(warehouse: Warehouse, world: World, built: tuple[Content, Content], seed: int):
    """Random windows of random portfolios, some over sessions that are rolled already, the rest by a plain run."""
    _load(warehouse, world)
    random = Random(seed)  # noqa: S311
    for _ in range(6):
        start, end = sorted(random.sample(_sessions(world), 2))
        variables = {"end_date": str(end)}
        if random.random() < 0.7:
            variables["start_date"] = str(start)
        if random.random() < 0.7:
            some = random.sample(sorted(world.portfolios), random.randrange(1, len(world.portfolios)))
            variables["portfolio_ids"] = [str(portfolio_id(name)) for name in some]
        warehouse.roll(**variables)
    warehouse.roll()
    assert warehouse.content() == built[0], seed


@pytest.mark.slow
def test_portfolios_alone(warehouse: Warehouse, world: World, built: tuple[Content, Content]):
    """One portfolio among many, one after the other, and half of them twice: at first up to a session in the middle."""
    _load(warehouse, world)
    middle = _sessions(world)[30]
    for number, name in enumerate(list(world.portfolios)[::4]):
        ids = [str(portfolio_id(name))]
        if number % 2:
            warehouse.roll(portfolio_ids=ids, end_date=str(middle))
        warehouse.roll(portfolio_ids=ids)
    warehouse.roll()
    assert warehouse.content() == built[0]


def _load(warehouse: Warehouse, world: World) -> None:
    with warehouse.database.connect() as conn:
        load_market(conn, world.prices, world.actions)
        load_portfolios(conn, world.portfolios)


def _by_nights(warehouse: Warehouse, world: World, nights: list[date]) -> None:
    """Load the portfolios, and up to each of these nights what its market brought; roll with no variables."""
    with warehouse.database.connect() as conn:
        load_portfolios(conn, world.portfolios)
    for before, night in spans([date.min, *nights]):
        with warehouse.database.connect() as conn:
            load_market(
                conn,
                {
                    symbol: {day: close for day, close in closes.items() if before < day <= night}
                    for symbol, closes in world.prices.items()
                },
                [action for action in world.actions if before < action.ex_date <= night],
            )
        warehouse.roll()
        assert _rolled_to(warehouse) == {night}


def _sessions(world: World) -> list[date]:
    return [session for session in world.sessions if FIRST <= session <= LAST]


def _rolled_to(warehouse: Warehouse) -> set[date]:
    return {last for (last,) in warehouse.rows("select last_session from ops.roll_forward_state")}
