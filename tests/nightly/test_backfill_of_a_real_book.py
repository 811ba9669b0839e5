"""Three years of 60 real holdings through the ordinary entry points, held against a cash-accounting replay.

The replay knows nothing of the SQL: it walks the sessions with shares and cash, and its equity is cash plus market
value. One database carries the tests in order: the backfill, then what dbt's users do to it.
"""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import real_book
from tests.accounting_replay import Day, replay
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.settings import PROJECT_ROOT

BACKFILLED = ("position_values", "portfolio_snapshots", "positions", "daily_returns", "portfolio_sector_exposures")
HALF_A_CENT = Decimal("0.005")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def book(market_folder: Path) -> real_book.RealBook:
    """The book, read from the market's files."""
    return real_book.build(market_folder)


class Warehouse:
    """A database, and the command line on it as a user calls it."""

    def __init__(self, database: Database, home: Path, market_folder: Path):
        self._database = database
        self._environment = {
            **os.environ,
            "DATABASE_URL": database.url,
            "AFTERCLOSE_HOME": str(home),
            "AFTERCLOSE_PROVIDERS": f"files:{market_folder}",
        }

    def command(self, *arguments: str) -> str:
        """Run `python run_nightly.py …`, which has to succeed, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "run_nightly.py", *arguments],
            cwd=PROJECT_ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self._database.connect() as conn:
            return conn.execute(query).fetchall()

    def content(self, *, with_row_versions: bool = False) -> dict[str, tuple[Any, ...]]:
        """A digest of every row of each table, and of who wrote it where that is asked for."""
        version = "xmin || " if with_row_versions else ""
        digest = f"select count(*), md5(string_agg({version}t::text, '|' order by t::text)) from analytics."
        return {table: self.rows(f"{digest}{table} as t")[0] for table in BACKFILLED}


@pytest.fixture(scope="module")
def warehouse(
    server: dict[str, str], book: real_book.RealBook, market_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """A database in which the book was loaded and backfilled from 2021-01-04 to 2023-12-29."""
    create_if_missing(server, "real_book")
    database = Database(libpq_url({**server, "dbname": "real_book"}), embedded=True)
    warehouse = Warehouse(database, tmp_path_factory.mktemp("home"), market_folder)
    folder = tmp_path_factory.mktemp("book")
    real_book.write(book, folder)
    warehouse.command("load", str(folder))
    warehouse.command("backfill", "--start", "2021-01-04", "--end", "2023-12-29")
    return warehouse


def test_equity_agrees_with_the_replay_to_the_cent_on_every_session(
    warehouse: Warehouse, book: real_book.RealBook
) -> None:
    days = replay(book.portfolio, book.prices, book.actions, book.sessions)
    snapshots = warehouse.rows(
        """
        select snapshot_date, equity_balance, cash_value, net_exposure, daily_pnl, daily_realized_pnl,
               daily_dividend_income, daily_fees, daily_capital_flow
        from analytics.portfolio_snapshots order by snapshot_date
        """,
    )
    assert [row[0] for row in snapshots] == [day.session for day in days]
    assert len(days) == 753
    off = [
        (day.session, name, ours, theirs)
        for row, day in zip(snapshots, days, strict=True)
        for name, ours, theirs in zip(_FIGURES, row[1:], _figures(day), strict=True)
        if abs(ours - theirs) >= HALF_A_CENT
    ]
    assert not off, off[:5]


def test_the_book_meets_splits_and_dividends(warehouse: Warehouse) -> None:
    """What the agreement above is worth: shares that split while held, and dividends received and paid."""
    ((split_while_held,),) = warehouse.rows(
        """
        select count(distinct lots.position_id)
        from intermediate.lots
        inner join intermediate.split_growth using (symbol)
        inner join analytics.position_values using (position_id)
        inner join intermediate.sessions on value_date = session_date
        where session_number = from_session_number and session_number > first_session_number
        """,
    )
    ((received, paid),) = warehouse.rows(
        """
        select count(*) filter (where dividend_income > 0), count(*) filter (where dividend_income < 0)
        from analytics.position_values
        """,
    )
    assert split_while_held >= 10
    assert received > 100
    assert paid > 10


def test_a_window_run_again_leaves_every_row_as_it_was(warehouse: Warehouse) -> None:
    before = warehouse.content()
    warehouse.command("dbt", "--", "run", "--vars", "{start_date: 2022-03-01, end_date: 2022-03-31}")
    assert warehouse.rows("select first_session, last_session from ops.roll_forward_window") == [
        (date(2022, 3, 1), real_book.END)
    ]
    assert warehouse.content() == before


def test_the_data_checks_pass(warehouse: Warehouse) -> None:
    assert "ERROR=0" in warehouse.command("dbt", "--", "test")


def test_a_plain_run_has_nothing_to_do(warehouse: Warehouse) -> None:
    before = warehouse.content(with_row_versions=True)
    warehouse.command("dbt", "--", "run")
    assert warehouse.rows("select count(*) from ops.roll_forward_window") == [(0,)]
    assert warehouse.content(with_row_versions=True) == before


_FIGURES = ("equity", "cash", "market value", "daily P&L", "realized P&L", "dividends", "fees", "flow")


def _figures(day: Day) -> tuple[Decimal, ...]:
    return (
        day.equity,
        day.cash,
        day.market_value,
        day.daily_pnl,
        day.realized,
        day.dividends,
        day.fees,
        day.flow,
    )
