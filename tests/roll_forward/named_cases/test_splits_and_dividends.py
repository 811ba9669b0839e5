"""Splits and dividends, on sessions and between them."""

from datetime import date
from decimal import Decimal

from tests.roll_forward.cases import FRI, MON, SATURDAY, THU, WED, case, close, dividend, lot, split

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
