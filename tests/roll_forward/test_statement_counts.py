"""A night says as much to the server for two portfolios and three sessions as for twenty and thirty, and asks it for no
more than it needs."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.position_views import plan_nodes
from ingest.books.load_transactions import TransactionOptions, load_transactions
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from nightly.record import RunRecord
from tests.roll_forward import random_books
from tests.roll_forward.books import Warehouse, load_market, load_portfolios
from tests.wire import Wire
from warehouse.settings import load_settings


@pytest.mark.slow
def test_the_number_of_statements_depends_neither_on_portfolios_nor_on_sessions(
    copies, wired: Warehouse, wire: Wire, home: Path, sessions: list[date], tmp_path: Path
):
    settings = load_settings().model_copy(update={"home": home})
    world = random_books.build(7, 20, sessions)
    names = list(world.portfolios)
    transactions = tmp_path / "transactions.csv"
    transactions.write_text(
        "portfolio,date,type,symbol,quantity,price,amount,fees\n"
        "A,2023-11-20,DEPOSIT,,,,50000,\nA,2023-11-21,BUY,S0,30,10,,1\nA,2024-01-08,SELL,S0,10,12,,1\n"
        "B,2023-11-20,DEPOSIT,,,,50000,\nB,2023-11-21,SHORT,S1,30,10,,\nB,2023-12-15,DIVIDEND,S1,,,-3,\n"
    )

    def night(number: int) -> tuple[RunRecord, list[str]]:
        """Roll to the session of this number; returns the run and the statements it made."""
        wire.mend()
        request = Request("backfill", end=sessions[number], phases=("2", "2.5", "2.75"))
        run = run_night(wired.database, settings, request, datetime.now(UTC), Progress())
        assert all(phase.status == "succeeded" for phase in run.phases), run.problems
        # tables are vacuumed when enough of them has changed, and a new flow is one question about lots in kind
        now_and_then = ("(skip_locked)", "flow.change_id")
        return run, [each for each in wire.statements if not any(part in each for part in now_and_then)]

    with copies(), wired.database.connect() as conn:
        load_market(conn, world.prices, world.actions)
        load_portfolios(conn, {name: world.portfolios[name] for name in names[:2]})
        night(30)
        few, statements_for_few = night(33)
        load_portfolios(conn, {name: world.portfolios[name] for name in names[2:]})
        load_transactions(conn, [transactions], TransactionOptions())
        many, statements_for_many = night(63)
        widest = _widest_steps(conn, home)
    assert [each["sessions"] for each in few.phases[0].counts["rolled"]] == [3, 3]
    rolled = [each["sessions"] for each in many.phases[0].counts["rolled"]]
    assert len(rolled) == 22
    assert min(rolled) == 30
    assert len(statements_for_few) > 200
    assert len(statements_for_many) == len(statements_for_few)
    # 20 portfolios against each of the calendar's 9,544 sessions would be 190,880
    assert max(widest.values()) < 60_000, widest


def _widest_steps(conn: psycopg.Connection[Any], home: Path) -> dict[str, int]:
    """How many rows the widest step handles of the plan that makes each model's window, by model."""
    conn.execute("set enable_nestloop = off")
    widest = {}
    for model in ("position_values", "portfolio_snapshots", "portfolio_sector_exposures"):
        # other tests of the worker may have compiled it elsewhere in this home
        compiled = max((home / "dbt").rglob(f"compiled/**/{model}.sql"), key=lambda file: file.stat().st_mtime)
        (((plan,),),) = conn.execute(f"explain (analyze, format json) {compiled.read_text()}").fetchall()
        widest[model] = max(
            step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Join Filter", 0))
            for step in plan_nodes(plan["Plan"])
        )
    return widest
