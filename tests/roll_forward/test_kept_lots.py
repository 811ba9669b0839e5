"""Lots are made anew for the portfolios that something may have changed for, and kept for all others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.accounting_replay import Lot, Portfolio
from tests.roll_forward.books import LOTS, Warehouse, load_market, load_portfolios, portfolio_id, position_id
from tests.roll_forward.random_books import FIRST, LAST
from warehouse.sessions import sessions_between

EXPIRY = date(2024, 1, 19)
# A transfer before the calendar begins counts at its first session.
LONG_AGO, FIRST_OF_ALL = date(1985, 1, 2), date(1990, 1, 2)
SPLIT_OR_EVENT = date(2024, 1, 10)


@dataclass(frozen=True)
class Change:
    """A portfolio with one lot of a symbol of its own, or of a call on it, and what becomes of its inputs.

    `statement` has the parameters `symbol`, `book` and `lot`. `anew` is whether its lots have to be made anew.
    """

    name: str
    statement: str
    anew: bool
    is_call: bool = False

    @property
    def symbol(self) -> str:
        return self.name.upper().replace(" ", "")


def _price(day: date) -> str:
    return f"update raw.market_data_cache set close = close + 1 where symbol = %(symbol)s and price_date = '{day}'"


def _action(action_type: str, value: int, new_symbol: str = "null::text") -> str:
    return (
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
        f" values (%(symbol)s, '{SPLIT_OR_EVENT}', '{action_type}', {value}, {new_symbol}, 'test')"
    )


CHANGES = (
    Change("price", _price(LAST), False),
    Change("price after expiry", _price(LAST), False, is_call=True),
    Change("price at expiry", _price(EXPIRY), True, is_call=True),
    Change("price of old transfer", _price(FIRST_OF_ALL), True),
    Change("dividend", _action("DIVIDEND", 1), False),
    Change("split", _action("SPLIT", 2), True),
    Change("split of underlying", _action("SPLIT", 2), True, is_call=True),
    Change("position", "update raw.positions set entry_price = 91 where portfolio_id = %(book)s", True),
    Change(
        "exit", "update raw.positions set exit_price = 9, exit_date = '2024-01-11' where position_id = %(lot)s", True
    ),
    Change(
        "close",
        "insert into raw.position_realized_events"
        " (event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees, source)"
        " values (gen_random_uuid(), %(lot)s, '2024-01-11', 1, 2, 100, 0, 'test')",
        True,
    ),
    Change(
        "flow",
        "insert into raw.equity_changes (change_id, portfolio_id, change_date, change_type, amount, source)"
        " values (gen_random_uuid(), %(book)s, '2024-01-11', 'CONTRIBUTION', 5, 'test')",
        False,
    ),
    Change(
        "inception", "update raw.portfolios set inception_date = inception_date + 7 where portfolio_id = %(book)s", True
    ),
    Change("deletion", "update raw.portfolios set deleted_at = now() where portfolio_id = %(book)s", True),
    Change("nothing", "select %(symbol)s", False),
)
NAMES = {change.name for change in CHANGES}


@pytest.fixture(scope="module")
def warehouse(copies) -> Iterator[Warehouse]:
    """The portfolios of CHANGES, rolled to the end."""
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            days = sessions_between(conn, FIRST, LAST)
            prices = {change.symbol: dict.fromkeys(days, Decimal(100)) for change in CHANGES}
            books = {change.name: Portfolio(days[0], Decimal(10_000), [_lot(change, days[0])]) for change in CHANGES}
            prices["PRICEOFOLDTRANSFER"][FIRST_OF_ALL] = Decimal(20)
            load_market(conn, prices, [])
            load_portfolios(conn, books)
            conn.execute(
                "insert into raw.transactions (transaction_id, portfolio_id, trade_date, sequence, transaction_type,"
                " symbol, quantity, effect, side, source)"
                " values (gen_random_uuid(), %s, %s, 1, 'TRANSFER_IN', 'PRICEOFOLDTRANSFER', 5, 'open', 1, 'test')",
                [portfolio_id("price of old transfer"), LONG_AGO],
            )
        warehouse.roll()
        yield warehouse


def test_a_night_with_nothing_new_writes_no_lot(warehouse: Warehouse):
    before = _rows(warehouse)
    assert all(before.values())
    warehouse.roll()
    assert _rows(warehouse) == before


def test_whose_lots_are_made_anew(warehouse: Warehouse):
    before = _rows(warehouse)
    for change in CHANGES:
        lot = _lot(change, _first_day(warehouse))
        parameters = {
            "symbol": change.symbol,
            "book": portfolio_id(change.name),
            "lot": position_id(change.name, lot.symbol, lot.entry_date),
        }
        warehouse.execute(change.statement, parameters)
    warehouse.roll()
    assert _made_anew(warehouse, before) == {change.name for change in CHANGES if change.anew}
    assert not _rows(warehouse)["deletion"]


def test_an_event_makes_all_lots_anew_and_later_prices_those_that_it_touches(warehouse: Warehouse):
    before = _rows(warehouse)
    warehouse.execute(_action("RENAME", 1, "'RENAMED'"), {"symbol": "SPLIT"})
    warehouse.roll()
    assert _made_anew(warehouse, before) == NAMES - {"deletion"}
    before = _rows(warehouse)
    warehouse.execute(_price(SPLIT_OR_EVENT), {"symbol": "SPLIT"})
    warehouse.roll()
    assert _made_anew(warehouse, before) == {"split"}
    before = _rows(warehouse)
    warehouse.execute(_price(LAST), {"symbol": "SPLIT"})
    warehouse.roll()
    assert _made_anew(warehouse, before) == set()


def test_an_option_has_no_settlement_until_it_expires(warehouse: Warehouse):
    """Its lots are kept while its underlying is priced, and made anew when it has expired."""
    expiry = (datetime.now(UTC) + timedelta(days=40)).date()
    call = {"book": portfolio_id("price at expiry"), "symbol": "PRICEATEXPIRY", "expiry": expiry}
    warehouse.execute("update raw.positions set expiration_date = %(expiry)s where portfolio_id = %(book)s", call)
    warehouse.roll()
    before = _rows(warehouse)
    unsettled = "select count(*) from intermediate.option_settlements where settlement_price is null"
    assert warehouse.rows(unsettled) == [(1,)]
    warehouse.execute(_price(LAST), call)
    warehouse.roll()
    assert _rows(warehouse) == before
    # Time passes, and every session is over, by when a run of which the lots were listed makes the settlements.
    warehouse.execute("update intermediate.sessions set closes_at = now() - interval '1 day' where closes_at > now()")
    warehouse.roll("option_settlements", tables_fit=True)
    assert _rows(warehouse) == before
    warehouse.roll()
    assert warehouse.rows(unsettled) == [(0,)]
    assert _made_anew(warehouse, before) == {"price at expiry"}


def test_lots_that_a_run_did_not_come_to_are_made_by_the_next(warehouse: Warehouse):
    for name in ("close", "exit"):
        change = {"book": portfolio_id(name)}
        warehouse.execute("update raw.positions set entry_price = 92 where portfolio_id = %(book)s", change)
        # The run of the first change ends here. The next run makes a list of its own.
        warehouse.roll("open_changes", "lots", tables_fit=True)
        warehouse.execute("update ops.input_changes set rolled_at = now() where rolled_at is null")
    before = _rows(warehouse)
    warehouse.roll()
    assert _made_anew(warehouse, before) == {"close", "exit"}
    assert warehouse.rows("select * from ops.changed_books where not is_rolled") == []
    warehouse.roll()
    assert warehouse.rows("select * from ops.changed_books") == []


def test_a_position_that_has_ended_is_listed_anew_only_when_something_may_have_changed(warehouse: Warehouse):
    """Not on every night: that would read a row of history for each lot that ever was."""
    spoil = "update analytics.positions set last_price = 1 where portfolio_id = %(book)s"
    ended = {"book": portfolio_id("exit")}

    def spoilt_after(*models: str) -> bool:
        warehouse.execute(spoil, ended)
        warehouse.roll(*models, **({"tables_fit": True} if models else {}))
        return warehouse.rows("select last_price from analytics.positions where portfolio_id = %s", ended["book"]) == [
            (1,)
        ]

    warehouse.roll()
    assert spoilt_after()
    warehouse.execute(_price(LAST), {"symbol": "NOTHING"})
    assert spoilt_after()
    # without a roll since the last listing
    assert not spoilt_after("positions")
    warehouse.roll()
    # one roll after the last listing, and then another
    assert spoilt_after("tag:phase_2")
    assert not spoilt_after()
    warehouse.execute("update raw.positions set investment_subtype = 'ETF' where portfolio_id = %(book)s", ended)
    assert not spoilt_after()
    assert spoilt_after()
    warehouse.execute("update raw.positions set entry_price = 94 where portfolio_id = %(book)s", ended)
    assert not spoilt_after()


def test_lots_are_listed_also_where_the_list_of_changes_is_made_anew(warehouse: Warehouse):
    before = _rows(warehouse)
    warehouse.execute("drop table ops.open_changes cascade")
    change = {"book": portfolio_id("close")}
    warehouse.execute("update raw.positions set entry_price = 93 where portfolio_id = %(book)s", change)
    warehouse.roll()
    assert _made_anew(warehouse, before) == {"close"}


def test_what_was_kept_is_what_a_full_rebuild_makes(warehouse: Warehouse):
    # The changes that were marked as rolled above were not.
    warehouse.execute("update ops.input_changes set rolled_at = null where input = 'position'")
    warehouse.roll()
    content = warehouse.content()
    warehouse.rebuild()
    assert warehouse.content() == content


def _lot(change: Change, day: date) -> Lot:
    if not change.is_call:
        return Lot(change.symbol, day, Decimal(10), Decimal(90))
    contract = f"{change.symbol}240119C00090000"
    return Lot(contract, day, Decimal(1), Decimal(5), None, None, "OPTIONS", change.symbol, "CALL", Decimal(90), EXPIRY)


def _first_day(warehouse: Warehouse) -> date:
    return warehouse.rows("select min(entry_date) from raw.positions")[0][0]


def _rows(warehouse: Warehouse) -> dict[str, set[tuple[str, ...]]]:
    """Which rows, and not only what they say, each portfolio has in the tables of lots."""
    found: dict[str, set[tuple[str, ...]]] = {name: set() for name in NAMES}
    for table in LOTS:
        for name, *row in warehouse.rows(
            f"select name, t.ctid::text, t.xmin::text from intermediate.{table} as t"
            " inner join raw.portfolios using (portfolio_id)"
        ):
            found[name].add((table, *row))
    return found


def _made_anew(warehouse: Warehouse, before: Mapping[str, set[tuple[str, ...]]]) -> set[str]:
    return {name for name, rows in _rows(warehouse).items() if rows != before[name]}
