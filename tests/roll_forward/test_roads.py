"""By whatever road a session was reached, its rows are the same to the last digit."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from random import Random

import pytest

from tests.roll_forward import random_books
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, portfolio_id
from tests.roll_forward.random_books import FIRST, LAST, World, spans, split_in_chunks

Content = dict[str, tuple[int, str]]
Road = Callable[[Warehouse, World], None]

# Seed and number of books.
SMALL, LARGE = (3, 30), (4, 200)


def few_nights(warehouse: Warehouse, world: World) -> None:
    """Prices come in as they do, and each night rolls what is new."""
    sessions = _sessions(world)
    _by_nights(warehouse, world, split_in_chunks(Random(1), sessions[20:], 4)[:1] + sessions[-2:])  # noqa: S311


def many_nights(warehouse: Warehouse, world: World) -> None:
    """Spans of several sessions, and at the turn of the year one night after the other."""
    sessions = _sessions(world)
    turn = sum(session.year == FIRST.year for session in sessions)
    ends = split_in_chunks(Random(2), sessions[1:], 8)  # noqa: S311
    _by_nights(warehouse, world, sorted({*ends, *sessions[turn - 2 : turn + 3]}))


def dates_and_portfolios(warehouse: Warehouse, world: World) -> None:
    """Backfills of one portfolio and of the rest, ahead of each other, over each other, and then a plain run."""
    _load(warehouse, world)
    one, *others = world.portfolios
    sessions = _sessions(world)
    warehouse.roll(end_date=str(sessions[25]))
    assert _rolled_to(warehouse) == {sessions[25]}
    warehouse.roll(start_date=str(sessions[10]), end_date=str(sessions[40]), portfolio_ids=_ids([one]))
    assert _rolled_to(warehouse) == {sessions[25], sessions[40]}
    # A window in the middle is continued to the end of each chain.
    warehouse.roll(start_date=str(sessions[5]), end_date=str(sessions[15]), portfolio_ids=_ids(others[::2]))
    assert set(warehouse.window()) <= set(others[::2])
    assert _rolled_to(warehouse) == {sessions[25], sessions[40]}
    warehouse.roll()


def portfolios_alone(warehouse: Warehouse, world: World) -> None:
    """One portfolio before all others, one up to a session in the middle and on from there, one after all others."""
    _load(warehouse, world)
    sessions = _sessions(world)
    first, second, last, *others = world.portfolios
    warehouse.roll(portfolio_ids=_ids([first]))
    warehouse.roll(portfolio_ids=_ids([second]), end_date=str(sessions[40]))
    warehouse.roll(portfolio_ids=_ids([second]), start_date=str(sessions[35]))
    warehouse.roll(portfolio_ids=_ids([first, second, *others]))
    assert set(warehouse.window()) == set(others)
    warehouse.roll(portfolio_ids=_ids([last]))
    warehouse.roll()
    assert warehouse.window() == {}


def random_backfills(warehouse: Warehouse, world: World, *, seed: int) -> None:
    """Random windows of random portfolios, some over sessions that are rolled already, the rest by a plain run."""
    _load(warehouse, world)
    random = Random(seed)  # noqa: S311
    for _ in range(5):
        start, end = sorted(random.sample(_sessions(world), 2))
        variables = {"end_date": str(end)}
        if random.random() < 0.7:
            variables["start_date"] = str(start)
        if random.random() < 0.7:
            some = random.sample(sorted(world.portfolios), random.randrange(1, len(world.portfolios)))
            variables["portfolio_ids"] = _ids(some)
        warehouse.roll(**variables)
    warehouse.roll()


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, sessions: list[date]) -> World:
    """The books and the market of every road."""
    return random_books.build(*request.param, sessions)


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


@pytest.mark.parametrize(
    "world",
    [pytest.param(SMALL, id="30 books"), pytest.param(LARGE, id="200 books", marks=pytest.mark.slow)],
    indirect=True,
)
def test_a_full_refresh_gives_what_the_first_run_gave(built: tuple[Content, Content]):
    once, rebuilt = built
    assert all(rows for rows, _ in once.values())
    assert rebuilt == once


@pytest.mark.parametrize(
    ("world", "road"),
    [
        pytest.param(SMALL, few_nights, id="30 books, few nights"),
        pytest.param(SMALL, dates_and_portfolios, id="30 books, dates and portfolios", marks=pytest.mark.slow),
        *(
            pytest.param(LARGE, road, id=f"200 books, {name}", marks=pytest.mark.slow)
            for name, road in {
                "many nights": many_nights,
                "dates and portfolios": dates_and_portfolios,
                "portfolios alone": portfolios_alone,
                **{f"random backfills {seed}": partial(random_backfills, seed=seed) for seed in range(3)},
            }.items()
        ),
    ],
    indirect=["world"],
)
def test_a_road(warehouse: Warehouse, world: World, built: tuple[Content, Content], road: Road):
    road(warehouse, world)
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


def _ids(names: list[str]) -> list[str]:
    return [str(portfolio_id(name)) for name in names]


def _sessions(world: World) -> list[date]:
    return [session for session in world.sessions if FIRST <= session <= LAST]


def _rolled_to(warehouse: Warehouse) -> set[date]:
    return {last for (last,) in warehouse.rows("select last_session from ops.roll_forward_state")}
