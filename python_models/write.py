"""Writes the results of the risk models: always whole sessions and portfolios, all tables in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from warehouse.binary_copy import copy_columns, is_column

SYMBOL_TABLES = (
    "symbol_market_betas",
    "symbol_interest_rate_betas",
    "symbol_factor_exposures",
    "symbol_volatility",
    "factor_correlations",
    "pairwise_correlations",
)
PORTFOLIO_TABLES = (
    "portfolio_factor_exposures",
    "portfolio_risk_metrics",
    "position_risk_contributions",
    "correlation_calculations",
    "correlation_clusters",
    "correlation_cluster_positions",
    "stress_test_results",
)

_STATE = "risk_state"
# The table behind the view `position_contributions`.
CONTRIBUTION_SUMS = "position_contribution_sums"
# The tables that python_models/performance writes after these.
PERFORMANCE_TABLES = (
    "portfolio_performance",
    "portfolio_pnl_attribution",
    "portfolio_sector_attribution",
    CONTRIBUTION_SUMS,
)
_IN_OPS = frozenset({_STATE, CONTRIBUTION_SUMS})

# A session, and a portfolio, or None for the results of symbols, factors and pairs.
Scope = tuple[date, UUID | None]


@dataclass(frozen=True)
class Block:
    """Rows of one table, by column: arrays or lists of one length, or a single value that all rows share.

    Values are what `copy_columns` takes; a float that is not finite, NaN above all, becomes null.
    """

    table: str
    columns: Mapping[str, Any]

    @cached_property
    def n_rows(self) -> int:
        """The number of rows."""
        return next((len(values) for values in self.columns.values() if is_column(values)), 1)


@dataclass(frozen=True)
class Results:
    """Results to write: rows, and the fingerprints, (inputs, method), of each scope that they replace.

    `unchanged` scopes were checked and keep their stored results.
    """

    blocks: Sequence[Block] = ()
    scopes: Mapping[Scope, tuple[str, str]] = field(default_factory=dict)
    unchanged: Sequence[Scope] = ()

    @property
    def n_rows(self) -> int:
        """The number of rows of all tables."""
        return sum(block.n_rows for block in self.blocks)

    def with_more(self, more: "Results") -> "Results":
        """These results together with others."""
        return Results([*self.blocks, *more.blocks], {**self.scopes, **more.scopes}, [*self.unchanged, *more.unchanged])


class Writer:
    """Writes results while the next ones are computed. `with Writer(conn) as writer` ends when all are written.

    The next call raises any error of a write. `check` is called with the connection before each write. Nobody else may
    use the connection until `finish` has returned.
    """

    def __init__(
        self, conn: psycopg.Connection[Any], check: Callable[[psycopg.Connection[Any]], None] | None = None
    ) -> None:
        self._conn = conn
        self._check = check
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="risk-writer")
        self._pending: Future[dict[str, int]] | None = None
        self.written: Counter[str] = Counter()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if error is None:
                self.finish()
            elif self._pending and not self._pending.done():
                # so that an interrupt does not wait for a million rows
                with suppress(psycopg.Error):
                    self._conn.cancel_safe()
        finally:
            self._thread.shutdown()

    def write(self, results: Results) -> None:
        """Begin to write, once the results given before have been written."""
        self.finish()
        self._pending = self._thread.submit(self._write, results)

    def finish(self) -> None:
        """Wait until everything is written."""
        if self._pending:
            self.written.update(self._pending.result())
            self._pending = None

    def _write(self, results: Results) -> dict[str, int]:
        if self._check:
            self._check(self._conn)
        written = replace(self._conn, results) if results.scopes else {}
        confirm(self._conn, results.unchanged)
        return written


def replace(conn: psycopg.Connection[Any], results: Results) -> dict[str, int]:
    """Replace the rows of these scopes in all tables; returns the rows written by table.

    Old rows of a scope are removed, and other scopes are left alone. It is one transaction: readers see either the old
    results or the new ones.
    """
    written = dict.fromkeys((*SYMBOL_TABLES, *PORTFOLIO_TABLES), 0)
    with conn.transaction():
        _delete(conn, results.scopes)
        for table in written:
            blocks = [block for block in results.blocks if block.table == table and block.n_rows]
            if blocks:
                columns = ((list(block.columns.values()), block.n_rows) for block in blocks)
                written[table] = copy_columns(conn, f"analytics.{table}", list(blocks[0].columns), columns)
        days, portfolios = zip(*results.scopes, strict=True)
        inputs, methods = zip(*results.scopes.values(), strict=True)
        copy_columns(
            conn,
            "ops.risk_state",
            ["calculation_date", "portfolio_id", "inputs", "method"],
            [((days, portfolios, inputs, methods), len(days))],
        )
    return written


def confirm(conn: psycopg.Connection[Any], scopes: Sequence[Scope]) -> None:
    """Remove the mark that the results of these scopes may be stale."""
    if scopes:
        conn.execute(
            "update ops.risk_state as state set stale_because = null"
            " from unnest(%s::date[], %s::uuid[]) as scope (day, portfolio_id)"
            " where state.calculation_date = scope.day and state.portfolio_id is not distinct from scope.portfolio_id"
            " and state.stale_because is not null",
            [list(column) for column in zip(*scopes, strict=True)],
        )


def withdraw(conn: psycopg.Connection[Any], scopes: Sequence[Scope]) -> None:
    """Remove all results of these scopes, and their backtests."""
    if scopes:
        with conn.transaction():
            _delete(conn, scopes)
            delete_of_portfolios(conn, (*PERFORMANCE_TABLES, "risk_backtest"), scopes)


def prune(conn: psycopg.Connection[Any], table: str, before: date) -> int:
    """Remove a table's results of earlier sessions; returns their number."""
    # Both statements go in one message, so in one transaction. A table spread over servers has no trigger to note this.
    statement = sql.SQL("delete from {} where calculation_date < {}; call ops.note_change({})")
    name = qualified(table)
    return conn.execute(
        statement.format(sql.Identifier(*name.split(".")), sql.Literal(before), sql.Literal(name))
    ).rowcount


def _delete(conn: psycopg.Connection[Any], scopes: Iterable[Scope]) -> None:
    days = [day for day, portfolio in scopes if portfolio is None]
    if days:
        for table in SYMBOL_TABLES:
            conn.execute(
                sql.SQL("delete from {} where calculation_date = any(%s)").format(sql.Identifier("analytics", table)),
                [days],
            )
        conn.execute("delete from ops.risk_state where portfolio_id is null and calculation_date = any(%s)", [days])
    delete_of_portfolios(conn, (*PORTFOLIO_TABLES, _STATE), scopes)


def qualified(table: str) -> str:
    """The name of a table of results with its schema."""
    return f"{'ops' if table in _IN_OPS else 'analytics'}.{table}"


def delete_of_portfolios(conn: psycopg.Connection[Any], tables: Sequence[str], scopes: Iterable[Scope]) -> None:
    """Remove the rows of the portfolios among these scopes, with one statement for each table."""
    of_portfolios = [scope for scope in scopes if scope[1] is not None]
    for table in tables if of_portfolios else ():
        conn.execute(
            sql.SQL(
                "delete from {} as target using unnest(%s::date[], %s::uuid[]) as scope (day, portfolio_id)"
                " where target.calculation_date = scope.day and target.portfolio_id = scope.portfolio_id"
            ).format(sql.Identifier(*qualified(table).split("."))),
            [list(column) for column in zip(*of_portfolios, strict=True)],
        )
