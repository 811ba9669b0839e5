"""Flows, cash that earns and costs, and the benchmark beside the portfolio."""

from datetime import date
from decimal import Decimal

from tests.roll_forward.cases import (
    FRI,
    FRIDAY,
    MON,
    SATURDAY,
    THU,
    TUE,
    WED,
    case,
    cash_item,
    dividend,
    flow,
    lot,
    split,
)

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


def _rounded(number: Decimal | None) -> Decimal | None:
    return None if number is None else round(number, 15)
