"""Random books against a bookkeeper who counts cash, every figure of every session."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from math import prod

import pytest

from tests.accounting_replay import Day, replay
from tests.roll_forward import random_books
from tests.roll_forward.books import FIGURES, Warehouse, figures_of, load_market, load_portfolios
from tests.roll_forward.random_books import LAST, World

# The database keeps 10 decimals of a quantity and of a price. On a few hundred shares the error is far below this
# tolerance of a thousandth of a cent. Returns are quotients of such amounts.
USD = Decimal("1e-5")
RETURN = Decimal("1e-8")


@pytest.fixture(
    scope="module",
    params=[pytest.param((1, 40), id="40 books"), pytest.param((2, 200), id="200 books", marks=pytest.mark.slow)],
)
def rolled(request: pytest.FixtureRequest, copies, sessions: list[date]) -> Iterator[tuple[Warehouse, World]]:
    """A world of random books, and a warehouse where one dbt run has rolled it."""
    world = random_books.build(*request.param, sessions)
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            load_market(conn, world.prices, world.actions)
            load_portfolios(conn, world.portfolios)
        warehouse.roll()
        yield warehouse, world


@pytest.fixture(scope="module")
def replayed(rolled: tuple[Warehouse, World]) -> dict[str, list[Day]]:
    """Every book as the bookkeeper keeps it."""
    _, world = rolled
    days = {}
    for name, portfolio in world.portfolios.items():
        symbols = {symbol for lot in portfolio.lots for symbol in (lot.symbol, lot.underlying_symbol)}
        prices = {symbol: closes for symbol, closes in world.prices.items() if symbol in symbols}
        actions = [action for action in world.actions if action.symbol in symbols]
        # From the sessions after the last one it knows what expires later. They are not compared.
        days[name] = [day for day in replay(portfolio, prices, actions, world.sessions) if day.session <= LAST]
    return days


def test_every_figure_of_every_session(rolled: tuple[Warehouse, World], replayed: dict[str, list[Day]]):
    warehouse, _ = rolled
    figures = warehouse.figures()
    for name, days in replayed.items():
        assert list(figures[name]) == [day.session for day in days], name
        off = [
            (day.session, figure, ours, theirs)
            for day in days
            for figure, ours, theirs in zip(FIGURES, figures[name][day.session], figures_of(day), strict=True)
            if abs(ours - theirs) > USD
        ]
        assert not off, (name, off[:5])


def test_every_return_of_every_session(rolled: tuple[Warehouse, World], replayed: dict[str, list[Day]]):
    """Returns of the day, the month, the year and since inception, linked from the bookkeeper's equity and flows."""
    warehouse, world = rolled
    stored = warehouse.rows(
        """
        select name, snapshot_date, daily_return, mtd_return, ytd_return, cumulative_return
        from analytics.portfolio_snapshots inner join raw.portfolios using (portfolio_id)
        """
    )
    expected = {
        (name, session): returns
        for name, days in replayed.items()
        for session, *returns in _linked(days, world.portfolios[name].starting_equity)
    }
    off = [
        (name, session, ours, theirs)
        for name, session, *returns in stored
        for ours, theirs in zip(returns, expected[name, session], strict=True)
        if (ours is None) != (theirs is None)
        or (ours is not None and abs(ours - theirs) > RETURN * max(1, abs(theirs)))
    ]
    assert len(stored) == len(expected)
    assert not off, off[:5]


def test_the_books_meet_everything(rolled: tuple[Warehouse, World]):
    """What the agreement above is worth."""
    warehouse, _ = rolled
    ((seen,),) = warehouse.rows(
        """
        select array[
            (select count(*) from analytics.position_values where dividend_income > 0),
            (select count(*) from analytics.position_values where dividend_income < 0),
            (select count(*) from analytics.position_values where is_stale and price_date is not null),
            (select count(*) from analytics.position_values where is_stale and price_date is null),
            (select count(*) from analytics.position_values where opening_unrealized_pnl <> 0),
            (select count(*) from analytics.portfolio_snapshots where daily_return is null),
            (select count(*) from analytics.portfolio_snapshots where daily_capital_flow <> 0),
            (select count(*) from analytics.portfolio_snapshots where daily_cash_income <> 0),
            (select count(*) from analytics.positions where as_of_date is null),
            (select count(*) from intermediate.ignored_inputs where input = 'close'),
            (select count(*) from intermediate.ignored_inputs where input = 'flow'),
            (select count(*) from intermediate.ignored_inputs where input = 'cash item'),
            (select count(*) from intermediate.lot_closings where kind = 'exit' and base_shares_closed > 0),
            (
                select count(*) from intermediate.lot_closings
                where kind = 'expiry' and base_shares_closed > 0 and proceeds <> 0
            ),
            (
                select count(*) from intermediate.lots inner join intermediate.split_growth using (symbol)
                where from_session_number > first_session_number
            )
        ]
        """
    )
    assert all(seen), seen


@pytest.mark.slow
def test_the_data_checks_pass(rolled: tuple[Warehouse, World]):
    warehouse, _ = rolled
    failed = {result.name: result.message for result in warehouse.dbt.test().results if not result.well}
    # the prices have gaps, also on the last session
    failed.pop("fresh_prices_cover_the_book", None)
    assert failed == {}


def _linked(days: Sequence[Day], equity: Decimal) -> Iterator[tuple[date, *tuple[Decimal | None, ...]]]:
    month: list[Decimal] = []
    year: list[Decimal] = []
    whole: list[Decimal] = []
    before: Day | None = None
    for day in days:
        base = equity + day.contributions
        earned = day.daily_pnl / base if base > USD else None
        if before and before.session.month != day.session.month:
            month = []
        if before and before.session.year != day.session.year:
            year = []
        for period in (month, year, whole):
            period += [earned] if earned is not None else []
        yield day.session, earned, _growth(month), _growth(year), _growth(whole)
        equity, before = day.equity, day


def _growth(returns: Sequence[Decimal]) -> Decimal | None:
    return prod(1 + each for each in returns) - 1 if returns else None
