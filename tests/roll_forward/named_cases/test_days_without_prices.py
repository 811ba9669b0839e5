"""Prices that are missing, and dates that are no sessions."""

from datetime import date
from decimal import Decimal
from typing import Any

from tests.roll_forward.cases import (
    FRI,
    FRIDAY,
    MON,
    SATURDAY,
    SUNDAY,
    THU,
    TUE,
    WED,
    case,
    close,
    dividend,
    flow,
    lot,
    split,
)

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
