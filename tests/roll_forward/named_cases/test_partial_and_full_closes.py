"""Lots are closed, in part and whole."""

from decimal import Decimal

from tests.roll_forward.cases import FRI, THU, TUE, WED, case, close, lot


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
