"""Every situation of the rules by name, its arithmetic beside the expectation.

Unless a case says otherwise, a portfolio begins with 10,000 on Tuesday 2024-01-02 and is seen on five sessions: Tuesday
to Friday and the Monday after. Closes are given for the Friday before (2023-12-29) and these five.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from psycopg.rows import dict_row

from tests.accounting_replay import Action, Close, Lot, Mark, replay
from tests.roll_forward.books import FIGURES, Warehouse, figures_of, load_market, load_portfolios, portfolio_id
from tests.roll_forward.cases import (
    CASES,
    FRI,
    FRIDAY,
    MON,
    SATURDAY,
    SUNDAY,
    THU,
    TUE,
    WED,
    Case,
    case,
    cash_item,
    close,
    dividend,
    flow,
    lot,
    mark,
    option,
    own,
    private,
    split,
)
from warehouse.sessions import sessions_between

PRICES_FROM = date(2023, 11, 1)
NEXT_TO_NOTHING = Decimal("1e-6")


class Books:
    """What the database says of a case."""

    def __init__(self, warehouse: Warehouse, name: str) -> None:
        self.name = name
        self._warehouse = warehouse

    def __getattr__(self, column: str) -> list[Any]:
        """A column of the portfolio's snapshots, session by session."""
        return [row[column] for row in self._table("portfolio_snapshots", "snapshot_date")]

    def on(self, session: date) -> dict[str, Any]:
        """The snapshot of a session."""
        (row,) = [row for row in self._table("portfolio_snapshots", "snapshot_date") if row["snapshot_date"] == session]
        return row

    def lot(self, column: str, symbol: str = "A") -> list[Any]:
        """A column of a lot's values, session by session (of all lots of the symbol, where there are several)."""
        return [
            row[column]
            for row in self._table("position_values", "value_date, cost_basis")
            if row["symbol"] == own(self.name, symbol)
        ]

    def position(self, symbol: str = "A") -> dict[str, Any]:
        """The lot as `positions` shows it."""
        (row,) = [row for row in self._table("positions", "symbol") if row["symbol"] == own(self.name, symbol)]
        return row

    def ignored(self) -> list[str]:
        """Why inputs had no effect."""
        return [row["reason"] for row in self._table("ignored_inputs", "reason", "intermediate")]

    def _table(self, table: str, order: str, schema: str = "analytics") -> list[dict[str, Any]]:
        with self._warehouse.database.connect(row_factory=dict_row) as conn:
            query = f"select * from {schema}.{table} where portfolio_id = %s order by {order}"
            return conn.execute(query, (portfolio_id(self.name),)).fetchall()


@pytest.fixture(scope="module")
def warehouse(copies) -> Iterator[Warehouse]:
    """All cases as portfolios of one database, rolled by one dbt run."""
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            owned = {name: _owned(name, each) for name, each in CASES.items()}
            load_portfolios(conn, {name: each.portfolio for name, each in owned.items()})
            load_market(
                conn,
                {symbol: closes for each in owned.values() for symbol, closes in each.prices.items()},
                [action for each in owned.values() for action in each.actions],
            )
            for name, each in CASES.items():
                if each.deleted is True:
                    conn.execute("update raw.portfolios set deleted_at = now() where name = %s", (name,))
                elif each.deleted:
                    symbols = [own(name, symbol) for symbol in each.deleted]
                    conn.execute("update raw.positions set deleted_at = now() where symbol = any(%s)", (symbols,))
        warehouse.roll()
        yield warehouse


@pytest.fixture
def books(warehouse: Warehouse, request: pytest.FixtureRequest) -> Books:
    """The books of the test's own case."""
    return Books(warehouse, request.function.__name__)


def _owned(name: str, each: Case) -> Case:
    """A case with the symbols that only it has."""

    def mine(thing: Lot | Close | Mark | Action) -> Any:
        if isinstance(thing, Lot) and thing.underlying_symbol:
            thing = replace(thing, underlying_symbol=own(name, thing.underlying_symbol))
        return replace(thing, symbol=own(name, thing.symbol))

    portfolio = each.portfolio
    return replace(
        each,
        portfolio=replace(
            portfolio,
            lots=[mine(lot) for lot in portfolio.lots],
            closes=[mine(close) for close in portfolio.closes],
            marks=[mine(mark) for mark in portfolio.marks],
            benchmark=own(name, portfolio.benchmark),
        ),
        prices={own(name, symbol): closes for symbol, closes in each.prices.items()},
        actions=tuple(mine(action) for action in each.actions),
    )


# Plain holdings


@case()
def test_an_empty_portfolio(books):
    assert books.snapshot_date == [TUE, WED, THU, FRI, MON]
    assert books.equity_balance == books.cash_value == [10_000] * 5
    assert books.daily_return == books.num_positions == [0] * 5
    assert books.hhi == books.top_3_concentration == [None] * 5


@case(lot(10, 100), A=[99, 102, 101, 101, 101, 105])
def test_a_purchase_on_the_first_day(books):
    assert books.cash_value == [9_000] * 5  # 10,000 − 10·100
    assert books.long_value == [1_020, 1_010, 1_010, 1_010, 1_050]
    assert books.equity_balance == [10_020, 10_010, 10_010, 10_010, 10_050]
    assert books.daily_pnl == [20, -10, 0, 0, 40]
    assert books.lot("cost_basis") == [1_000] * 5
    assert books.lot("unrealized_pnl") == [20, 10, 10, 10, 50]


@case(lot(10, 100, THU), A=[99, 102, 101, 103, 101, 105])
def test_a_purchase_later_on(books):
    assert books.cash_value == [10_000, 10_000, 9_000, 9_000, 9_000]
    assert books.daily_pnl == [0, 0, 30, -20, 40]  # bought at 100, first close 103
    assert books.lot("value_date") == [THU, FRI, MON]


@case(lot(-10, 100), A=[99, 102, 90, 90, 90, 90])
def test_a_short(books):
    assert books.cash_value == [11_000] * 5  # 10,000 + 10·100
    assert books.equity_balance == [9_980, 10_100, 10_100, 10_100, 10_100]  # 11,000 − 10·102; 11,000 − 10·90
    assert books.short_value == [-1_020, -900, -900, -900, -900]
    assert books.lot("cost_basis") == [-1_000] * 5
    assert books.num_short_positions == [1] * 5


@case(lot(10, 100), lot(-5, 40, symbol="B"), A=[100] * 6, B=[40] * 6)
def test_exposures_of_a_long_and_a_short(books):
    assert books.long_value == [1_000] * 5
    assert books.short_value == [-200] * 5
    assert books.gross_exposure == [1_200] * 5  # 1,000 + 200
    assert books.net_exposure == [800] * 5  # 1,000 − 200


@case(
    lot(5, 100),
    lot(5, 90, WED),
    lot(30, 100, symbol="B"),
    A=[100] * 6,
    B=[100] * 6,
)
def test_several_lots_of_one_symbol_are_one_holding(books):
    assert books.num_positions == [2, 3, 3, 3, 3]
    assert books.lot("cost_basis")[1:3] == [450, 500]
    # A 1,000 and B 3,000: (0.25² + 0.75²)·10,000 = 6,250; the first day A is 500 of 3,500
    assert books.hhi[1:] == [6_250] * 4
    assert books.effective_num_positions[1:] == [Decimal("1.6")] * 4
    assert books.top_3_concentration == [1] * 5


@case(lot(10, 100), lot(-4, 100, WED), lot(6, 100, symbol="B"), A=[100] * 6, B=[100] * 6)
def test_a_long_and_a_short_lot_of_one_symbol_are_netted_for_concentration_alone(books):
    assert books.gross_exposure[1] == 2_000  # 1,000 + 400 + 600
    assert books.net_exposure[1] == 1_200
    assert books.hhi[1] == 5_000  # net 600 and 600: two equal halves


# Splits


@case(lot(10, 100), A=[100, 100, 100, 30, 30, 30], actions=[split(4, THU)])
def test_a_split_while_long(books):
    assert books.lot("quantity") == [10, 10, 40, 40, 40]
    assert books.long_value == [1_000, 1_000, 1_200, 1_200, 1_200]  # 40 shares at 30
    assert books.daily_pnl == [0, 0, 200, 0, 0]
    assert books.lot("cost_basis") == [1_000] * 5  # 10·100 = 40·25


@case(lot(-10, 100), A=[100, 100, 100, 30, 30, 20], actions=[split(4, THU)], closes=[close(15, 28, FRI, fees=2)])
def test_a_split_while_short_and_a_close_in_new_shares(books):
    assert books.lot("quantity") == [-10, -10, -40, -25, -25]
    assert books.short_value == [-1_000, -1_000, -1_200, -750, -500]
    assert books.cash_value == [11_000, 11_000, 11_000, 10_578, 10_578]  # 11,000 − 15·28 − 2
    assert books.daily_realized_pnl == [0, 0, 0, -47, 0]  # −15·(28 − 100/4) − 2
    assert books.lot("cost_basis")[3] == -625  # −25·25


@case(lot(100, 2), A=[2, 2, 2, 21, 21, 22], actions=[split("0.1", THU)])
def test_a_reverse_split(books):
    assert books.lot("quantity") == [100, 100, 10, 10, 10]
    assert books.daily_pnl == [0, 0, 10, 0, 10]  # 10·(21 − 20), 10·1


@case(lot(10, 9), A=[9, 9, 9, 27, 27, 30], actions=[split(1 / Decimal(3), THU)])
def test_a_reverse_split_that_leaves_a_fraction(books):
    assert [round(quantity, 8) for quantity in books.lot("quantity")[2:]] == [Decimal("3.33333333")] * 3
    assert [round(pnl, 6) for pnl in books.daily_pnl] == [0, 0, 0, 0, 10]  # 10/3 shares that gain 3


@case(lot(-100, 2), A=[2, 2, 2, 22, 22, 21], actions=[split("0.1", THU)], closes=[close(10, 20, MON)])
def test_a_reverse_split_while_short(books):
    assert books.lot("quantity") == [-100, -100, -10, -10, 0]
    assert books.daily_pnl == [0, 0, -20, 0, 20]  # −10·(22 − 20); bought back at 20 what was at 22
    assert books.daily_realized_pnl == [0, 0, 0, 0, 0]  # −10·(20 − 2·10)


@case(
    lot(1_000_000, 1),
    equity=1_000_000,
    A=[1, 1, 1, 15, 15, 15],
    actions=[
        *(
            split(round(1 / Decimal(old), 18), date(2016 + year, 3, 1))
            for year, old in enumerate((25, 4, 8, 15, 15, 7, 7))
        ),
        split(round(1 / Decimal(15), 18), THU),
    ],
)
def test_a_long_history_of_reverse_splits_costs_no_digits(books):
    # 25·4·8·15·15·7·7: a share of 2023 was 8,820,000 shares of 2015. This must not show in the quotient of 1/15.
    assert books.lot("quantity")[2:] == [Decimal("66666.6666666667")] * 3
    assert [round(pnl, 6) for pnl in books.daily_pnl] == [0] * 5


@case(lot(20, 50, THU), A=[100, 100, 100, 52, 52, 52], actions=[split(2, THU)])
def test_a_purchase_on_the_day_of_a_split_is_in_new_shares(books):
    assert books.lot("quantity") == [20, 20, 20]
    assert books.daily_pnl == [0, 0, 40, 0, 0]  # 20·(52 − 50)


@case(lot(10, 100), A=[100, 104, None, None, 27, 27], actions=[split(2, WED), split(2, THU)])
def test_splits_in_a_price_gap(books):
    assert books.lot("quantity") == [10, 20, 40, 40, 40]
    assert books.lot("price") == [104, 52, 26, 27, 27]
    assert books.lot("is_stale") == [False, True, True, False, False]
    assert books.daily_pnl == [40, 0, 0, 40, 0]  # worth 1,040 throughout, then 40·27


@case(lot(10, 100), A=[100, 100, 100, 100, 100, 26], actions=[split(2, SATURDAY), split(2, MON)])
def test_splits_on_a_weekend_and_on_the_monday_after(books):
    assert books.lot("quantity") == [10, 10, 10, 10, 40]
    assert books.daily_pnl == [0, 0, 0, 0, 40]  # 40·26 − 1,000


# Dividends


@case(lot(10, 100), A=[100] * 6, actions=[dividend("1.5", THU)])
def test_a_dividend_on_a_long(books):
    assert books.daily_dividend_income == books.daily_pnl == [0, 0, 15, 0, 0]  # 10·1.5
    assert books.cash_value == [9_000, 9_000, 9_015, 9_015, 9_015]
    assert books.daily_realized_pnl == [0] * 5


@case(lot(-10, 100), A=[100] * 6, actions=[dividend("1.5", THU)])
def test_a_dividend_on_a_short_is_paid(books):
    assert books.daily_dividend_income == books.daily_pnl == [0, 0, -15, 0, 0]
    assert books.cash_value[2] == 10_985  # 11,000 − 10·1.5


@case(lot(10, 100, exit_date=THU, exit_price=100), lot(10, 100, THU), A=[100] * 6, actions=[dividend(1, THU)])
def test_a_dividend_goes_to_who_held_at_the_close_before(books):
    # The second lot is bought on the ex-date; the first is sold on it, and is paid all the same.
    assert books.daily_dividend_income == [0, 0, 10, 0, 0]


@case(lot(10, 100), A=[100, 100, 100, 50, 50, 50], actions=[dividend(1, THU), split(2, THU)])
def test_a_split_comes_before_a_dividend_of_its_day(books):
    assert books.daily_dividend_income == [0, 0, 20, 0, 0]  # on 20 shares


@case(lot(10, 100), A=[100, 100, None, None, 101, 101], actions=[dividend(1, WED), dividend(2, THU)])
def test_dividends_in_a_price_gap_are_paid_on_their_days(books):
    assert books.daily_dividend_income == [0, 10, 20, 0, 0]
    assert books.daily_pnl == [0, 10, 20, 10, 0]


@case(lot(10, 100), A=[100] * 5 + [99], actions=[dividend(1, SATURDAY), dividend(2, MON)])
def test_dividends_on_a_weekend_and_on_the_monday_after_add_up(books):
    assert books.daily_dividend_income == [0, 0, 0, 0, 30]  # 10·(1 + 2)
    assert books.daily_pnl[-1] == 20  # 30 − 10


@case(lot(10, 100, exit_date=MON, exit_price=60), A=[100, 100, 100, 100, 60, 60], actions=[dividend(40, FRI)])
def test_returned_capital_is_income_and_leaves_the_cost(books):
    assert books.daily_dividend_income == [0, 0, 0, 400, 0]
    assert books.daily_pnl == [0] * 5  # 400 − 10·40: nothing was earned
    assert books.daily_realized_pnl == [0, 0, 0, 0, -400]  # 10·(60 − 100)
    assert books.equity_balance == [10_000] * 5


# Closes


@case(
    lot(10, 100),
    A=[100, 110, 110, 110, 110, 110],
    closes=[close(4, 112, WED, fees=1), close(1, 90, WED, fees="0.5")],
)
def test_partial_closes_with_fees(books):
    assert books.cash_value == [9_000, *[Decimal("9536.5")] * 4]  # 9,000 + 4·112 − 1 + 1·90 − 0.5
    assert books.daily_realized_pnl == [0, Decimal("36.5"), 0, 0, 0]  # 4·12 − 1 + 1·(−10) − 0.5
    assert books.daily_pnl == [100, Decimal("-13.5"), 0, 0, 0]  # 4·2 − 1·20 − 1.5
    assert books.daily_fees == [0, Decimal("1.5"), 0, 0, 0]
    assert books.lot("quantity") == [10, 5, 5, 5, 5]
    assert books.position()["realized_pnl"] == Decimal("36.5")
    assert books.position()["quantity"] == 10  # as loaded; what is held today is in position_values


@case(lot(10, 100), A=[100, 110, 120, 130, 130, 130], closes=[close(10, 125, THU, fees=3)])
def test_a_full_close(books):
    assert books.lot("value_date") == [TUE, WED, THU]  # the session that closes it included
    assert books.lot("quantity") == [10, 10, 0]
    assert books.daily_realized_pnl == [0, 0, 247, 0, 0]  # 10·25 − 3
    assert books.daily_pnl == [100, 100, 47, 0, 0]  # 10·(125 − 120) − 3
    assert books.num_positions == [1, 1, 0, 0, 0]
    assert books.cash_value[-1] == 10_247


@case(lot(10, 100, exit_date=FRI, exit_price=95), A=[100] * 6, closes=[close(4, 101, WED), close(2, 96, FRI)])
def test_an_exit_closes_what_is_left(books):
    assert books.daily_realized_pnl == [0, 4, 0, -28, 0]  # 4·1; 2·(−4) + 4·(−5)
    assert books.lot("quantity") == [10, 6, 6, 0]


@case(lot(-10, 100, exit_date=WED, exit_price=90), A=[100, 100, 95, 95, 95, 95])
def test_an_exit_of_a_short(books):
    assert books.daily_realized_pnl == [0, 100, 0, 0, 0]  # −10·(90 − 100)
    assert books.cash_value == [11_000, 10_100, 10_100, 10_100, 10_100]


@case(lot(10, 100, exit_date=TUE, exit_price=101), A=[100, 105, 100, 100, 100, 100])
def test_bought_and_sold_on_one_day(books):
    assert books.lot("value_date") == [TUE]
    assert books.daily_pnl == books.daily_realized_pnl == [10, 0, 0, 0, 0]  # the close of 105 belongs to no lot


@case(
    lot(10, 100),
    A=[100] * 6,
    closes=[close(7, 100, WED, fees=1), close(7, 101, WED, fees=1), close(7, 102, WED, fees=1), close(1, 1, THU, 9)],
)
def test_a_close_takes_at_most_what_is_left_and_costs_nothing_when_nothing_is(books):
    assert books.cash_value == [9_000, 10_001, 10_001, 10_001, 10_001]  # 9,000 + 700 − 1 + 3·101 − 1
    assert books.daily_fees == [0, 2, 0, 0, 0]
    assert books.ignored() == [
        "nothing was left to close: 1 ignored, with its fees",
        "nothing was left to close: 7 ignored, with its fees",
        "only 3 of 7 was left to close",
    ]


@case(lot(1, 100), A=[100] * 6, closes=[close("0.9999995", 100, WED), close(1, 100, THU, fees=5)])
def test_a_remainder_below_a_millionth_of_a_share_is_none(books):
    assert books.lot("quantity") == [1, 0]
    assert books.daily_fees == [0] * 5  # the close of Thursday finds nothing
    assert books.cash_value[-1] == 10_000


# Carried in


@case(lot(10, 50, FRIDAY), A=[100, 102, 102, 102, 102, 105])
def test_a_position_carried_in_makes_its_profit_since_the_close_before(books):
    assert books.cash_value == [9_000] * 5  # 10,000 − 10·100: that was in the starting equity
    assert books.daily_pnl == [20, 0, 0, 0, 30]
    assert books.lot("opening_unrealized_pnl") == [500, 0, 0, 0, 0]  # 10·(100 − 50), not made here
    assert books.lot("unrealized_pnl") == [520, 520, 520, 520, 550]


@case(lot(10, 50, FRIDAY, exit_date=WED, exit_price=103), A=[100, 102, 102, 102, 102, 102])
def test_a_position_carried_in_is_realized_against_its_cost(books):
    assert books.daily_realized_pnl == [0, 530, 0, 0, 0]  # 10·(103 − 50)
    assert books.daily_pnl == [20, 10, 0, 0, 0]  # since Friday it made 30


@case(lot(-20, 25, FRIDAY), A=[100, 52, 52, 52, 52, 52], actions=[split(2, TUE), dividend(1, TUE)])
def test_a_short_carried_in_with_a_split_and_a_dividend_on_the_first_day(books):
    # Stated in shares of the inception date: 20 at 25 that morning, 10 at 50 the Friday before.
    assert books.cash_value == [10_980] * 5  # 10,000 + 10·100 − 20·1
    assert books.daily_pnl == [-60, 0, 0, 0, 0]  # −20·(52 − 50) − 20
    assert books.daily_dividend_income == [-20, 0, 0, 0, 0]


@case(lot(20, 25, date(2023, 12, 1)), A={date(2023, 12, 5): 100, TUE: 51}, actions=[split(2, FRIDAY)])
def test_a_split_before_inception_is_in_the_statement_already(books):
    assert books.cash_value == [9_000] * 5  # 10,000 − 20·100/2
    assert books.daily_pnl == [20, 0, 0, 0, 0]


@case(
    lot(10, 50, date(2023, 3, 2), exit_date=FRIDAY, exit_price=100),
    # The last session at or before Saturday is the Friday before inception.
    option(1, 3, "CALL", 5, date(2023, 12, 30), date(2023, 3, 2)),
    A=[100] * 6,
    OPT=[3] * 6,
)
def test_what_left_before_inception_never_joins(books):
    assert books.cash_value == [10_000] * 5
    assert books.lot("quantity") == books.lot("quantity", "OPT") == []
    assert books.position()["as_of_date"] is None


@case(
    lot(10, 50, date(2023, 3, 2)),
    A=[100] * 6,
    closes=[close(4, 90, FRIDAY, 1, date(2023, 3, 2)), close(4, 90, TUE, 1, date(2023, 3, 2))],
)
def test_closes_before_inception_are_in_the_statement_already(books):
    assert books.lot("quantity") == [6] * 5
    assert books.cash_value == [9_359] * 5  # 10,000 − 1,000 + 4·90 − 1


@case(lot(10, 50, FRIDAY), A=[None, None, None, 55, 55, 55], actions=[split(2, TUE)])
def test_carried_in_without_any_price_is_at_cost(books):
    # 5 shares at 100 before the split of the first morning, 10 at 50 after it.
    assert books.equity_balance == [10_000, 10_000, 10_050, 10_050, 10_050]
    assert books.lot("opening_unrealized_pnl")[0] == 0


# Prices that are missing


@case(lot(10, 100), A=[100, 104, None, None, 106, 107])
def test_a_price_that_is_missing_and_comes_back(books):
    assert books.daily_pnl == [40, 0, 0, 20, 10]
    assert books.lot("is_stale") == [False, True, True, False, False]
    assert books.lot("price_date") == [TUE, TUE, TUE, FRI, MON]
    assert books.num_stale_positions == [0, 1, 1, 0, 0]


@case(lot(10, 100, WED), A=[None, 90, None, None, None, 95])
def test_an_entry_on_a_day_without_a_price_is_valued_at_the_close_before(books):
    assert books.daily_pnl == [0, -100, 0, 0, 50]  # bought at 100, last close 90
    assert books.lot("price_date") == [TUE, TUE, TUE, MON]


@case(lot(10, 100), A=[None, None, None, None, 60, 60], actions=[split(2, WED)])
def test_an_entry_before_the_first_price_is_worth_what_it_cost(books):
    assert books.equity_balance == [10_000, 10_000, 10_000, 10_200, 10_200]  # 20 at 50, then at 60
    assert books.lot("price") == [100, 50, 50, 60, 60]
    assert books.lot("price_date") == [None, None, None, FRI, MON]


@case(lot(10, 100), actions=[dividend(1, THU)])
def test_a_symbol_that_never_has_a_price_stays_at_cost(books):
    assert books.long_value == [1_000] * 5
    assert books.lot("is_stale") == [True] * 5
    assert books.num_stale_positions == [1] * 5
    assert books.daily_pnl == [0, 0, 10, 0, 0]  # its dividend is paid
    assert (books.position()["last_price"], books.position()["is_stale"]) == (100, True)


@case(lot(10, 100, exit_date=MON, exit_price=0), A=[100, 40, None, None, None, None])
def test_a_worthless_holding_keeps_its_last_price_until_its_exit_at_zero(books):
    assert books.long_value == [400, 400, 400, 400, 0]
    assert books.daily_pnl == [-600, 0, 0, 0, -400]
    assert books.daily_realized_pnl == [0, 0, 0, 0, -1_000]


# Dates that are no sessions


@case(
    lot(1, 10, SATURDAY),
    A=[10, 10, 10, 10, 10, 12],
)
def test_an_entry_on_a_weekend_is_of_the_monday(books):
    assert books.lot("value_date") == [MON]
    assert books.daily_pnl == [0, 0, 0, 0, 2]


@case(
    lot(10, 100, date(2024, 1, 1), exit_date=SUNDAY, exit_price=102),
    A=[100] * 6,
    closes=[close(5, 101, SATURDAY, entry_date=date(2024, 1, 1))],
    flows=[flow(7, SUNDAY)],
    inception=date(2023, 12, 30),
)
def test_dates_move_to_the_next_session(books):
    assert books.snapshot_date == [TUE, WED, THU, FRI, MON]  # inception on a Saturday, New Year's Day a holiday
    # The lot of New Year's Day is not carried in: inception and entry move to the same Tuesday.
    assert books.lot("opening_unrealized_pnl") == [0] * 5
    assert books.cash_value == [9_000, 9_000, 9_000, 9_000, 10_022]  # + 5·101 + 5·102 + 7
    assert books.daily_pnl == [0, 0, 0, 0, 15]  # 5·1 + 5·2


@case(
    lot(10, 100, date(2023, 11, 22)),
    inception=date(2023, 11, 22),
    A={date(2023, 11, 22): 100, date(2023, 11, 24): 103, date(2023, 11, 27): 104},
)
def test_a_half_day_is_a_session_like_any_other(books):
    # Thursday 23 November 2023 is Thanksgiving; trading ends at 13:00 on the Friday after it.
    assert books.snapshot_date[:3] == [date(2023, 11, 22), date(2023, 11, 24), date(2023, 11, 27)]
    assert books.daily_pnl[:3] == [0, 30, 10]
    assert books.lot("is_stale")[:3] == [False] * 3


@case(
    lot(10, 100, date(2023, 11, 29)),
    inception=date(2023, 11, 29),
    A={
        date(2023, 11, 29): 110,  # + 100 on 10,000
        date(2023, 11, 30): 121,  # + 110 on 10,100
        date(2023, 12, 1): 111,  # − 100 on 10,210
        FRIDAY: 131,  # + 200 on 10,110
        TUE: 141,  # + 100 on 10,310
        WED: 141,
    },
)
def test_a_month_and_a_year_begin_anew(books):
    def sums(session: date) -> tuple[Any, ...]:
        day = books.on(session)
        return day["mtd_pnl"], day["ytd_pnl"], day["cumulative_pnl"]

    def returns(session: date) -> tuple[Any, ...]:
        day = books.on(session)
        return tuple(round(day[name], 15) for name in ("mtd_return", "ytd_return", "cumulative_return"))

    def grown(*pairs: tuple[int, int]) -> tuple[Any, ...]:
        return tuple(round(Decimal(now) / then - 1, 15) for now, then in pairs)

    assert sums(date(2023, 11, 30)) == (210, 210, 210)
    assert sums(date(2023, 12, 1)) == (-100, 110, 110)
    assert sums(FRIDAY) == (100, 310, 310)
    assert sums(TUE) == sums(WED) == (100, 100, 410)
    assert returns(date(2023, 11, 30)) == grown((10_210, 10_000), (10_210, 10_000), (10_210, 10_000))
    assert returns(date(2023, 12, 1)) == grown((10_110, 10_210), (10_110, 10_000), (10_110, 10_000))
    assert returns(FRIDAY) == grown((10_310, 10_210), (10_310, 10_000), (10_310, 10_000))
    assert returns(WED) == grown((10_410, 10_310), (10_410, 10_310), (10_410, 10_000))


@case(lot(10, 50, FRIDAY), inception=FRI, A=[100, 101, 102, 103, 104, 105])
def test_a_portfolio_that_begins_in_the_middle_of_history(books):
    assert books.snapshot_date == [FRI, MON]
    assert books.cash_value == [8_970] * 2  # 10,000 − 10·103, Thursday's close
    assert books.daily_pnl == [10, 10]


# Flows


@case(flows=[flow(500, TUE), flow(-200, THU), flow(50, THU)])
def test_contributions_and_withdrawals_are_no_profit(books):
    assert books.daily_capital_flow == [500, 0, -150, 0, 0]
    assert books.cumulative_capital_flow == [500, 500, 350, 350, 350]
    assert books.equity_balance == [10_500, 10_500, 10_350, 10_350, 10_350]
    assert books.daily_pnl == books.cumulative_return == [0] * 5


@case(lot(10, 100), A=[100, 110, 115, 115, 115, 115], flows=[flow(10_000, TUE), flow(-10_000, WED)])
def test_a_contribution_counts_from_the_start_of_its_day_and_a_withdrawal_at_its_end(books):
    assert books.daily_return[0] == Decimal("0.005")  # 100 on 10,000 + 10,000: also on the first day
    assert books.daily_return[1] == round(Decimal(50) / 20_100, 18)  # 50 on 20,100, which earned it


@case(lot(100, 100, exit_date=WED, exit_price=101), A=[100, 100, 101, 101, 101, 101], flows=[flow(-9_990, WED)])
def test_nearly_everything_is_sold_with_a_gain_and_withdrawn(books):
    assert books.equity_balance == [10_000, 110, 110, 110, 110]
    assert books.daily_return == [0, Decimal("0.01"), 0, 0, 0]  # 100 on 10,000, not on 10
    assert books.ytd_return == [0, *[Decimal("0.01")] * 4]


@case(lot(100, 100, exit_date=WED, exit_price=101), A=[100, 100, 101, 101, 101, 101], flows=[flow(-10_000, WED)])
def test_the_starting_equity_is_withdrawn_with_a_gain(books):
    assert books.daily_return == [0, Decimal("0.01"), 0, 0, 0]  # 100 on 10,000
    assert books.cumulative_return[-1] == Decimal("0.01")


@case(
    lot(100, 100, exit_date=WED, exit_price=101),
    A=[100, 100, 101, 101, 101, 101],
    flows=[flow(-10_100, WED), flow(5_000, FRI)],
)
def test_everything_is_withdrawn_with_its_gain_and_something_comes_back(books):
    assert books.equity_balance == [10_000, 0, 0, 5_000, 5_000]
    assert books.daily_return == [0, Decimal("0.01"), None, 0, 0]  # 100 on 10,000; nothing on Thursday
    assert books.cumulative_return == [0, *[Decimal("0.01")] * 4]


@case(
    lot(100, 100, exit_date=WED, exit_price=99),
    lot(100, 100, FRI),
    A=[100, 100, 99, 100, 101, 101],
    flows=[flow(-9_850, WED), flow(9_950, FRI)],
)
def test_a_withdrawal_after_a_loss_and_a_return_of_the_money(books):
    assert books.equity_balance == [10_000, 50, 50, 10_100, 10_100]
    assert books.daily_return == [0, Decimal("-0.01"), 0, Decimal("0.01"), 0]  # −100 on 10,000; +100 on 50 + 9,950
    assert books.ytd_return[-1] == Decimal("-0.0001")  # 0.99·1.01 − 1, not −66 %


@case(equity=0, flows=[flow(1_000, FRI)])
def test_a_period_without_a_day_that_has_a_return_has_none(books):
    assert books.daily_return == [None, None, None, 0, 0]
    assert books.mtd_return == books.ytd_return == books.cumulative_return == [None, None, None, 0, 0]


# Cash that earns and costs


@case(
    cash_items=[cash_item(25, TUE), cash_item("-12.50", WED, "BORROW"), cash_item(-40, THU, "FEE")],
    flows=[flow(1_000, WED)],
)
def test_interest_and_fees_are_profit_and_loss(books):
    assert books.daily_cash_income == books.daily_pnl == [25, Decimal("-12.5"), -40, 0, 0]
    assert books.cumulative_pnl[-1] == Decimal("-27.5")
    assert books.equity_balance[-1] == books.cash_value[-1] == Decimal("10972.5")  # 10,000 + 1,000 − 27.50
    assert books.daily_return[:2] == [
        Decimal("0.0025"),  # 25 on 10,000
        round(Decimal("-12.5") / 11_025, 18),  # on 10,025 and the 1,000 paid in
    ]
    assert books.daily_realized_pnl == books.daily_dividend_income == books.daily_fees == [0] * 5


@case(lot(10, 100), A=[100, 100, 110, 110, 110, 110], cash_items=[cash_item(-30, WED, "TAX"), cash_item(5, WED)])
def test_cash_items_add_to_what_positions_earn(books):
    assert books.daily_pnl == [0, 75, 0, 0, 0]  # 10·10 − 30 + 5
    assert books.daily_cash_income == [0, -25, 0, 0, 0]
    assert books.equity_balance[-1] == 10_075
    assert books.cash_value[-1] == 8_975  # 10,000 − 1,000 − 25


@case(cash_items=[cash_item(7, FRIDAY), cash_item(3, SATURDAY)])
def test_a_cash_item_moves_to_its_session_and_counts_from_inception(books):
    assert books.daily_cash_income == [0, 0, 0, 0, 3]
    assert books.ignored() == ["interest of 7 before inception"]


# The benchmark


@case(
    lot(10, 100),
    A=[100, 110, 110, 110, 110, 110],
    B=[50, 51, None, 52, 52, 54],
    actions=[dividend(1, THU, "B"), split(2, MON, "B")],
    benchmark="B",
)
def test_the_benchmark_stands_beside_the_portfolio(books):
    # 51/50; none on Wednesday; (52 + 1)/51 over two sessions; 52/52; 2·54/52
    returns = [Decimal("0.02"), None, Decimal(53) / 51 - 1, 0, Decimal(108) / 52 - 1]
    assert [_rounded(each) for each in books.benchmark_return] == [_rounded(each) for each in returns]
    assert books.active_return[:2] == [Decimal("0.01") - Decimal("0.02"), None]
    assert books.active_return[2] == -books.benchmark_return[2]
    chained = [Decimal("1.02"), Decimal("1.02"), *[Decimal("1.02") * 53 / 51] * 2]
    chained.append(chained[-1] * 108 / 52)
    assert [round(each, 15) for each in books.cumulative_benchmark_return] == [round(x - 1, 15) for x in chained]


@case(B=[None, 51, 51, 52, 52, 52], benchmark="B")
def test_a_benchmark_without_a_close_before_inception_has_no_return_since(books):
    assert books.benchmark_return[:2] == [None, 0]
    assert round(books.benchmark_return[2], 15) == round(Decimal(52) / 51 - 1, 15)
    assert books.cumulative_benchmark_return == [None] * 5


@case()
def test_a_benchmark_without_prices(books):
    assert books.benchmark_return == books.active_return == books.cumulative_benchmark_return == [None] * 5


@case(flows=[flow(99, FRIDAY), flow(-5, date(2023, 12, 30))])
def test_a_flow_before_inception_is_ignored_and_reported(books):
    # The withdrawal of the Saturday moves to the Tuesday of inception and counts.
    assert books.daily_capital_flow == [-5, 0, 0, 0, 0]
    assert books.equity_balance == [9_995] * 5
    assert books.ignored() == ["contribution of 99 before inception"]


# Equity at or below zero


@case(lot(-10, 100), equity=1_000, A=[100, 150, 250, 240, 200, 190])
def test_a_return_on_equity_that_is_not_positive_is_none(books):
    assert books.equity_balance == [500, -500, -400, 0, 100]  # 2,000 − 10·close
    assert books.daily_return == [Decimal("-0.5"), -2, None, None, None]  # on 1,000, 500, −500, −400 and 0
    assert books.cumulative_return == [Decimal("-0.5"), *[Decimal("-1.5")] * 4]  # 0.5·(−1) − 1, then counted as 0
    assert books.cumulative_pnl[-1] == -900


@case(flows=[flow(-10_000, WED), flow(2_000, FRI)])
def test_a_portfolio_that_is_emptied_and_filled_again(books):
    assert books.equity_balance == [10_000, 0, 0, 2_000, 2_000]
    assert books.daily_return == [0, 0, None, 0, 0]  # Wednesday's base is what was there until its end


# Options


@case(option(2, 3, "CALL", 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3, 4, 5, None, 5, 5])
def test_a_long_call_that_expires_in_the_money(books):
    assert books.cash_value == [9_400, 9_400, 9_400, 11_400, 11_400]  # − 2·100·3, + 2·100·(110 − 100)
    assert books.long_value == [800, 1_000, 1_000, 0, 0]  # 2·100·4
    assert books.daily_realized_pnl == [0, 0, 0, 1_400, 0]
    assert books.lot("multiplier", "OPT") == [100] * 4
    assert books.lot("quantity", "OPT") == [2, 2, 2, 0]


@case(option(-2, 3, "CALL", 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3, 4, 5, None, 5, 5])
def test_a_short_call_that_expires_in_the_money(books):
    assert books.cash_value == [10_600, 10_600, 10_600, 8_600, 8_600]  # + 600, − 2,000
    assert books.daily_realized_pnl == [0, 0, 0, -1_400, 0]


@case(option(-1, 3, "PUT", 100, FRI), lot(100, 100, FRI), A=[104, 104, 104, 104, 95, 96], OPT=[3, 3, 3, 4, 5, 5])
def test_a_short_put_assigned_in_shares_at_the_strike(books):
    assert books.equity_balance[3] == 9_800  # + 300, 100·(95 − 100)
    assert books.daily_realized_pnl == [0, 0, 0, 300, 0]
    assert books.long_value == [0, 0, 0, 9_500, 9_600]


@case(
    lot(100, 90), option(-1, 3, "CALL", 100, FRI), closes=[close(100, 100, FRI)], A=[90, 90, 95, 100, 110, 110],
    OPT=[3, 3, 3, 4, 9, 9],
)  # fmt: skip
def test_covered_shares_called_away_at_the_strike(books):
    assert books.equity_balance[4] == 11_300  # + 300, 100·(100 − 90)


@case(option(-1, 3, "PUT", 100, FRI), lot(100, 95, FRI), A=[104, 104, 104, 104, 95, 96], OPT=[3, 3, 3, 4, 5, 5])
def test_a_short_put_assigned_in_shares_at_the_market(books):
    assert books.equity_balance[3] == 9_800  # + 300 − 500


@case(option(2, 3, "PUT", 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3, 4, 5, 1, 5, 5])
def test_a_long_put_that_expires_out_of_the_money(books):
    assert books.daily_realized_pnl == [0, 0, 0, -600, 0]  # the premium
    assert books.daily_pnl == [200, 200, -800, -200, 0]  # 2·100·(1, 1, −4, −1)


@case(option(-2, 3, "PUT", 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3, 4, 5, 1, 5, 5])
def test_a_short_put_that_expires_out_of_the_money(books):
    assert books.daily_realized_pnl == [0, 0, 0, 600, 0]


@case(option(1, 3, "PUT", 100, SATURDAY), A=[100, 100, 100, 100, 95, 50], OPT=[3] * 6)
def test_an_expiration_on_a_weekend_settles_on_the_friday(books):
    assert books.cash_value == [9_700, 9_700, 9_700, 10_200, 10_200]  # + 100·(100 − 95)


@case(
    option(1, 3, "CALL", 100, FRI),
    A=[100, 100, 100, 55, None, 60],
    OPT=[3] * 6,
    actions=[split(2, THU), split(2, FRI)],
)
def test_the_underlying_splits_before_expiry_and_its_last_close_is_from_before(books):
    assert books.daily_realized_pnl[3] == 700  # 100·(55/2·4 − 100) − 300: strike and contracts do not split
    assert books.lot("quantity", "OPT") == [1, 1, 1, 0]


@case(
    option(1, 3, "CALL", 50, WED, date(2023, 6, 1)),
    A=[100, 56, 57, 1, 1, 1],
    OPT=[4] * 6,
    actions=[split(2, TUE)],
)
def test_the_strike_of_an_option_carried_in_is_in_shares_of_the_inception_date(books):
    assert books.cash_value == [9_600, 10_300, 10_300, 10_300, 10_300]  # 10,000 − 100·4; + 100·(57 − 50)


@case(option(1, 3, "CALL", 50, WED), OPT=[3, 4, None, None, None, None])
def test_without_a_price_of_the_underlying_an_option_settles_at_its_own(books):
    assert books.cash_value == [9_700, 10_100, 10_100, 10_100, 10_100]  # + 100·4


@case(option(1, 3, "CALL", 50, WED))
def test_without_any_price_an_option_settles_at_what_it_cost(books):
    assert books.daily_pnl == [0] * 5
    assert books.cash_value[-1] == 10_000


@case(option(1, 3, "CALL", 90, FRI), A=[100, 97, None, None, None, 50], OPT=[3] * 6)
def test_a_stale_underlying_settles_an_option_all_the_same(books):
    assert books.daily_realized_pnl[3] == 400  # 100·(97 − 90) − 300


@case(
    option(2, 3, "CALL", 100, FRI),
    A=[100, 100, 100, 100, 110, 110],
    OPT=[3] * 6,
    closes=[close(1, 6, FRI, fees=1, symbol="OPT")],
)
def test_an_option_is_closed_in_part_on_the_day_it_expires(books):
    assert books.daily_realized_pnl == [0, 0, 0, 999, 0]  # 100·(6 − 3) − 1, then 100·(10 − 3)


@case(
    option(1, 3, "CALL", 100, MON),
    A=[100] * 6,
    OPT=[3] * 6,
    actions=[dividend(1, WED), dividend(1, WED, "OPT"), split(2, THU, "OPT")],
)
def test_an_option_pays_no_dividend_and_does_not_split(books):
    assert books.daily_pnl == [0, 0, 0, 0, -300]  # on the last day it expires at the money
    assert books.lot("quantity", "OPT") == [1, 1, 1, 1, 0]


# Private holdings


@case(
    private(2, 100, WED),
    marks=[mark(130, SUNDAY), mark(120, THU)],
    actions=[split(2, FRI, "My House"), dividend(1, FRI, "My House")],
)
def test_a_private_holding_is_worth_its_latest_mark(books):
    assert books.long_value == [0, 200, 240, 240, 260]
    assert books.cash_value == [10_000, 9_800, 9_800, 9_800, 9_800]  # neither splits nor dividends
    assert books.lot("is_stale", "My House") == [False] * 4
    assert books.lot("price_date", "My House") == [None, THU, THU, SUNDAY]


@case(private(2, 100))
def test_a_private_holding_without_a_mark_is_at_cost_and_not_stale(books):
    assert books.long_value == [200] * 5
    assert books.num_positions == [1] * 5
    assert books.num_stale_positions == [0] * 5


@case(private(2, 100, date(2020, 1, 2)), private(1, 140, WED), marks=[mark(150, date(2023, 12, 1))])
def test_a_mark_from_before_counts_from_the_start_and_for_every_lot(books):
    assert books.cash_value == [9_700, 9_560, 9_560, 9_560, 9_560]  # 10,000 − 2·150, then − 140
    assert books.daily_pnl == [0, 10, 0, 0, 0]


# What was deleted


@case(lot(10, 100), lot(10, 50, symbol="B"), A=[100, 101, 101, 101, 101, 101], B=[50] * 5 + [70], deleted=("B",))
def test_a_deleted_position_never_existed(books):
    assert books.cash_value == [9_000] * 5
    assert books.daily_pnl == [10, 0, 0, 0, 0]
    assert books.lot("quantity", "B") == []


@case(lot(10, 100), A=[100] * 6, deleted=True)
def test_a_deleted_portfolio_has_no_rows(books):
    assert books.snapshot_date == books.lot("quantity") == []
    assert books._table("positions", "symbol") == books._table("portfolio_sector_exposures", "sector") == []


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


def _rounded(number: Decimal | None) -> Decimal | None:
    return None if number is None else round(number, 15)
