"""The only writer: replaces the results of sessions and portfolios, all tables in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg import sql

from python_models.conventions import Floats, Integers

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

_POSTGRES_DAY_ZERO = date(2000, 1, 1)
_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_TRAILER = b"\xff\xff"
_PAIR_TYPES = {
    "day": ">i4",
    "first": ">i4",
    "second": ">i4",
    "correlation": ">f8",
    "observations": ">i4",
    "p_value": ">f8",
}
_PAIR = np.dtype(
    [("fields", ">i2")]
    + [part for name, kind in _PAIR_TYPES.items() for part in ((f"length_{name}", ">i4"), (name, kind))]
)

# A session, and the portfolio whose results are meant, or None for those of symbols, factors and pairs.
Scope = tuple[date, UUID | None]


@dataclass(frozen=True)
class Block:
    """Rows of one table, by column: arrays or lists of one length, or a single value that all rows share.

    A float that is not finite, NaN above all, becomes null.
    """

    table: str
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return next((len(values) for values in self.columns.values() if _is_column(values)), 1)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows as plain Python values."""
        return zip(*(_plain(values, len(self)) for values in self.columns.values()), strict=True)


@dataclass(frozen=True)
class Pairs:
    """Rows of `pairwise_correlations` on one day, nine tenths of all: arrays (n_pairs,).

    `first` and `second` are places in `symbols`, which is sorted; `first` is the smaller one.
    """

    day: date
    symbols: Sequence[str]
    first: Integers
    second: Integers
    correlation: Floats
    observations: Integers
    p_value: Floats

    def __len__(self) -> int:
        return len(self.first)


@dataclass
class Results:
    """What is to be written: rows, and for each scope that they replace what they rest on, (inputs, method)."""

    blocks: list[Block] = field(default_factory=list)
    pairs: list[Pairs] = field(default_factory=list)
    scopes: dict[Scope, tuple[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.blocks)) + sum(map(len, self.pairs))


def replace(conn: psycopg.Connection[Any], results: Results) -> dict[str, int]:
    """Make the tables hold these rows for these scopes, and say how many each was given.

    Rows of a scope that are not among the new ones are gone, and other scopes are left alone. One transaction: readers
    see the old results or the new ones.
    """
    written = dict.fromkeys((*SYMBOL_TABLES, *PORTFOLIO_TABLES), 0)
    with conn.transaction():
        _delete(conn, results.scopes)
        for table in written:
            blocks = [block for block in results.blocks if block.table == table and len(block)]
            if blocks:
                _copy(
                    conn, f"analytics.{table}", list(blocks[0].columns), (row for each in blocks for row in each.rows())
                )
                written[table] = sum(map(len, blocks))
        written["pairwise_correlations"] = _copy_pairs(conn, results.pairs)
        state = ((day, portfolio, *rests_on) for (day, portfolio), rests_on in results.scopes.items())
        _copy(conn, "ops.risk_state", ["calculation_date", "portfolio_id", "inputs", "method"], state)
    return written


def confirm(conn: psycopg.Connection[Any], scopes: Sequence[Scope]) -> None:
    """Take back the suspicion that the results of these scopes are stale."""
    if scopes:
        conn.execute(
            "update ops.risk_state as state set stale_because = null"
            " from unnest(%s::date[], %s::uuid[]) as scope (day, portfolio_id)"
            " where state.calculation_date = scope.day and state.portfolio_id is not distinct from scope.portfolio_id"
            " and state.stale_because is not null",
            [list(column) for column in zip(*scopes, strict=True)],
        )


def withdraw(conn: psycopg.Connection[Any], scopes: Sequence[Scope]) -> None:
    """Remove all results of these scopes."""
    if scopes:
        with conn.transaction():
            _delete(conn, scopes)


def prune_pairs(conn: psycopg.Connection[Any], before: date) -> int:
    """Remove the pairs of earlier sessions, and say how many they were."""
    return conn.execute("delete from analytics.pairwise_correlations where calculation_date < %s", [before]).rowcount


def _delete(conn: psycopg.Connection[Any], scopes: Iterable[Scope]) -> None:
    days = [day for day, portfolio in scopes if portfolio is None]
    if days:
        for table in SYMBOL_TABLES:
            conn.execute(
                sql.SQL("delete from {} where calculation_date = any(%s)").format(sql.Identifier("analytics", table)),
                [days],
            )
        conn.execute("delete from ops.risk_state where portfolio_id is null and calculation_date = any(%s)", [days])
    of_portfolios = [scope for scope in scopes if scope[1] is not None]
    if of_portfolios:
        for schema, table in (*(("analytics", table) for table in PORTFOLIO_TABLES), ("ops", "risk_state")):
            conn.execute(
                sql.SQL(
                    "delete from {} as target using unnest(%s::date[], %s::uuid[]) as scope (day, portfolio_id)"
                    " where target.calculation_date = scope.day and target.portfolio_id = scope.portfolio_id"
                ).format(sql.Identifier(schema, table)),
                [list(column) for column in zip(*of_portfolios, strict=True)],
            )


def _copy(conn: psycopg.Connection[Any], table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(*table.split(".")), names)
    with conn.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _copy_pairs(conn: psycopg.Connection[Any], blocks: Sequence[Pairs]) -> int:
    """Write pairs as numpy lays them out, symbols by number: several times faster than row by row."""
    if not any(map(len, blocks)):
        return 0
    conn.execute(
        "create temp table incoming_pairs"
        " (day date, first integer, second integer, correlation float8, observations integer, p_value float8)"
    )
    names: list[str] = []
    with conn.cursor().copy("copy pg_temp.incoming_pairs from stdin (format binary)") as copy:
        copy.write(_BINARY_HEADER)
        for block in blocks:
            copy.write(_binary_rows(block, len(names)))
            names += block.symbols
        copy.write(_BINARY_TRAILER)
    written = conn.execute(
        """
        with names as (select symbol, place - 1 as place from unnest(%s::text[]) with ordinality as of (symbol, place))
        insert into analytics.pairwise_correlations
        (calculation_date, symbol_1, symbol_2, correlation, observations, p_value)
        select
            pairs.day, one.symbol, other.symbol, nullif(pairs.correlation, 'NaN'), pairs.observations,
            nullif(pairs.p_value, 'NaN')
        from pg_temp.incoming_pairs as pairs
        inner join names as one on pairs.first = one.place
        inner join names as other on pairs.second = other.place
        """,
        [names],
    ).rowcount
    conn.execute("drop table pg_temp.incoming_pairs")
    return written


def _binary_rows(block: Pairs, numbered_from: int) -> bytes:
    """The rows in PostgreSQL's binary COPY format: the count of fields, then each with its length, big-endian."""
    values = {
        "day": np.int32((block.day - _POSTGRES_DAY_ZERO).days),
        "first": block.first + numbered_from,
        "second": block.second + numbered_from,
        "correlation": block.correlation,
        "observations": block.observations,
        "p_value": block.p_value,
    }
    rows = np.empty(len(block), dtype=_PAIR)
    rows["fields"] = len(values)
    for name, column in values.items():
        rows[f"length_{name}"] = _PAIR[name].itemsize
        rows[name] = column
    return rows.tobytes()


def _is_column(values: Any) -> bool:
    return isinstance(values, (np.ndarray, list, tuple))


def _plain(values: Any, length: int) -> Iterable[Any]:
    if not _is_column(values):
        return repeat(_finite(values), length)
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "f":
            known = np.isfinite(values)
            return values.tolist() if known.all() else np.where(known, values, None).tolist()
        return values.tolist()
    return map(_finite, values)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
