"""What is bought, carried in, held and deleted."""

from datetime import date
from decimal import Decimal

from tests.roll_forward.cases import (
    FRI,
    FRIDAY,
    MON,
    SUNDAY,
    THU,
    TUE,
    WED,
    case,
    close,
    dividend,
    lot,
    mark,
    option,
    private,
    split,
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
