"""One account, told as a broker's position list, as its transactions and as our own lots: the same snapshots."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.books.load_broker import StatementOptions, load_broker
from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.portfolios import load_folder
from ingest.books.reconcile import reconcile
from tests.accounting_replay import Action
from tests.roll_forward.books import Warehouse, load_market

STATEMENT = Path(__file__).parents[1] / "ingest" / "books" / "exports" / "ibkr_activity_statement.csv"
AS_OF = date(2025, 6, 20)
DAYS = [date(2025, 6, day) for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 20, 23, 24)]
CALL = "AAPL270618C00200000"
OWN_LOTS = {
    "portfolios.csv": "name,starting_equity,inception_date\nlots,0,2025-06-02\n",
    "positions.csv": "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
    f"lots,AAPL,100,150.01,2025-06-10\nlots,BRK B,10,400,2025-06-11\nlots,{CALL},-1,8,2025-06-12\n",
    "capital_flows.csv": "portfolio,date,type,amount\nlots,2025-06-02,CONTRIBUTION,20000\n",
    "cash_items.csv": "portfolio,date,type,amount\nlots,2025-06-05,INTEREST,-29\n",
}
LEVELS = (
    "equity_balance, cash_value, long_value, short_value, gross_exposure, net_exposure, num_positions, hhi,"
    " effective_num_positions"
)


@pytest.fixture(scope="module")
def rolled(copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The account three times, on a market whose closes of the day are the list's prices."""
    folder = tmp_path_factory.mktemp("own")
    for name, content in OWN_LOTS.items():
        (folder / name).write_text(content)

    def closes(*last: int) -> dict[date, Decimal]:
        return {day: Decimal(last[max(0, number - 13)]) for number, day in enumerate(DAYS)}

    with copies() as warehouse, warehouse.database.connect() as conn:
        prices = {"AAPL": closes(200, 203, 199), "BRK.B": closes(450, 448, 460), CALL: closes(10, 12, 9)}
        load_market(conn, prices, [Action("AAPL", date(2025, 6, 12), "DIVIDEND", Decimal("0.26"))])
        load_broker(conn, [STATEMENT], StatementOptions(portfolio="list"))
        load_transactions(conn, [STATEMENT], TransactionOptions(portfolio="transactions"))
        load_folder(conn, folder)
        warehouse.roll()
        yield warehouse


def told(warehouse: Warehouse, name: str, columns: str, since: date) -> list[tuple]:
    return warehouse.rows(
        f"select snapshot_date, {columns} from analytics.portfolio_snapshots"
        " inner join raw.portfolios using (portfolio_id) where name = %s and snapshot_date >= %s order by 1",
        name,
        since,
    )


@pytest.mark.parametrize("name", ["transactions", "lots"])
def test_the_same_snapshots_from_the_day_of_the_list_on(rolled: Warehouse, name: str):
    levels = told(rolled, "list", LEVELS, AS_OF)
    assert [row[0] for row in levels] == DAYS[-3:]
    assert levels[0][1:3] == (25_296, 1_796)
    assert told(rolled, name, LEVELS, AS_OF) == levels
    changes = "daily_pnl, daily_return, daily_realized_pnl, daily_dividend_income, daily_fees, daily_capital_flow"
    after = DAYS[-2]
    assert told(rolled, name, changes, after) == told(rolled, "list", changes, after)


def test_the_list_begins_without_a_gain_of_the_day_and_with_those_before_it(rolled: Warehouse):
    assert told(rolled, "list", "daily_pnl, daily_capital_flow", AS_OF)[0][1:] == (0, 0)
    unrealized = rolled.rows(
        "select name, sum(unrealized_pnl) from analytics.position_values inner join raw.portfolios using (portfolio_id)"
        " where value_date = %s group by name",
        AS_OF,
    )
    # AAPL 4,999, BRK.B 500, the call -200
    assert dict(unrealized) == {"list": 5_299, "transactions": 5_299, "lots": 5_299}


def test_the_list_agrees_with_what_was_rolled_from_the_transactions(rolled: Warehouse):
    with rolled.database.connect() as conn:
        lines, agrees = reconcile(conn, [STATEMENT], StatementOptions(portfolio="transactions"))
    assert agrees, lines


def test_each_difference_is_told_with_its_likely_cause(rolled: Warehouse, tmp_path: Path):
    changed = tmp_path / "list.csv"
    text = STATEMENT.read_text()
    text = text.replace("AAPL,100,1,150.01,15001,200,20000", "AAPL,200,1,150.01,30002,100,20000")
    text = text.replace("BRK B,10,1,400,4000", "BRK B,10,1,390,3900")
    changed.write_text(text.replace("Ending Cash,Base Currency Summary,1796", "Ending Cash,Base Currency Summary,1770"))
    with rolled.database.connect() as conn:
        lines, agrees = reconcile(conn, [changed], StatementOptions(portfolio="transactions"))
    assert not agrees
    assert lines[-4:] == [
        "'transactions' at the close of 2025-06-20: 3 differences",
        "  AAPL: 200 in the list, 100 here: is a 2:1 split missing? `python run_nightly.py actions add AAPL …`",
        "  BRK.B: cost 3,900.00 in the list, 4,000.00 here: other lots were sold (--lots), fees stand elsewhere, or a"
        " wash sale was adjusted",
        "  cash: 1,770.00 in the list, 1,796.00 here, -26.00: the DIVIDEND of 2025-06-15 has settled on one side alone",
    ]
