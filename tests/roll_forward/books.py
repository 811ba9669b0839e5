"""Books and markets put straight into `raw`, in the words of the accounting replay, and dbt run on them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg

from nightly.dbt.runner import Dbt, Invocation
from tests.accounting_replay import ONE, ZERO, Action, Day, Lot, Portfolio, Prices
from warehouse.database import Database

MODELS = ("tag:phase_2", "tag:phase_2_5", "tag:phase_2_75")
TABLES = ("position_values", "portfolio_snapshots", "positions", "portfolio_sector_exposures", "daily_returns")
# What is kept from run to run, but for the portfolios that something may have changed for.
LOTS = ("lots", "lot_closings", "lot_segments")
# The figures of a session, in the order in which `Warehouse.figures` and `figures_of` give them.
FIGURES = ("equity", "cash", "market value", "daily P&L", "realized P&L", "dividends", "fees", "flow", "cash income")

_NAMESPACE = UUID("2f0c3d0e-7a0c-4c7e-9d51-0b8f4c6f2f11")


def portfolio_id(name: str) -> UUID:
    """The identifier of a test's portfolio."""
    return uuid5(_NAMESPACE, name)


def position_id(name: str, symbol: str, entry_date: date) -> UUID:
    """The identifier of a lot in a test's portfolio."""
    return uuid5(_NAMESPACE, f"{name}|{symbol}|{entry_date}")


def load_market(conn: psycopg.Connection[Any], prices: Prices, actions: Iterable[Action]) -> None:
    """Store closes, splits, dividends and events; dividends of one ex-date are summed, splits multiplied."""
    _copy(
        conn,
        "market_data_cache (symbol, price_date, close, source)",
        ((symbol, day, close, "test") for symbol, closes in prices.items() for day, close in closes.items()),
    )
    values: dict[tuple[str, date, str], Decimal] = {}
    terms: dict[tuple[str, date, str], tuple[Any, ...]] = {}
    for action in actions:
        key = (action.symbol, action.ex_date, action.action_type)
        if action.action_type == "SPLIT":
            values[key] = values.get(key, ONE) * action.value
        elif action.action_type != "DIVIDEND":
            values[key] = action.value
            terms[key] = (action.new_symbol, action.cash_per_share, action.cost_fraction)
        else:
            values[key] = values.get(key, ZERO) + action.value
    _copy(
        conn,
        "corporate_actions (symbol, ex_date, action_type, value, new_symbol, cash_per_share, cost_fraction, source)",
        ((*key, value, *terms.get(key, (None, None, None)), "test") for key, value in values.items()),
    )


def load_portfolios(conn: psycopg.Connection[Any], portfolios: Mapping[str, Portfolio]) -> None:
    """Store portfolios by name; a mark goes to every lot of its symbol."""
    lots = [(name, lot) for name, portfolio in portfolios.items() for lot in portfolio.lots]
    _copy(
        conn,
        "portfolios (portfolio_id, name, inception_date, starting_equity, benchmark, source)",
        (
            (
                portfolio_id(name),
                name,
                portfolio.inception_date,
                portfolio.starting_equity,
                portfolio.benchmark,
                "test",
            )
            for name, portfolio in portfolios.items()
        ),
    )
    _copy(
        conn,
        "positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date, exit_price,"
        " exit_date, underlying_symbol, option_type, strike_price, expiration_date, investment_class, source)",
        ((position_id(name, lot.symbol, lot.entry_date), portfolio_id(name), *_terms(lot)) for name, lot in lots),
    )
    _copy(
        conn,
        "position_realized_events (event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees,"
        " source)",
        (
            (
                uuid5(portfolio_id(name), f"close {sequence}"),
                position_id(name, close.symbol, close.entry_date),
                close.trade_date,
                sequence,
                close.quantity,
                close.price,
                close.fees,
                "test",
            )
            for name, portfolio in portfolios.items()
            for sequence, close in enumerate(portfolio.closes)
        ),
    )
    _copy(
        conn,
        "equity_changes (change_id, portfolio_id, change_date, change_type, amount, source)",
        (
            (
                uuid4(),
                portfolio_id(name),
                flow.date,
                "CONTRIBUTION" if flow.amount > 0 else "WITHDRAWAL",
                abs(flow.amount),
                "test",
            )
            for name, portfolio in portfolios.items()
            for flow in portfolio.flows
        ),
    )
    _copy(
        conn,
        "cash_items (item_id, portfolio_id, item_date, item_type, amount, source)",
        (
            (uuid4(), portfolio_id(name), item.date, item.item_type, item.amount, "test")
            for name, portfolio in portfolios.items()
            for item in portfolio.cash_items
        ),
    )
    _copy(
        conn,
        "manual_prices (position_id, price_date, price, source)",
        (
            (position_id(name, lot.symbol, lot.entry_date), mark.date, mark.price, "test")
            for name, lot in lots
            for mark in portfolios[name].marks
            if mark.symbol == lot.symbol
        ),
    )


def figures_of(day: Day) -> tuple[Decimal, ...]:
    """The replay's figures of a session, as FIGURES names them."""
    return (
        day.equity,
        day.cash,
        day.market_value,
        day.daily_pnl,
        day.realized,
        day.dividends,
        day.fees,
        day.flow,
        day.cash_income,
    )


class Warehouse:
    """A database and the dbt project on it."""

    def __init__(self, database: Database, dbt: Dbt) -> None:
        self.database = database
        self.dbt = dbt

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.database.connect() as conn:
            return conn.execute(query, parameters).fetchall()

    def execute(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> None:
        """Change the database; the statement has to change something."""
        with self.database.connect() as conn:
            assert conn.execute(statement, parameters).rowcount, f"nothing to change: {statement} {parameters}"

    def roll(self, *models: str, **variables: Any) -> None:
        """Run all models as a night does, or those named as `dbt run --vars` does; each has to go well."""
        variables.setdefault("tables_fit", not models)
        _check(self.dbt.run(models or MODELS, variables))

    def rebuild(self) -> None:
        """Run all models as `dbt run --full-refresh` does."""
        chosen = [node for node in self.dbt.nodes("model") if any(f"tag:{tag}" in MODELS for tag in node.tags)]
        _check(self.dbt._results("run", chosen, ("--full-refresh", "--select", *MODELS)))

    def window(self) -> dict[str, date]:
        """Who was rolled last, by name, and from which session."""
        return dict(
            self.rows(
                "select name, first_session from ops.roll_forward_window inner join raw.portfolios using (portfolio_id)"
            )
        )

    def content(self, tables: Sequence[str] = (*TABLES, *LOTS)) -> dict[str, tuple[int, str]]:
        """How many rows each table has, and a digest of all of them."""
        return {
            table: self.rows(
                "select count(*), md5(string_agg(t::text, '|' order by t::text))"
                f" from {'intermediate' if table in LOTS else 'analytics'}.{table} t"
            )[0]
            for table in tables
        }

    def figures(self) -> dict[str, dict[date, tuple[Decimal, ...]]]:
        """Every snapshot's FIGURES, by portfolio and session."""
        figures: dict[str, dict[date, tuple[Decimal, ...]]] = defaultdict(dict)
        for name, session, *row in self.rows(
            """
            select name, snapshot_date, equity_balance, cash_value, net_exposure, daily_pnl, daily_realized_pnl,
                   daily_dividend_income, daily_fees, daily_capital_flow, daily_cash_income
            from analytics.portfolio_snapshots inner join raw.portfolios using (portfolio_id)
            order by snapshot_date
            """
        ):
            figures[name][session] = tuple(row)
        return figures


def _terms(lot: Lot) -> tuple[Any, ...]:
    kind = "LONG" if lot.quantity > 0 else "SHORT"
    if lot.option_type:
        kind = ("L" if lot.quantity > 0 else "S") + lot.option_type[0]
    return (
        lot.symbol,
        kind,
        lot.quantity,
        lot.entry_price,
        lot.entry_date,
        lot.exit_price,
        lot.exit_date,
        lot.underlying_symbol,
        lot.option_type,
        lot.strike_price,
        lot.expiration_date,
        "OPTIONS" if lot.option_type else lot.investment_class,
        "test",
    )


def _copy(conn: psycopg.Connection[Any], target: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(f"copy raw.{target} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _check(invocation: Invocation) -> None:
    failed = [f"{result.name}: {result.status} {result.message}" for result in invocation.results if not result.well]
    assert invocation.results, "dbt ran nothing"
    assert not failed, failed
