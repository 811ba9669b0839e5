"""Portfolios kept by transactions: small ones reckoned by hand, loaded as files are, and rolled by dbt."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.books.load_transactions import TransactionOptions, load_transactions
from tests.accounting_replay import Action
from tests.roll_forward.books import Warehouse, load_market

# A Monday to the Friday of the next week, around the expiration on 15 March.
DAYS = [date(2024, 3, day) for day in (1, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 18, 19)]
HEADER = "portfolio,date,type,symbol,quantity,price,amount,fees,lot\n"

PRICES = {
    # one sale closes two lots
    "LOT": [10, 12, 13, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14],
    # bought and turned into a short on one day
    "FLP": [10, 10, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12],
    # transferred in
    "TRF": [100, 100, 100, 101, 101, 101, 101, 101, 101, 101, 101, 101, 101],
    # the underlying of an assignment
    "ASG": [104, 104, 104, 104, 104, 104, 104, 104, 104, 104, 95, 95, 96],
    "SPX": [5080] * 10 + [5117, 5117, 5117],
    # 2:1 on the 7th
    "SPL": [50, 51, 52, 53, 27, 27, 28, 28, 28, 28, 28, 28, 28],
    # pays 1.00 on the 6th
    "DIV": [20] * 13,
}
ACTIONS = [
    Action("SPL", date(2024, 3, 7), "SPLIT", Decimal(2)),
    Action("DIV", date(2024, 3, 6), "DIVIDEND", Decimal(1)),
]
SATURDAY = "ASG240309C00100000"
PUT, CALL = "ASG240315P00100000", "SPX240315C05000000"

BOOKS = {
    "two lots": """
two lots,2024-03-01,DEPOSIT,,,,10000,,
two lots,2024-03-01,BUY,LOT,100,10,,,
two lots,2024-03-04,BUY,LOT,100,12,,,
two lots,2024-03-06,SELL,LOT,150,15,,6,
""",
    "flipped": """
flipped,2024-03-01,DEPOSIT,,,,50000,,
flipped,2024-03-05,BUY,FLP,100,10,,,
flipped,2024-03-05,SELL,FLP,100,11,,,
flipped,2024-03-05,SHORT,FLP,100,11,,,
""",
    "transferred": """
transferred,2024-03-01,DEPOSIT,,,,10000,,
transferred,2024-03-05,TRANSFER_IN,TRF,100,40,,,2015-06-01
transferred,2024-03-11,TRANSFER_OUT,TRF,40,,,,
""",
    "assigned": f"""
assigned,2024-03-01,DEPOSIT,,,,50000,,
assigned,2024-03-04,SHORT,{PUT},1,3,300,,
assigned,2024-03-18,ASSIGN,{PUT},1,,,,
""",
    # expires on a Saturday
    "weekend": f"""
weekend,2024-03-01,DEPOSIT,,,,50000,,
weekend,2024-03-04,BUY,{SATURDAY},1,5,,,
""",
    "settled": f"""
settled,2024-03-01,DEPOSIT,,,,100000,,
settled,2024-03-04,BUY,{CALL},1,80,,,
settled,2024-03-15,EXPIRE,{CALL},1,123.40,,,
""",
    "split": """
split,2024-03-01,DEPOSIT,,,,10000,,
split,2024-03-01,BUY,SPL,100,50,,,
split,2024-03-11,SELL,SPL,150,28,,,
""",
    "paid": """
paid,2024-03-01,DEPOSIT,,,,10000,,
paid,2024-03-04,BUY,DIV,100,20,,,
paid,2024-03-12,DIVIDEND,DIV,,,85.00,,
paid,2024-03-12,REINVEST,DIV,4.25,20,-85,,
paid,2024-03-13,FEE,,,,-12.50,,
paid,2024-03-14,INTEREST,,,,25,,
""",
    "oversold": """
oversold,2024-03-01,DEPOSIT,,,,10000,,
oversold,2024-03-04,BUY,LOT,100,12,,,
oversold,2024-03-06,SELL,LOT,150,15,,,
""",
}
MATCHED = """
{rule},2024-03-01,DEPOSIT,,,,10000,,
{rule},2024-03-01,BUY,LOT,100,10,,,
{rule},2024-03-04,BUY,LOT,50,16,,,
{rule},2024-03-05,BUY,LOT,50,13,,,
{rule},2024-03-06,SELL,LOT,60,15,,,2024-03-05
"""


@pytest.fixture(scope="module")
def rolled(copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """All books on one market, rolled by one dbt run."""
    folder = tmp_path_factory.mktemp("transactions")
    with copies() as warehouse, warehouse.database.connect() as conn:
        prices = {symbol: dict(zip(DAYS, map(Decimal, closes), strict=True)) for symbol, closes in PRICES.items()}
        load_market(conn, prices, ACTIONS)
        load(conn, folder / "books.csv", "".join(BOOKS.values()))
        for rule in ("fifo", "lifo", "hifo", "average", "named"):
            load(conn, folder / f"{rule}.csv", MATCHED.format(rule=rule), lots=rule)
        warehouse.roll()
        yield warehouse


def load(conn: Any, file: Path, lines: str, **options: Any) -> list[str]:
    """Load a file of these lines as the command does."""
    file.write_text(HEADER + lines)
    return load_transactions(conn, [file], TransactionOptions(**options)).lines()


def snapshots(warehouse: Warehouse, name: str, *columns: str) -> dict[date, tuple[Decimal, ...]]:
    """Columns of a portfolio's snapshots by session."""
    return {
        day: tuple(row)
        for day, *row in warehouse.rows(
            f"select snapshot_date, {', '.join(columns)} from analytics.portfolio_snapshots"
            " inner join raw.portfolios using (portfolio_id) where name = %s order by 1",
            name,
        )
    }


def held(warehouse: Warehouse, name: str, day: date) -> dict[str, Decimal]:
    """Quantities by symbol."""
    return dict(
        warehouse.rows(
            "select symbol, sum(quantity) from analytics.position_values inner join raw.portfolios using (portfolio_id)"
            " where name = %s and value_date = %s group by symbol having sum(quantity) <> 0 order by 1",
            name,
            day,
        )
    )


def test_a_sale_over_two_lots(rolled: Warehouse):
    assert held(rolled, "two lots", DAYS[3]) == {"LOT": 50}
    # 100 at 10 and 50 at 12 for 15, less 6: 500 + 150 - 6
    figures = snapshots(rolled, "two lots", "daily_realized_pnl", "daily_fees", "cash_value")
    assert figures[DAYS[3]] == (644, 6, 10_000 - 1_000 - 1_200 + 2_250 - 6)


def test_bought_and_flipped_short_in_a_day(rolled: Warehouse):
    assert held(rolled, "flipped", DAYS[2]) == {"FLP": -100}
    figures = snapshots(rolled, "flipped", "daily_pnl")
    # the round trip earned 100, the short nothing at its close; then the short loses 1 a share
    assert (figures[DAYS[2]], figures[DAYS[4]]) == ((100,), (-100,))


def test_a_transfer_in_kind_joins_at_its_close_with_its_old_cost(rolled: Warehouse):
    figures = snapshots(rolled, "transferred", "equity_balance", "daily_pnl", "daily_capital_flow", "cash_value")
    assert figures[DAYS[2]] == (20_000, 0, 10_000, 10_000)
    assert figures[DAYS[3]] == (20_100, 100, 0, 10_000)
    # 40 leave at 101
    assert figures[DAYS[6]] == (16_060, 0, -4_040, 10_000)
    [(cost, opening, entered)] = rolled.rows(
        "select cost_basis, opening_unrealized_pnl, positions.entry_date from analytics.position_values"
        " inner join analytics.positions using (position_id) where position_values.symbol = 'TRF' and value_date = %s",
        DAYS[2],
    )
    assert (cost, opening, entered) == (4_000, 6_000, date(2015, 6, 1))


def test_an_assignment_told_on_monday_counts_on_friday(rolled: Warehouse):
    # premium 300, shares at 100 that are worth 95
    figures = snapshots(rolled, "assigned", "equity_balance")
    assert figures[DAYS[10]] == (49_800,)
    assert held(rolled, "assigned", DAYS[10]) == {"ASG": 100}
    assert figures[DAYS[12]] == (49_900,)


def test_an_index_option_ends_at_its_settlement_print(rolled: Warehouse):
    assert snapshots(rolled, "settled", "equity_balance")[DAYS[10]] == (104_340,)


def test_a_sale_after_a_split_finds_the_new_shares(rolled: Warehouse):
    assert held(rolled, "split", DAYS[6]) == {"SPL": 50}
    assert snapshots(rolled, "split", "daily_realized_pnl")[DAYS[6]] == (150 * (28 - 25),)


def test_the_brokers_dividend_stands_in_place_of_the_sources(rolled: Warehouse):
    figures = snapshots(rolled, "paid", "daily_dividend_income", "daily_cash_income", "equity_balance", "cash_value")
    assert figures[DAYS[3]][:2] == (85, 0)
    assert figures[DAYS[7]][:2] == (0, 0)
    assert [figures[day][1] for day in DAYS[8:10]] == [Decimal("-12.5"), 25]
    assert figures[DAYS[12]][2:] == (Decimal("10097.50"), Decimal("10097.50") - Decimal("104.25") * 20)
    [(reason,)] = rolled.rows("select reason from intermediate.ignored_inputs where input = 'dividend'")
    assert reason == "the broker paid 85.00, the source says 100.00: the broker's counts"


def test_a_sale_of_more_than_is_held_is_told(rolled: Warehouse):
    assert held(rolled, "oversold", DAYS[3]) == {}
    told = rolled.rows("select reason from intermediate.ignored_inputs where input = 'transaction' and symbol = 'LOT'")
    [reason] = [reason for (reason,) in told if reason.startswith("sell of 50 ")]
    assert reason.startswith("sell of 50 finds no lot: a sale that opens a short is a SHORT")


@pytest.mark.parametrize(
    ("rule", "realized", "basis"),
    [
        # 60 at 10 are sold for 15
        ("fifo", 60 * 5, 40 * 10 + 50 * 16 + 50 * 13),
        # 50 at 13 and 10 at 16
        ("lifo", 50 * 2 - 10 * 1, 100 * 10 + 40 * 16),
        # 50 at 16 and 10 at 13
        ("hifo", -50 * 1 + 10 * 2, 100 * 10 + 40 * 13),
        # 200 cost 2,450, so 12.25 each
        ("average", Decimal("60") * (15 - Decimal("12.25")), 140 * Decimal("12.25")),
        # the lot of the 5th has 50, and no more are sold
        ("named", 50 * 2, 100 * 10 + 50 * 16),
    ],
)
def test_each_matching_rule(rolled: Warehouse, rule: str, realized: Any, basis: Any):
    figures = snapshots(rolled, rule, "daily_realized_pnl")
    assert figures[DAYS[3]] == (realized,)
    [(cost,)] = rolled.rows(
        "select sum(cost_basis) from analytics.position_values inner join raw.portfolios using (portfolio_id)"
        " where name = %s and value_date = %s",
        rule,
        DAYS[3],
    )
    assert cost == basis


def test_a_corrected_line_heals(rolled: Warehouse, tmp_path: Path):
    """A late line and a changed rule move what hangs on them, and nothing else."""
    # settled in cash on Friday
    assert snapshots(rolled, "weekend", "equity_balance")[DAYS[5]] == (49_900,)
    with rolled.database.connect() as conn:
        load(conn, tmp_path / "late.csv", BOOKS["flipped"] + "flipped,2024-03-11,COVER,FLP,100,12,,,\n")
        load(conn, tmp_path / "weekend.csv", BOOKS["weekend"] + f"weekend,2024-03-11,EXERCISE,{SATURDAY},1,,,,\n")
        load(conn, tmp_path / "rule.csv", MATCHED.format(rule="lifo"), lots="average")
    rolled.roll()
    assert rolled.window() == {"flipped": DAYS[6], "weekend": DAYS[2], "lifo": DAYS[0]}
    assert held(rolled, "weekend", DAYS[5]) == {"ASG": 100}
    assert snapshots(rolled, "weekend", "equity_balance", "cash_value")[DAYS[5]] == (49_900, 39_500)
    assert held(rolled, "flipped", DAYS[6]) == {}
    assert snapshots(rolled, "lifo", "daily_realized_pnl")[DAYS[3]] == (165,)
    content = rolled.content()
    rolled.rebuild()
    assert rolled.content() == content
