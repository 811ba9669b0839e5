"""The cases as portfolios of one database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from psycopg.rows import dict_row

from tests.accounting_replay import Action, Close, Lot, Mark
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, portfolio_id
from tests.roll_forward.cases import CASES, Case, own


class CaseBooks:
    """What the database says of a case."""

    def __init__(self, warehouse: Warehouse, name: str) -> None:
        self.name = name
        self._warehouse = warehouse

    def __getattr__(self, column: str) -> list[Any]:
        """A column of the portfolio's snapshots, session by session."""
        return [row[column] for row in self._table("portfolio_snapshots", "snapshot_date")]

    def on(self, session: date) -> dict[str, Any]:
        """The snapshot of a session."""
        (row,) = [row for row in self._table("portfolio_snapshots", "snapshot_date") if row["snapshot_date"] == session]
        return row

    def lot(self, column: str, symbol: str = "A") -> list[Any]:
        """A column of a lot's values, session by session (of all lots of the symbol, where there are several)."""
        return [
            row[column]
            for row in self._table("position_values", "value_date, cost_basis")
            if row["symbol"] == own(self.name, symbol)
        ]

    def position(self, symbol: str = "A") -> dict[str, Any]:
        """The lot as `positions` shows it."""
        (row,) = [row for row in self._table("positions", "symbol") if row["symbol"] == own(self.name, symbol)]
        return row

    def ignored(self) -> list[str]:
        """Why inputs had no effect."""
        return [row["reason"] for row in self._table("ignored_inputs", "reason", "intermediate")]

    def _table(self, table: str, order: str, schema: str = "analytics") -> list[dict[str, Any]]:
        with self._warehouse.database.connect(row_factory=dict_row) as conn:
            query = f"select * from {schema}.{table} where portfolio_id = %s order by {order}"
            return conn.execute(query, (portfolio_id(self.name),)).fetchall()


@pytest.fixture(scope="package")
def warehouse(copies) -> Iterator[Warehouse]:
    """All cases as portfolios of one database, rolled by one dbt run."""
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            owned = {name: _owned(name, each) for name, each in CASES.items()}
            load_portfolios(conn, {name: each.portfolio for name, each in owned.items()})
            load_market(
                conn,
                {symbol: closes for each in owned.values() for symbol, closes in each.prices.items()},
                [action for each in owned.values() for action in each.actions],
            )
            for name, each in CASES.items():
                if each.deleted is True:
                    conn.execute("update raw.portfolios set deleted_at = now() where name = %s", (name,))
                elif each.deleted:
                    symbols = [own(name, symbol) for symbol in each.deleted]
                    conn.execute("update raw.positions set deleted_at = now() where symbol = any(%s)", (symbols,))
        warehouse.roll()
        yield warehouse


@pytest.fixture
def books(warehouse: Warehouse, request: pytest.FixtureRequest) -> CaseBooks:
    """The books of the test's own case."""
    return CaseBooks(warehouse, request.function.__name__)


def _owned(name: str, each: Case) -> Case:
    """A case with the symbols that only it has."""

    def mine(thing: Lot | Close | Mark | Action) -> Any:
        if isinstance(thing, Lot) and thing.underlying_symbol:
            thing = replace(thing, underlying_symbol=own(name, thing.underlying_symbol))
        return replace(thing, symbol=own(name, thing.symbol))

    portfolio = each.portfolio
    return replace(
        each,
        portfolio=replace(
            portfolio,
            lots=[mine(lot) for lot in portfolio.lots],
            closes=[mine(close) for close in portfolio.closes],
            marks=[mine(mark) for mark in portfolio.marks],
            benchmark=own(name, portfolio.benchmark),
        ),
        prices={own(name, symbol): closes for symbol, closes in each.prices.items()},
        actions=tuple(mine(action) for action in each.actions),
    )
