"""What comes late or is corrected: the next plain run rolls the portfolios it concerns, from the earliest session it
touches, and no others; and then everything is as if it had been known from the start.

Every change has a portfolio and symbols of its own, and all of them are taken in by one run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.accounting_replay import Action, CashItem, Close, Flow, Lot, Mark, Portfolio
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, portfolio_id, position_id
from warehouse.sessions import sessions_between

# 1 January is a holiday; 6 and 7, 13 and 14 January are weekends, and 15 January is a holiday.
FIRST_PRICE, LAST_PRICE = date(2023, 12, 15), date(2024, 1, 19)
BEFORE = date(2023, 12, 29)
INCEPTION = date(2024, 1, 2)


def january(day: int) -> date:
    return date(2024, 1, day)


def december(day: int) -> date:
    return date(2023, 12, day)


ENTRY = january(4)


def shares(entry_date: date = ENTRY, symbol: str = "A", **more: Any) -> Lot:
    return Lot(symbol, entry_date, Decimal(10), Decimal(100), **more)


def private(entry_date: date = ENTRY) -> Lot:
    return shares(entry_date, "House", investment_class="PRIVATE")


def call(**more: Any) -> Lot:
    """A call on B that is entered on 4 January and settled on Friday the 12th, at the money of 100."""
    return shares(
        investment_class="OPTIONS",
        underlying_symbol="B",
        option_type="CALL",
        strike_price=Decimal(100),
        expiration_date=january(13),
        **more,
    )


@dataclass(frozen=True)
class Change:
    """A portfolio that is rolled to LAST_PRICE, and what then becomes of its inputs.

    `statements` change `raw`; their parameters are the portfolio and the lot (the first one), and the symbols A and B.
    `since` is the session from which it has to be rolled again, None where it has not. `gaps` are the sessions on which
    A has no close at first. The symbols are those of the portfolio `market`, or its own.
    """

    name: str
    since: date | None
    statements: Sequence[str] = ()
    lots: Sequence[Lot] = (shares(),)
    closes: Sequence[Close] = ()
    flows: Sequence[Flow] = ()
    cash_items: Sequence[CashItem] = ()
    benchmark: str = "SPY"
    marks: Sequence[Mark] = ()
    actions: Sequence[Action] = ()
    gaps: Callable[[date], bool] = lambda _: False
    gaps_of_b: Callable[[date], bool] = lambda _: False
    market: str = ""

    def symbol(self, letter: str) -> str:
        """A or B, as it stands in the database."""
        return f"{letter} ({self.market or self.name})"

    @property
    def parameters(self) -> dict[str, Any]:
        lot = self.lots[0]
        return {
            "portfolio": portfolio_id(self.name),
            "lot": position_id(self.name, self.symbol(lot.symbol), lot.entry_date),
            "A": self.symbol("A"),
            "B": self.symbol("B"),
        }


def close(day: int) -> Close:
    return Close("A", ENTRY, january(day), Decimal(4), Decimal(101), Decimal(1))


def split(day: date, ratio: int = 2, symbol: str = "A") -> Action:
    return Action(symbol, day, "SPLIT", Decimal(ratio))


def dividend(day: date) -> Action:
    return Action("A", day, "DIVIDEND", Decimal(1))


def on(*days: date) -> Callable[[date], bool]:
    return lambda session: session in days


def late_price(symbol: str, day: date, close: int = 120) -> str:
    return (
        "insert into raw.market_data_cache (symbol, price_date, close, source)"
        f" values (%({symbol})s, '{day}', {close}, 'late')"
    )


def restated(symbol: str, day: date) -> str:
    return f"update raw.market_data_cache set close = close * 1.01 where symbol = %({symbol})s and price_date = '{day}'"


def withdrawn(symbol: str, day: date) -> str:
    return f"delete from raw.market_data_cache where symbol = %({symbol})s and price_date = '{day}'"


def late_action(symbol: str, day: date, kind: str, value: int = 2) -> str:
    return (
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
        f" values (%({symbol})s, '{day}', '{kind}', {value}, 'late')"
    )


def profile(sector: str) -> str:
    return (
        f"insert into raw.company_profiles (symbol, sector, industry, source) values (%(A)s, {sector}, 'Oil', 'late')"
    )


def fund_sectors(as_of: date, fund: str = "A") -> str:
    return (
        "insert into raw.fund_sector_weights (symbol, sector, as_of, weight, source)"
        f" values (%({fund})s, 'Energy', '{as_of}', 1, 'late')"
    )


def change_action(what: str) -> str:
    return f"update raw.corporate_actions set {what} where symbol = %(A)s"


def change_lot(what: str) -> str:
    return f"update raw.positions set {what} where position_id = %(lot)s"


def change_close(what: str) -> str:
    return f"update raw.position_realized_events set {what} where position_id = %(lot)s"


def change_flow(what: str) -> str:
    return f"update raw.equity_changes set {what} where portfolio_id = %(portfolio)s"


def change_mark(what: str) -> str:
    return f"update raw.manual_prices set {what} where position_id = %(lot)s"


def change_portfolio(what: str) -> str:
    return f"update raw.portfolios set {what} where portfolio_id = %(portfolio)s"


WITHDRAWN_ACTION = "delete from raw.corporate_actions where symbol = %(A)s"
WITHDRAWN_CLOSE = "delete from raw.position_realized_events where position_id = %(lot)s"
WITHDRAWN_FLOW = "delete from raw.equity_changes where portfolio_id = %(portfolio)s"
LATE_CASH_ITEM = (
    "insert into raw.cash_items (item_id, portfolio_id, item_date, item_type, amount, source)"
    " values (gen_random_uuid(), %(portfolio)s, '2024-01-13', 'FEE', -5, 'late')"
)
WITHDRAWN_CASH_ITEM = "delete from raw.cash_items where portfolio_id = %(portfolio)s"
WITHDRAWN_MARK = "delete from raw.manual_prices where position_id = %(lot)s"
WITHDRAWN_LOT = "delete from raw.positions where position_id = %(lot)s"
LATE_LOT = (
    "insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date,"
    " investment_class, source)"
    " values (gen_random_uuid(), %(portfolio)s, %(B)s, 'LONG', 5, 100, '2024-01-13', 'PUBLIC', 'late')"
)
LATE_CLOSE = (
    "insert into raw.position_realized_events"
    " (event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees, source)"
    " values (gen_random_uuid(), %(lot)s, '2024-01-10', 1, 4, 99, 1, 'late')"
)
CHOSEN_SECTOR = "insert into raw.manual_sector_tags (position_id, sector, source) values (%(lot)s, 'Wine', 'late')"
OLD_HISTORY = (
    "insert into raw.market_data_cache (symbol, price_date, close, source)"
    " select %(A)s, session_date, 80, 'late' from raw.trading_sessions"
    " where session_date between '2023-01-03' and '2023-12-14'"
)
SAME_PRICES = "update raw.market_data_cache set close = close, volume = 9, source = 'again' where symbol = %(A)s"


def late_flow(day: date) -> str:
    return (
        "insert into raw.equity_changes (change_id, portfolio_id, change_date, change_type, amount, source)"
        f" values (gen_random_uuid(), %(portfolio)s, '{day}', 'CONTRIBUTION', 500, 'late')"
    )


def late_mark(day: date) -> str:
    return (
        f"insert into raw.manual_prices (position_id, price_date, price, source) values (%(lot)s, '{day}', 130, 'late')"
    )


EXIT = {"exit_date": january(10), "exit_price": Decimal(90)}

MARKED = {"marks": [Mark("House", january(10), Decimal(120))]}
MARKED_BEFORE = {"marks": [Mark("House", december(20), Decimal(120))]}
PAID_IN = {"flows": [Flow(january(10), Decimal(5))]}
# A has no close between 20 December and 9 January: on 4 January the lot opens with a stale one.
STALE = {"gaps": lambda day: december(20) < day < january(9)}

CHANGES = (
    # Prices
    Change("late price", january(9), [late_price("A", january(9))], gaps=on(january(9))),
    Change("restated price", january(9), [restated("A", january(9))]),
    Change("withdrawn price", january(9), [withdrawn("A", january(9))]),
    Change("restated last price", LAST_PRICE, [restated("A", LAST_PRICE)]),
    Change("two restated prices", january(9), [restated("A", january(17)), restated("A", january(9))]),
    Change("price written again as it was", None, [SAME_PRICES]),
    Change("price of the entry", ENTRY, [restated("A", ENTRY)]),
    Change("price of the session before the entry", None, [restated("A", january(3))]),
    Change("price that a lot carried in opens with", INCEPTION, [restated("A", BEFORE)], [shares(december(1))]),
    Change("price before the one a lot opens with", None, [restated("A", december(28))], [shares(december(1))]),
    Change("stale price that the first row used", ENTRY, [restated("A", december(20))], **STALE),
    Change("late price, fresher than the stale one", ENTRY, [late_price("A", december(27))], **STALE),
    Change("price before the stale one", None, [restated("A", december(19))], **STALE),
    Change("first price of all", ENTRY, [late_price("A", december(20))], gaps=lambda _: True),
    Change("price of the exit's day", january(10), [restated("A", january(10))], [shares(**EXIT)]),
    Change("price after the exit", None, [restated("A", january(11))], [shares(**EXIT)]),
    Change(
        "old history",
        None,
        [
            OLD_HISTORY,
            late_action("A", date(2023, 6, 1), "SPLIT", 3),
            late_action("A", date(2023, 6, 5), "DIVIDEND"),
        ],
    ),
    # Splits and dividends
    Change("late split", january(9), [late_action("A", january(9), "SPLIT")]),
    Change("late split of a weekend", january(8), [late_action("A", january(6), "SPLIT")]),
    Change("restated split", january(9), [change_action("value = 3")], actions=[split(january(9))]),
    Change("withdrawn split", january(9), [WITHDRAWN_ACTION], actions=[split(january(9))]),
    Change("split before the price a lot opens with", None, [late_action("A", january(3), "SPLIT")]),
    Change("split since the stale price it opens with", ENTRY, [late_action("A", december(27), "SPLIT")], **STALE),
    Change("late dividend", january(9), [late_action("A", january(9), "DIVIDEND")]),
    Change("restated dividend", january(9), [change_action("value = 3")], actions=[dividend(january(9))]),
    Change("withdrawn dividend", january(9), [WITHDRAWN_ACTION], actions=[dividend(january(9))]),
    Change(
        "dividend on another day",
        january(8),
        [change_action("ex_date = '2024-01-08'")],
        actions=[dividend(january(10))],
    ),
    Change("dividend after the exit", None, [late_action("A", january(11), "DIVIDEND")], [shares(**EXIT)]),
    # Positions
    Change("quantity restated", ENTRY, [change_lot("quantity = 11")]),
    Change("quantity of a lot carried in", INCEPTION, [change_lot("quantity = 11")], [shares(december(1))]),
    Change("entry moved back", january(3), [change_lot("entry_date = '2024-01-03'")]),
    Change("entry moved on", ENTRY, [change_lot("entry_date = '2024-01-08'")]),
    Change("late lot", january(16), [LATE_LOT]),
    Change("deleted lot", ENTRY, [change_lot("deleted_at = now()")], [shares(), shares(symbol="B")]),
    Change("lot gone from raw", ENTRY, [WITHDRAWN_LOT], [shares(), shares(symbol="B")], closes=[close(9)]),
    Change("note on a lot", None, [change_lot("investment_subtype = 'ETF'")]),
    # Closes and exits
    Change("late close", january(10), [LATE_CLOSE]),
    Change("restated close", january(9), [change_close("close_price = 7")], closes=[close(9)]),
    Change("close on another day", january(8), [change_close("trade_date = '2024-01-07'")], closes=[close(10)]),
    Change("withdrawn close", january(9), [WITHDRAWN_CLOSE], closes=[close(9)]),
    Change("late exit", january(11), [change_lot("exit_date = '2024-01-11', exit_price = 95")]),
    Change("restated exit", january(10), [change_lot("exit_price = 95")], [shares(**EXIT)]),
    Change("exit moved on", january(10), [change_lot("exit_date = '2024-01-12'")], [shares(**EXIT)]),
    Change("withdrawn exit", january(10), [change_lot("exit_date = null, exit_price = null")], [shares(**EXIT)]),
    # Flows
    Change("late flow", january(10), [late_flow(january(10))]),
    Change("late flow of a holiday", january(16), [late_flow(january(15))]),
    Change("restated flow", january(10), [change_flow("amount = 7")], **PAID_IN),
    Change("withdrawn flow", january(10), [WITHDRAWN_FLOW], **PAID_IN),
    # Cash items
    Change("late cash item", january(16), [LATE_CASH_ITEM]),
    Change(
        "withdrawn cash item",
        january(10),
        [WITHDRAWN_CASH_ITEM],
        cash_items=[CashItem(january(10), Decimal(5), "INTEREST")],
    ),
    # The benchmark
    Change("restated price of the benchmark", january(9), [restated("B", january(9))], benchmark="B"),
    Change("dividend of the benchmark", january(10), [late_action("B", january(10), "DIVIDEND")], benchmark="B"),
    Change("split of the benchmark before inception", None, [late_action("B", december(1), "SPLIT")], benchmark="B"),
    Change("another benchmark", INCEPTION, [change_portfolio("benchmark = 'A (another benchmark)'")], benchmark="B"),
    # Marks
    Change("late mark", january(10), [late_mark(january(10))], [private()]),
    Change("restated mark", january(10), [change_mark("price = 90")], [private()], **MARKED),
    Change("withdrawn mark", january(10), [WITHDRAWN_MARK], [private()], **MARKED),
    Change(
        "mark that a holding opens with", INCEPTION, [late_mark(december(25))], [private(december(1))], **MARKED_BEFORE
    ),
    Change("mark before that", None, [late_mark(december(5))], [private(december(1))], **MARKED_BEFORE),
    # Sectors, which have no date
    Change("late sector", ENTRY, [profile("'Energy'")]),
    Change("profile without a sector", None, [profile("null")]),
    Change("sector that a person chose", ENTRY, [CHOSEN_SECTOR]),
    Change("sectors of a fund", ENTRY, [fund_sectors(january(11))]),
    Change("later sectors of a fund", ENTRY, [fund_sectors(january(11)), fund_sectors(january(12))]),
    Change("sectors of the fund that an option is on", january(4), [fund_sectors(january(11), "B")], [call()]),
    # Options
    Change("price that settles an option", january(12), [restated("B", january(12))], [call()]),
    Change("underlying's price before that", None, [restated("B", january(11))], [call()]),
    Change("underlying's price after that", None, [restated("B", january(16))], [call()]),
    Change(
        "underlying's only price goes, older than the option's own",
        january(12),
        [withdrawn("B", january(8))],
        [call()],
        gaps_of_b=lambda day: day != january(8),
    ),
    Change("underlying splits before expiry", january(12), [late_action("B", january(10), "SPLIT")], [call()]),
    Change("underlying split before the option's entry", None, [late_action("B", january(3), "SPLIT")], [call()]),
    Change("dividend of the underlying", None, [late_action("B", january(10), "DIVIDEND")], [call()]),
    # Portfolios
    Change("starting equity restated", INCEPTION, [change_portfolio("starting_equity = 7777")]),
    Change("inception moved back", december(26), [change_portfolio("inception_date = '2023-12-24'")]),
    Change("inception moved on", INCEPTION, [change_portfolio("inception_date = '2024-01-06'")]),
    Change("portfolio loaded again as it was", None, [change_portfolio("source = 'again'")]),
    # Inputs that later tests change.
    Change("one", None),
    Change("other", None, market="one"),
    Change("another", None),
    Change("deleted later", None),
)


@pytest.fixture(scope="module")
def warehouse(copies) -> Iterator[Warehouse]:
    """The portfolios of all changes, rolled before anything changed."""
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            load_market(conn, _prices(conn), [_mine(change, action) for change in CHANGES for action in change.actions])
            load_portfolios(
                conn,
                {
                    change.name: Portfolio(
                        INCEPTION,
                        Decimal(10_000),
                        [_mine(change, lot) for lot in change.lots],
                        [_mine(change, close) for close in change.closes],
                        change.flows,
                        [_mine(change, mark) for mark in change.marks],
                        change.cash_items,
                        change.symbol(change.benchmark),
                    )
                    for change in CHANGES
                },
            )
        warehouse.roll()
        yield warehouse


@pytest.fixture(scope="module")
def rolled_again(warehouse: Warehouse) -> dict[str, tuple[date, str]]:
    """Everything changes and one plain run takes it in: whom it rolled from when, and why."""
    for change in CHANGES:
        for statement in change.statements:
            warehouse.execute(statement, change.parameters)
    warehouse.roll()
    return {
        name: (first, reason)
        for name, first, reason in warehouse.rows(
            "select name, first_session, reason"
            " from ops.roll_forward_window inner join raw.portfolios using (portfolio_id)"
        )
    }


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name.replace(" ", "_"))
def test_who_is_rolled_again_and_from_when(rolled_again: dict[str, tuple[date, str]], change: Change):
    first, _ = rolled_again.get(change.name, (None, ""))
    assert first == change.since


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("restated price", "A (restated price) close of 2024-01-09 restated"),
        ("late split of a weekend", "A (late split of a weekend) split of 2024-01-06 added"),
        ("withdrawn flow", "flow of 2024-01-10 withdrawn"),
        ("late cash item", "cash item of 2024-01-13 added"),
        ("late sector", "A (late sector) sector added"),
        ("sector that a person chose", "A (sector that a person chose) sector added"),
        ("two restated prices", "A (two restated prices) closes of 2024-01-09 to 2024-01-17 restated"),
        ("dividend on another day", "A (dividend on another day) dividends of 2024-01-08 to 2024-01-10 restated"),
        ("late close", "A (late close) closing trade of 2024-01-10 added"),
        ("restated exit", "A (restated exit) closing trade of 2024-01-10 restated"),
        ("late lot", "B (late lot) position of 2024-01-13 added"),
        ("restated mark", "House (restated mark) mark of 2024-01-10 restated"),
        ("starting equity restated", "portfolio restated"),
    ],
)
def test_the_window_says_why(rolled_again: dict[str, tuple[date, str]], name: str, reason: str):
    assert rolled_again[name][1] == reason


@pytest.mark.slow
def test_a_change_for_two_that_is_rolled_for_one_stays_due_for_the_other(warehouse: Warehouse, rolled_again):
    warehouse.execute(restated("A", january(11)), {"A": "A (one)"})
    warehouse.roll(portfolio_ids=[str(portfolio_id("one"))])
    assert warehouse.window() == {"one": january(11)}
    warehouse.roll()
    assert warehouse.window() == {"other": january(11)}


@pytest.mark.slow
def test_a_part_of_the_chain_does_not_move_the_state(warehouse: Warehouse, rolled_again):
    state = "select portfolio_id, last_session, rolled_at from ops.roll_forward_state order by portfolio_id"
    before = warehouse.rows(state)
    warehouse.execute(restated("A", january(12)), {"A": "A (one)"})
    warehouse.roll("roll_forward_changes", "roll_forward_window", "position_values")
    # Only the end of the chain runs, on a window over which the snapshots have not been rolled.
    warehouse.roll("portfolio_sector_exposures")
    assert warehouse.rows(state) == before
    # The whole chain runs, and a change was read after its window was made.
    warehouse.execute(restated("A", january(10)), {"A": "A (another)"})
    warehouse.roll("roll_forward_changes")
    warehouse.roll("position_values", "portfolio_snapshots", "portfolio_sector_exposures")
    assert warehouse.rows(state) == before
    warehouse.roll()
    assert warehouse.window() == {"one": january(12), "other": january(12), "another": january(10)}


def test_a_deleted_portfolio_leaves_every_table_and_can_come_back(warehouse: Warehouse, rolled_again):
    gone = portfolio_id("deleted later")
    warehouse.execute(change_portfolio("deleted_at = now()"), {"portfolio": gone})
    warehouse.roll()
    assert set(warehouse.window()) == {"deleted later"}
    for table in ("position_values", "portfolio_snapshots", "positions", "portfolio_sector_exposures"):
        assert warehouse.rows(f"select count(*) from analytics.{table} where portfolio_id = %s", gone) == [(0,)]
    assert warehouse.rows("select count(*) from ops.roll_forward_state where portfolio_id = %s", gone) == [(0,)]
    warehouse.execute(change_portfolio("deleted_at = null"), {"portfolio": gone})
    warehouse.roll()
    assert warehouse.window() == {"deleted later": INCEPTION}


def test_after_all_this_nothing_is_due_and_a_full_refresh_changes_nothing(warehouse: Warehouse, rolled_again):
    warehouse.roll()
    assert warehouse.window() == {}
    assert warehouse.rows("select count(*) from ops.open_changes") == [(0,)]
    content = warehouse.content()
    warehouse.rebuild()
    assert warehouse.content() == content


def _mine(change: Change, thing: Any) -> Any:
    """A thing with the symbols that it has in the database."""
    names = {"symbol": change.symbol(thing.symbol)}
    if getattr(thing, "underlying_symbol", None):
        names["underlying_symbol"] = change.symbol(thing.underlying_symbol)
    return replace(thing, **names)


def _prices(conn: psycopg.Connection[Any]) -> dict[str, dict[date, Decimal]]:
    """A and B of every change, without their gaps: a dollar up, another one, and two down."""
    sessions = sessions_between(conn, FIRST_PRICE, LAST_PRICE)
    closes = {session: Decimal(100 + number % 3) for number, session in enumerate(sessions)}
    return {
        change.symbol(letter): {session: close for session, close in closes.items() if not gaps(session)}
        for change in CHANGES
        for letter, gaps in (("A", change.gaps), ("B", change.gaps_of_b))
    }
