"""Computes performance and attribution for all current risk results that lack them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from python_models.definitions import Definitions
from python_models.performance.attribution import read_factor_days, write_attribution
from python_models.performance.contributions import contribution_blocks
from python_models.performance.histories import read_due, read_histories
from python_models.performance.table import performance_block
from python_models.write import CONTRIBUTION_SUMS, PERFORMANCE_TABLES, Block, Scope, delete_of_portfolios, qualified
from warehouse.binary_copy import copy_columns

# The tables whose rows are made in Python; those of attribution are made in SQL.
_COPIED = ("portfolio_performance", CONTRIBUTION_SUMS)


def compute_performance(
    conn: psycopg.Connection[Any],
    definitions: Definitions,
    rate: float,
    portfolio_ids: Sequence[UUID] | None = None,
) -> Counter[str]:
    """Bring performance and attribution up to date with the risk results; returns the rows written by table.

    `ops.risk_state` tells what is due: results that were computed, or confirmed, after their performance was. A killed
    run leaves the rest due. The number of statements does not grow with portfolios; with sessions it grows by a
    constant for each block of them.

    Args:
        conn: a connection with autocommit on.
        definitions: the factors and the ETFs that may stand for them.
        rate: the yearly riskless rate.
        portfolio_ids: the portfolios; None: all. Others stay due.
    """
    written: Counter[str] = Counter()
    due = read_due(conn, portfolio_ids)
    if not due.days:
        return written
    histories = read_histories(conn, due)
    factor_days = read_factor_days(conn, definitions, due.days)
    for days, blocks in contribution_blocks(conn, histories, due):
        scopes = {day: due.portfolios_on[day] for day in days}
        blocks.append(performance_block(histories, scopes, rate))
        with conn.transaction():
            delete_of_portfolios(conn, PERFORMANCE_TABLES, _pairs(scopes))
            written.update(_copy(conn, blocks))
            written.update(write_attribution(conn, scopes, factor_days))
            _conclude(conn, scopes)
    return written


def _copy(conn: psycopg.Connection[Any], blocks: Sequence[Block]) -> dict[str, int]:
    written = dict.fromkeys(_COPIED, 0)
    for table in _COPIED:
        of_table = [block for block in blocks if block.table == table and block.n_rows]
        if of_table:
            columns = ((list(block.columns.values()), block.n_rows) for block in of_table)
            written[table] = copy_columns(conn, qualified(table), list(of_table[0].columns), columns)
    return written


def _conclude(conn: psycopg.Connection[Any], scopes: Mapping[date, Sequence[UUID]]) -> None:
    """Record that these results have their performance now."""
    conn.execute(
        "update ops.risk_state as state set performance_at = clock_timestamp()"
        " from unnest(%s::date[], %s::uuid[]) as scope (day, portfolio_id)"
        " where state.calculation_date = scope.day and state.portfolio_id = scope.portfolio_id",
        [list(column) for column in zip(*_pairs(scopes), strict=True)],
    )


def _pairs(scopes: Mapping[date, Sequence[UUID]]) -> list[Scope]:
    return [(day, portfolio) for day, portfolios in scopes.items() for portfolio in portfolios]
