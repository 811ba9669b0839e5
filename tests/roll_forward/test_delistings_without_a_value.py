"""A delisting whose value nobody knows yet: lots stay at their last price, marked, and end at the value told later."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ingest.market.decisions import Saying, add_actions, check_action_of_person, restore_actions
from nightly.phases.roll_forward import coverage, events
from nightly.phases.roll_forward.positions import describe_values, read_values
from tests.accounting_replay import Action, Close, Lot, Portfolio
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, portfolio_id

BEFORE, EVE, EX, AFTER = date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)
DAYS = (BEFORE, EVE, EX, AFTER)
SAYING = Saying("anna", datetime(2024, 1, 9, tzinfo=UTC), None, ())
BOOKS = {
    "long": Portfolio(BEFORE, Decimal(100_000), [Lot("GONE", BEFORE, Decimal(100), Decimal(9))]),
    "short": Portfolio(BEFORE, Decimal(100_000), [Lot("GONE", BEFORE, Decimal(-100), Decimal(9))]),
    "closed in part": Portfolio(
        BEFORE,
        Decimal(100_000),
        [Lot("GONE", BEFORE, Decimal(100), Decimal(9)), Lot("SPY", BEFORE, Decimal(1), Decimal(400))],
        [Close("GONE", BEFORE, EVE, Decimal(40), Decimal("6.5"))],
    ),
    "renamed before": Portfolio(BEFORE, Decimal(100_000), [Lot("OLD", BEFORE, Decimal(10), Decimal(50))]),
}
PRICES = {
    "SPY": {day: Decimal(400) for day in DAYS},
    # a later company with this name is not theirs
    "GONE": {BEFORE: Decimal(8), EVE: Decimal("6.25"), AFTER: Decimal(77)},
    "OLD": {BEFORE: Decimal(40)},
    "LATE": {EVE: Decimal(30), EX: Decimal(88)},
}


@pytest.fixture
def rolled(copies) -> Iterator[Warehouse]:
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            load_market(conn, PRICES, [Action("OLD", EVE, "RENAME", new_symbol="LATE")])
            load_portfolios(conn, BOOKS)
        warehouse.roll()
        yield warehouse


def tell(warehouse: Warehouse, value: Decimal | None) -> None:
    with warehouse.database.connect() as conn:
        actions = [check_action_of_person(symbol, EX, "DELISTING", value) for symbol in ("GONE", "LATE")]
        add_actions(conn, actions, SAYING)


def rows(warehouse: Warehouse, name: str) -> list[tuple[Any, ...]]:
    return warehouse.rows(
        "select value_date, symbol, round(quantity, 2), round(price, 2), price_date, is_stale, round(realized_pnl, 2),"
        " round(daily_pnl, 2) from analytics.position_values inner join raw.portfolios using (portfolio_id)"
        " where name = %s and value_date >= %s and symbol <> 'SPY' order by 1",
        name,
        EX,
    )


def warnings(conn: psycopg.Connection[Any]) -> dict[str, str]:
    return {problem.scope: problem.message for problem in events.find_problems(conn) if "delisted" in problem.message}


def test_a_lot_stays_at_its_last_price_until_a_value_is_told(rolled: Warehouse):
    untold = rolled.content()
    tell(rolled, None)
    rolled.roll()
    for name, quantity in (("long", 100), ("short", -100), ("closed in part", 60)):
        assert rows(rolled, name) == [
            (day, "GONE", quantity, Decimal("6.25"), EVE, True, 0, 0) for day in (EX, AFTER)
        ], name
    assert rows(rolled, "renamed before") == [(day, "LATE", 10, 30, EVE, True, 0, 0) for day in (EX, AFTER)]
    said = "GONE delisted on 2024-01-08, at its last price until a value is told"
    assert rolled.rows(
        "select what_happened, last_price, is_stale from analytics.positions inner join raw.portfolios"
        " using (portfolio_id) where name = 'long'"
    ) == [(said, Decimal("6.25"), True)]
    assert not rolled.rows("select * from analytics.daily_returns where symbol = 'GONE' and value_date > %s", EVE)

    ids = [portfolio_id(name) for name in BOOKS]
    with rolled.database.connect() as conn:
        told = warnings(conn)
        assert set(told) == {"GONE", "LATE"}
        assert "3 lots stay at the price of 2024-01-05, 6.25," in told["GONE"]
        assert "`python run_nightly.py actions add GONE 2024-01-08 DELISTING VALUE`" in told["GONE"]
        covered = coverage.measure(conn, AFTER, ids)
        assert covered and (covered["fresh_share"], covered["stale"]) == (1, [])
        assert "GONE (no price since 2024-01-05: delisted on 2024-01-08, its value is not told yet)" in " ".join(
            describe_values(**read_values(conn, ids))
        )
    without_value = rolled.content()
    rolled.roll()
    with rolled.database.connect() as conn:
        assert not warnings(conn), "it is said once"
    rolled.roll(start_date=str(EX), end_date=str(AFTER))
    assert rolled.content() == without_value
    rolled.rebuild()
    assert rolled.content() == without_value

    tell(rolled, Decimal("1.25"))
    rolled.roll()
    # 100 x (1.25 - 9), and 1.25 after 6.25
    assert [row[6:] for row in rows(rolled, "long")] == [(-775, -500)]
    assert [row[6:] for row in rows(rolled, "short")] == [(775, 500)]
    assert [row[6:] for row in rows(rolled, "closed in part")] == [(-465, -300)]
    healed = rolled.content()
    rolled.rebuild()
    assert rolled.content() == healed

    tell(rolled, None)
    rolled.roll()
    assert rolled.content() == without_value
    with rolled.database.connect() as conn:
        for symbol in ("GONE", "LATE"):
            restore_actions(conn, symbol, EX, "DELISTING", SAYING)
    rolled.roll()
    assert rolled.content() == untold
