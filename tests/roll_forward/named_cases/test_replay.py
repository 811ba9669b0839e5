"""All cases again, by an independent road."""

from datetime import date
from decimal import Decimal

import pytest

from tests.accounting_replay import replay
from tests.roll_forward.books import FIGURES, Warehouse, figures_of
from tests.roll_forward.cases import CASES, MON
from warehouse.sessions import sessions_between

# The cases are declared where they are tested.
from . import (  # noqa: F401
    test_days_without_prices,
    test_ends_of_options,
    test_holdings,
    test_money_in_and_out,
    test_partial_and_full_closes,
    test_splits_and_dividends,
)

PRICES_FROM = date(2023, 11, 1)
NEXT_TO_NOTHING = Decimal("1e-6")


@pytest.mark.parametrize("name", [name for name, each in CASES.items() if not each.deleted])
def test_the_replay_agrees(warehouse: Warehouse, sessions: list[date], days, name: str):
    """Each case again, by an independent road: cash in and cash out, event by event."""
    each = CASES[name]
    expected = {day.session: figures_of(day) for day in replay(each.portfolio, each.prices, each.actions, sessions)}
    assert days[name].keys() == expected.keys()
    off = [
        (session, figure, ours, theirs)
        for session, row in days[name].items()
        for figure, ours, theirs in zip(FIGURES, row, expected[session], strict=True)
        if abs(ours - theirs) > NEXT_TO_NOTHING
    ]
    assert not off


@pytest.fixture(scope="module")
def sessions(warehouse: Warehouse) -> list[date]:
    """The sessions of the cases, from before the first of them to the last price."""
    with warehouse.database.connect() as conn:
        return sessions_between(conn, PRICES_FROM, MON)


@pytest.fixture(scope="module")
def days(warehouse: Warehouse) -> dict[str, dict[date, tuple[Decimal, ...]]]:
    """Every snapshot of every case."""
    return warehouse.figures()
