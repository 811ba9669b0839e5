"""Options: their expiry, in and out of the money."""

from datetime import date

from tests.roll_forward.cases import FRI, MON, SATURDAY, THU, TUE, WED, case, close, dividend, lot, option, split


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
