"""The replay against arithmetic done by hand: each expectation has its sum beside it."""

from datetime import date
from decimal import Decimal

import pytest

from tests.accounting_replay import Action, CashItem, Close, Day, Flow, Lot, Mark, Portfolio, replay

# Two weeks: Friday 2023-12-29 is the session before inception, 1 January a holiday, 6 and 7 January a weekend.
FRIDAY = date(2023, 12, 29)
TUE, WED, THU, FRI, MON = (date(2024, 1, day) for day in (2, 3, 4, 5, 8))
SESSIONS = [FRIDAY, TUE, WED, THU, FRI, MON]
START = Decimal(10_000)


def number(value) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def lot(quantity, entry_price, entry_date=TUE, symbol="A", **more) -> Lot:
    exit_price = number(more.pop("exit_price", None))
    strike_price = number(more.pop("strike_price", None))
    return Lot(
        symbol,
        entry_date,
        number(quantity),
        number(entry_price),
        exit_price=exit_price,
        strike_price=strike_price,
        **more,
    )


def close(quantity, price, trade_date, fees=0, entry_date=TUE, symbol="A") -> Close:
    return Close(symbol, entry_date, trade_date, number(quantity), number(price), number(fees))


def split(ratio, ex_date, symbol="A") -> Action:
    return Action(symbol, ex_date, "SPLIT", number(ratio))


def dividend(amount, ex_date, symbol="A") -> Action:
    return Action(symbol, ex_date, "DIVIDEND", number(amount))


def run(
    *lots: Lot, prices=None, actions=(), closes=(), flows=(), marks=(), cash_items=(), inception=TUE, **closes_of: list
) -> list[Day]:
    """Replay lots on closes given by symbol, from the Friday before inception on; None where there was no close."""
    prices = {
        symbol: {session: number(price) for session, price in zip(SESSIONS, series, strict=True) if price is not None}
        for symbol, series in closes_of.items()
    }
    portfolio = Portfolio(inception, START, lots, closes, flows, marks, cash_items)
    return replay(portfolio, prices, actions, SESSIONS)


def column(days: list[Day], name: str) -> list[Decimal]:
    return [getattr(day, name).quantize(Decimal("0.000001")) for day in days]


def test_an_empty_portfolio():
    days = run()
    assert [day.session for day in days] == SESSIONS[1:]
    assert column(days, "equity") == [10_000] * 5


def test_a_purchase_on_the_first_day():
    days = run(lot(10, 100), A=[99, 102, 101, 101, 101, 105])
    assert column(days, "cash") == [9_000] * 5  # 10,000 − 10·100
    assert column(days, "market_value") == [1_020, 1_010, 1_010, 1_010, 1_050]
    assert column(days, "equity") == [10_020, 10_010, 10_010, 10_010, 10_050]
    assert column(days, "daily_pnl") == [20, -10, 0, 0, 40]


def test_a_purchase_later_on():
    days = run(lot(10, 100, THU), A=[99, 102, 101, 103, 101, 105])
    assert column(days, "cash") == [10_000, 10_000, 9_000, 9_000, 9_000]
    assert column(days, "daily_pnl") == [0, 0, 30, -20, 40]  # bought at 100, first close 103


def test_a_short():
    days = run(lot(-10, 100), A=[99, 102, 90, 90, 90, 90])
    assert column(days, "cash") == [11_000] * 5  # 10,000 + 10·100
    assert column(days, "equity") == [9_980, 10_100, 10_100, 10_100, 10_100]  # 11,000 − 10·102; 11,000 − 10·90


def test_a_split_while_long():
    days = run(lot(10, 100), A=[100, 100, 100, 30, 30, 30], actions=[split(4, THU)])
    assert column(days, "market_value") == [1_000, 1_000, 1_200, 1_200, 1_200]  # 40 shares at 30
    assert column(days, "cash") == [9_000] * 5


def test_a_split_while_short_and_a_close_in_new_shares():
    days = run(
        lot(-10, 100), A=[100, 100, 100, 30, 30, 20], actions=[split(4, THU)], closes=[close(15, 28, FRI, fees=2)]
    )
    # −40 at 30; 15 bought back at 28 with a fee of 2: −25 left.
    assert column(days, "market_value") == [-1_000, -1_000, -1_200, -750, -500]
    assert column(days, "cash") == [11_000, 11_000, 11_000, 10_578, 10_578]  # 11,000 − 15·28 − 2
    assert column(days, "realized") == [0, 0, 0, -47, 0]  # −15·(28 − 100/4) − 2
    assert column(days, "fees") == [0, 0, 0, 2, 0]


def test_a_reverse_split_that_leaves_a_fraction():
    days = run(lot(10, 9), A=[9, 9, 9, 27, 27, 30], actions=[split(1 / Decimal(3), THU)])
    assert column(days, "market_value") == [90, 90, 90, 90, 100]  # 10/3 shares


def test_a_dividend_on_a_long_and_on_a_short():
    long = run(lot(10, 100), A=[100] * 6, actions=[dividend("1.5", THU)])
    short = run(lot(-10, 100), A=[100] * 6, actions=[dividend("1.5", THU)])
    assert column(long, "dividends") == column(long, "daily_pnl") == [0, 0, 15, 0, 0]
    assert column(short, "dividends") == column(short, "daily_pnl") == [0, 0, -15, 0, 0]
    assert column(long, "realized") == [0] * 5


def test_a_dividend_goes_to_who_held_at_the_close_before():
    # The second lot is bought on the ex-date; the first is sold on it, and is paid all the same.
    days = run(lot(10, 100, exit_date=THU, exit_price=100), lot(10, 100, THU), A=[100] * 6, actions=[dividend(1, THU)])
    assert column(days, "dividends") == [0, 0, 10, 0, 0]


def test_a_split_comes_before_a_dividend_of_its_day():
    days = run(lot(10, 100), A=[100, 100, 100, 50, 50, 50], actions=[dividend(1, THU), split(2, THU)])
    assert column(days, "dividends") == [0, 0, 20, 0, 0]  # on 20 shares


def test_partial_closes_with_fees():
    days = run(
        lot(10, 100),
        A=[100, 110, 110, 110, 110, 110],
        closes=[close(4, 112, WED, fees=1), close(1, 90, WED, fees="0.5")],
    )
    assert column(days, "cash") == [9_000, *[Decimal("9536.5")] * 4]  # 9,000 + 4·112 − 1 + 1·90 − 0.5
    assert column(days, "realized") == [0, Decimal("36.5"), 0, 0, 0]  # 4·12 − 1 + 1·(−10) − 0.5
    assert column(days, "daily_pnl") == [100, Decimal("-13.5"), 0, 0, 0]  # 4·2 − 1·20 − 1.5
    assert column(days, "market_value")[-1] == 550


def test_a_close_takes_at_most_what_is_left_and_costs_nothing_when_nothing_is():
    days = run(
        lot(10, 100),
        A=[100] * 6,
        closes=[
            close(7, 100, WED, fees=1),
            close(7, 101, WED, fees=1),
            close(7, 102, WED, fees=1),
            close(1, 1, THU, 9),
        ],
    )
    assert column(days, "cash") == [9_000, 10_001, 10_001, 10_001, 10_001]  # 9,000 + 700 − 1 + 3·101 − 1
    assert column(days, "fees") == [0, 2, 0, 0, 0]


def test_closes_of_a_day_in_the_order_of_the_file():
    first, second = close(8, 110, WED), close(8, 90, WED)
    prices = {"A": [100] * 6}
    assert column(run(lot(10, 100), closes=[first, second], **prices), "realized")[1] == 60  # 8·10 − 2·10
    assert column(run(lot(10, 100), closes=[second, first], **prices), "realized")[1] == -60  # −8·10 + 2·10


def test_a_remainder_that_is_next_to_nothing_goes_with_the_rest():
    days = run(lot(1, 100), A=[100] * 6, closes=[close("0.9999995", 101, WED)])
    assert column(days, "cash")[1] == 9_900 + 101
    assert column(days, "market_value")[1] == 0


def test_an_exit_closes_what_is_left():
    days = run(
        lot(10, 100, exit_date=THU, exit_price=120),
        A=[100] * 6,
        closes=[close(4, 110, WED), close(1, 130, THU, fees=1)],
    )
    assert column(days, "cash") == [9_000, 9_440, 10_169, 10_169, 10_169]  # + 440; + 130 − 1 + 5·120
    assert column(days, "realized") == [0, 40, 129, 0, 0]  # 4·10; 30 − 1 + 5·20
    assert column(days, "market_value") == [1_000, 600, 0, 0, 0]


def test_bought_and_sold_on_one_day():
    days = run(lot(10, 100, WED, exit_date=WED, exit_price=103), A=[100] * 6)
    assert column(days, "daily_pnl") == [0, 30, 0, 0, 0]


# Carried in


def test_a_position_carried_in_is_part_of_the_starting_equity():
    days = run(lot(10, 50, date(2020, 3, 2)), A=[100, 102, 102, 102, 102, 102])
    assert column(days, "cash") == [9_000] * 5  # 10,000 − 10·100, the close before inception; not the cost
    assert column(days, "daily_pnl") == [20, 0, 0, 0, 0]


def test_a_position_carried_in_is_realized_against_its_cost():
    days = run(lot(10, 50, FRIDAY, exit_date=WED, exit_price=103), A=[100, 102, 102, 102, 102, 102])
    assert column(days, "realized") == [0, 530, 0, 0, 0]  # 10·(103 − 50)
    assert column(days, "daily_pnl") == [20, 10, 0, 0, 0]  # since Friday it made 30


def test_a_short_carried_in_with_a_split_and_a_dividend_on_the_first_day():
    # Stated in shares of the inception date: 20 at 25 that morning, 10 at 50 the Friday before.
    days = run(lot(-20, 25, FRIDAY), A=[100, 52, 52, 52, 52, 52], actions=[split(2, TUE), dividend(1, TUE)])
    assert column(days, "cash") == [10_980] * 5  # 10,000 + 10·100 − 20·1
    assert column(days, "equity") == [9_940] * 5  # 10,980 − 20·52
    assert column(days, "dividends") == [-20, 0, 0, 0, 0]


def test_a_split_before_inception_is_in_the_statement_already():
    # The only close is from before the split.
    sessions = [date(2023, 12, 28), *SESSIONS]
    portfolio = Portfolio(TUE, START, [lot(20, 25, date(2023, 12, 27))])
    prices = {"A": {date(2023, 12, 28): Decimal(100), TUE: Decimal(51)}}
    days = replay(portfolio, prices, [split(2, FRIDAY)], sessions)
    assert column(days, "cash") == [9_000] * 5  # 10,000 − 20·100/2
    assert column(days, "daily_pnl") == [20, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "gone",
    [
        lot(10, 50, date(2020, 3, 2), exit_date=FRIDAY, exit_price=100),
        # The last session at or before Saturday is the Friday before inception.
        lot(
            10, 50, date(2020, 3, 2), underlying_symbol="B", option_type="CALL", strike_price=5,
            expiration_date=date(2023, 12, 30),
        ),
    ],
)  # fmt: skip
def test_what_left_before_inception_never_joins(gone):
    assert column(run(gone, A=[100] * 6, B=[100] * 6), "cash") == [10_000] * 5


def test_closes_before_inception_are_in_the_statement_already():
    entered = date(2020, 3, 2)
    days = run(
        lot(10, 50, entered), A=[100] * 6, closes=[close(4, 90, FRIDAY, 1, entered), close(4, 90, TUE, 1, entered)]
    )
    assert column(days, "market_value") == [600] * 5
    assert column(days, "cash") == [9_359] * 5  # 10,000 − 1,000 + 4·90 − 1


def test_carried_in_without_any_price_is_at_cost():
    days = run(lot(10, 50, FRIDAY), A=[None, None, None, 55, 55, 55], actions=[split(2, TUE)])
    # 5 shares at 100 before the split of the first morning, 10 at 50 after it.
    assert column(days, "equity") == [10_000, 10_000, 10_050, 10_050, 10_050]


# Prices that are missing


def test_a_missing_close_is_the_last_one_split_as_the_shares_are():
    days = run(lot(10, 100), A=[100, 104, None, None, 27, 27], actions=[split(2, WED), split(2, THU), dividend(1, THU)])
    assert column(days, "market_value") == [1_040, 1_040, 1_040, 1_080, 1_080]  # 20 at 52, 40 at 26, then 27
    assert column(days, "dividends") == [0, 0, 40, 0, 0]


def test_a_close_from_before_the_entry_is_better_than_the_cost():
    days = run(lot(10, 100, WED), A=[None, 90, None, None, None, 95])
    assert column(days, "daily_pnl") == [0, -100, 0, 0, 50]


def test_without_a_close_it_is_worth_what_it_cost():
    days = run(lot(10, 100), A=[None, None, None, None, 60, 60], actions=[split(2, WED)])
    assert column(days, "equity") == [10_000, 10_000, 10_000, 10_200, 10_200]  # 20 at 50, then at 60


# Dates that are no sessions


def test_dates_move_to_the_next_session():
    saturday, sunday = date(2024, 1, 6), date(2024, 1, 7)
    days = run(
        lot(10, 100, date(2024, 1, 1)),
        lot(1, 10, saturday, symbol="B"),
        A=[100] * 6,
        B=[10, 10, 10, 10, 10, 12],
        actions=[dividend(1, sunday)],
        closes=[close(5, 101, saturday, entry_date=date(2024, 1, 1))],
        flows=[Flow(sunday, Decimal(7))],
        inception=date(2023, 12, 30),
    )
    assert [day.session for day in days] == SESSIONS[1:]
    assert column(days, "cash") == [9_000, 9_000, 9_000, 9_000, 9_512]  # + 10 dividend + 5·101 + 7 − 10
    # The lot of New Year's Day is not carried in: inception and entry move to the same Tuesday.
    assert column(days, "daily_pnl") == [0, 0, 0, 0, 17]  # 10 dividend, 5·1, 2


def test_dividends_that_fall_together_add_up_and_splits_multiply():
    saturday = date(2024, 1, 6)
    days = run(
        lot(10, 100),
        A=[100, 100, 100, 100, 100, 25],
        actions=[split(2, saturday), split(2, MON), dividend(1, saturday), dividend(2, MON)],
    )
    assert column(days, "dividends")[-1] == 120  # 40·(1 + 2)
    assert column(days, "market_value")[-1] == 1_000


# Flows


def test_flows_are_no_profit():
    days = run(
        flows=[Flow(FRIDAY, Decimal(99)), Flow(TUE, Decimal(500)), Flow(THU, Decimal(-200)), Flow(THU, Decimal(50))]
    )
    assert column(days, "flow") == [500, 0, -150, 0, 0]  # the one before inception is ignored
    assert column(days, "equity") == [10_500, 10_500, 10_350, 10_350, 10_350]
    assert column(days, "daily_pnl") == [0] * 5


def test_cash_items_are_profit_and_no_flow():
    days = run(
        flows=[Flow(TUE, Decimal(500)), Flow(TUE, Decimal(-100))],
        cash_items=[CashItem(FRIDAY, Decimal(9)), CashItem(TUE, Decimal(25)), CashItem(THU, Decimal(-40))],
    )
    assert column(days, "cash_income") == [25, 0, -40, 0, 0]  # the one before inception is ignored
    assert column(days, "daily_pnl") == column(days, "cash_income")
    assert column(days, "contributions") == [500, 0, 0, 0, 0]
    assert column(days, "equity") == [10_425, 10_425, 10_385, 10_385, 10_385]


# Options


def option(quantity, premium, kind, strike, expires, entry_date=TUE) -> Lot:
    return lot(
        quantity, premium, entry_date, "OPT", investment_class="OPTIONS", underlying_symbol="A", option_type=kind,
        strike_price=strike, expiration_date=expires,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "kind", "settled"),
    [
        (2, "CALL", 2_000),  # 2·100·(110 − 100)
        (-2, "CALL", -2_000),
        (2, "PUT", 0),
        (-2, "PUT", 0),
    ],
)
def test_an_option_is_settled_in_cash(quantity, kind, settled):
    days = run(option(quantity, 3, kind, 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3, 4, 5, None, 5, 5])
    paid = -quantity * 300
    assert column(days, "cash") == [10_000 + paid] * 3 + [10_000 + paid + settled] * 2
    assert column(days, "market_value") == [quantity * 400, quantity * 500, quantity * 500, 0, 0]
    assert column(days, "realized") == [0, 0, 0, settled - quantity * 300, 0]


def test_an_expiration_on_a_weekend_settles_on_the_friday():
    days = run(option(1, 3, "PUT", 100, date(2024, 1, 6)), A=[100, 100, 100, 100, 95, 50], OPT=[3] * 6)
    assert column(days, "cash") == [9_700, 9_700, 9_700, 10_200, 10_200]  # + 100·(100 − 95)


def test_a_strike_does_not_split_and_the_underlying_is_brought_to_its_shares():
    days = run(
        option(1, 3, "CALL", 100, FRI),
        A=[100, 100, 100, 55, None, 60],
        OPT=[3] * 6,
        actions=[split(2, THU), split(2, FRI)],
    )
    assert column(days, "realized")[3] == 700  # 100·(55/2·4 − 100) − 300


def test_the_strike_of_an_option_carried_in_is_in_shares_of_the_inception_date():
    days = run(
        option(1, 3, "CALL", 50, WED, date(2023, 6, 1)), A=[100, 56, 57, 1, 1, 1], OPT=[4] * 6, actions=[split(2, TUE)]
    )
    assert column(days, "cash") == [9_600, 10_300, 10_300, 10_300, 10_300]  # 10,000 − 100·4; + 100·(57 − 50)


def test_without_a_price_of_the_underlying_an_option_settles_at_its_own():
    days = run(option(1, 3, "CALL", 50, WED), OPT=[3, 4, None, None, None, None])
    assert column(days, "cash") == [9_700, 10_100, 10_100, 10_100, 10_100]
    assert column(run(option(1, 3, "CALL", 50, WED)), "daily_pnl") == [0] * 5


def test_an_option_that_is_closed_before_it_expires():
    days = run(
        option(2, 3, "CALL", 100, FRI), A=[100, 100, 100, 100, 110, 110], OPT=[3] * 6,
        closes=[close(1, 6, FRI, fees=1, symbol="OPT")],
    )  # fmt: skip
    assert column(days, "realized") == [0, 0, 0, 999, 0]  # 100·(6 − 3) − 1, then 100·(10 − 3)


def test_an_option_pays_no_dividend():
    days = run(
        option(1, 3, "CALL", 100, MON), A=[100] * 6, OPT=[3] * 6, actions=[dividend(1, WED), dividend(1, WED, "OPT")]
    )
    assert column(days, "dividends") == [0] * 5


# Private holdings


def private(quantity, cost, entry_date=TUE) -> Lot:
    return lot(quantity, cost, entry_date, "My House", investment_class="PRIVATE")


def test_a_private_holding_is_worth_its_latest_mark():
    days = run(
        private(2, 100, WED),
        marks=[Mark("My House", date(2024, 1, 7), Decimal(130)), Mark("My House", THU, Decimal(120))],
        actions=[split(2, FRI, "My House"), dividend(1, FRI, "My House")],
    )
    assert column(days, "market_value") == [0, 200, 240, 240, 260]
    assert column(days, "cash") == [10_000, 9_800, 9_800, 9_800, 9_800]


def test_a_mark_from_before_counts_from_the_start_and_for_every_lot():
    days = run(
        private(2, 100, date(2020, 1, 2)),
        private(1, 140, WED),
        marks=[Mark("My House", date(2023, 12, 1), Decimal(150))],
    )
    assert column(days, "cash") == [9_700, 9_560, 9_560, 9_560, 9_560]  # 10,000 − 2·150, then − 140
    assert column(days, "daily_pnl") == [0, 10, 0, 0, 0]


def test_the_session_before_inception_is_needed():
    with pytest.raises(ValueError, match="session before inception"):
        replay(Portfolio(TUE, START), {}, [], SESSIONS[1:])
