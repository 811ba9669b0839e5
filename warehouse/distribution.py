"""A database spread over several servers by Citus: what lies where, and how it is brought there.

Everything large that has a portfolio in its rows lies on the workers, in shards by portfolio: a portfolio's rows of all
these tables are on one server, and the models that write them run there. `pairwise_correlations`, which grows with the
square of the symbols, lies there in shards by the first symbol. What those models need of the market is whole on each
worker. Everything else, `raw` and `ops` with their triggers above all, stays on the coordinator.

https://docs.citusdata.com/en/stable/develop/api_udf.html
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from warehouse.errors import UserError
from warehouse.migrate import READER
from warehouse.patience import PATIENCE_SECONDS, change_patiently
from warehouse.preparations import record_preparations
from warehouse.queries import fetch_one

# The name in ops.preparations of a database that is spread.
SPREAD = "spread"
_BEGUN, _DONE = "begun", "by portfolio"

PAIRS = "analytics.pairwise_correlations"
# In shards by portfolio_id, all beside the first. Those of dbt may not be built yet, or only on such a database.
_BUILT_BY_DBT = (
    "analytics.portfolio_snapshots",
    "analytics.position_values",
    "analytics.positions",
    "analytics.portfolio_sector_exposures",
    "intermediate.portfolios_due",
    "intermediate.portfolio_session_totals",
    "intermediate.lot_segments",
    "intermediate.broker_dividends",
    "intermediate.session_flows",
    "intermediate.session_cash_items",
    "intermediate.listed_positions",
    "intermediate.lot_happenings",
    "intermediate.position_sector_names",
)
_RESULTS = (
    "analytics.portfolio_factor_exposures",
    "analytics.portfolio_risk_metrics",
    "analytics.position_risk_contributions",
    "analytics.correlation_calculations",
    "analytics.correlation_clusters",
    "analytics.correlation_cluster_positions",
    "analytics.stress_test_results",
    "analytics.portfolio_performance",
    "analytics.portfolio_pnl_attribution",
    "analytics.portfolio_sector_attribution",
    "ops.position_contribution_sums",
    "analytics.risk_backtest",
)
# Whole on each worker.
_ON_EACH_WORKER = (
    "intermediate.session_dates",
    "intermediate.session_closes",
    "intermediate.benchmark_closes",
    "intermediate.benchmark_returns",
    "intermediate.benchmark_sectors_in_force",
    "intermediate.fund_sectors_in_force",
)
# Each with the column that decides where a row lies; None: on each worker.
PLACES: dict[str, str | None] = {
    PAIRS: "symbol_1",
    **dict.fromkeys(_RESULTS, "portfolio_id"),
    **dict.fromkeys(_BUILT_BY_DBT, "portfolio_id"),
    **dict.fromkeys(_ON_EACH_WORKER),
}
# The table that all others by portfolio lie beside. Migrations make it, so it is there from the beginning.
_FIRST = _RESULTS[0]


class Moved(NamedTuple):
    """A table that was brought to the workers: by which column (None: the whole to each), and how many rows it had."""

    table: str
    column: str | None
    rows: int


class Distribution(NamedTuple):
    """What `distribute` found and did.

    Attributes:
        workers: how many there are.
        moved: the tables it moved.
        already: those that lay there already.
        to_come: those that are not built yet; they go there when they are.
    """

    workers: int
    moved: list[Moved]
    already: list[str]
    to_come: list[str]


def is_spread(preparations: Mapping[str, str]) -> bool:
    """Whether these preparations are of a database that is spread; raises UserError where that was interrupted."""
    if preparations.get(SPREAD) == _BEGUN:
        raise UserError("a `db distribute` was interrupted: repeat it, it carries on")
    return SPREAD in preparations


def distribute(conn: psycopg.Connection[Any], patience_seconds: float = PATIENCE_SECONDS) -> Distribution:
    """Bring every table to where it belongs, each in a transaction of its own; those that are there are left alone.

    The connection has autocommit on and holds the run lock. What was interrupted is carried on by the next call. Nobody
    can read a table while it is moved.

    Raises:
        UserError: the database has no Citus, Citus knows no worker, or a transaction that somebody leaves open is in
            the way for longer than our patience.
    """
    workers = require_workers(conn)
    settle(conn)
    _let_readers_in(conn)
    _note_changes(conn)
    record_preparations(conn, {SPREAD: _BEGUN})
    conn.execute(
        "insert into ops.spread_tables (relation, column_name, beside)"
        " select * from unnest(%s::text[], %s::text[], %s::text[])"
        " on conflict (relation) do update set column_name = excluded.column_name, beside = excluded.beside",
        [
            list(PLACES),
            list(PLACES.values()),
            [_FIRST if column == "portfolio_id" and table != _FIRST else None for table, column in PLACES.items()],
        ],
    )
    there = dict(
        conn.execute(
            "select name, logicalrelid is not null from unnest(%s::text[]) as name"
            " left join pg_dist_partition on logicalrelid = to_regclass(name) where to_regclass(name) is not null",
            [list(PLACES)],
        ).fetchall()
    )
    moved = [
        _move(conn, table, column, patience_seconds) for table, column in PLACES.items() if there.get(table) is False
    ]
    with conn.transaction():
        record_preparations(conn, {SPREAD: _DONE})
        if moved:
            _forget_views(conn)
    return Distribution(
        workers,
        moved=moved,
        already=[table for table in PLACES if there.get(table)],
        to_come=[table for table in PLACES if table not in there],
    )


def forget(conn: psycopg.Connection[Any]) -> None:
    """After a restore: all tables lie on the coordinator, whatever the dump says of the database that it is from."""
    with conn.transaction():
        if conn.execute("delete from ops.preparations where name = %s", [SPREAD]).rowcount:
            conn.execute("delete from ops.spread_tables")
            _forget_views(conn)


def _forget_views(conn: psycopg.Connection[Any]) -> None:
    """Let the published views be built again: some are others on a spread database."""
    conn.execute("delete from ops.preparations where name = 'views'")


def silent_workers(conn: psycopg.Connection[Any]) -> list[str]:
    """The workers of a spread database that do not answer, each as `host:port (why)`."""
    rows = conn.execute(
        "select format('%s:%s (%s)', nodename, nodeport, result) from run_command_on_workers('select 1')"
        " where not success order by 1"
    )
    return [" ".join(told.split()) for (told,) in rows]


def settle(conn: psycopg.Connection[Any]) -> None:
    """End what a server that died left between its two commits, where this user may.

    Citus does it by itself within a minute. Until then those rows are locked, and some servers show what others do not.
    """
    (may,) = fetch_one(
        conn.execute("select has_function_privilege('pg_catalog.recover_prepared_transactions()', 'execute')")
    )
    if may:
        conn.execute("select recover_prepared_transactions()")


def require_workers(conn: psycopg.Connection[Any]) -> int:
    """How many servers there are to spread over; raises UserError where the database has none."""
    if not conn.execute("select 1 from pg_extension where extname = 'citus'").rowcount:
        raise UserError(
            f"the database {conn.info.dbname} has no Citus and stays on one server: docs/scale.md says when more pay"
        )
    (workers,) = fetch_one(
        conn.execute(
            "select count(*) from pg_dist_node"
            " where isactive and shouldhaveshards and noderole = 'primary' and groupid <> 0"
        )
    )
    if not workers:
        raise UserError(
            f"Citus in {conn.info.dbname} knows no worker: add one with `select citus_add_node('host', 5432)`, then "
            "repeat `db distribute`"
        )
    return workers


def _note_changes(conn: psycopg.Connection[Any]) -> None:
    """Let what is entered on the coordinator note the changes of tables that can have no trigger any more."""
    results = [table for table, column in PLACES.items() if column and table not in _BUILT_BY_DBT]
    conn.execute(
        sql.SQL(
            "create or replace trigger note_results after insert or update or delete on ops.risk_state"
            " for each statement execute function ops.note_named_relations({})"
        ).format(sql.SQL(", ").join(map(sql.Literal, results)))
    )
    conn.execute(
        "create or replace trigger note_model after insert or update on ops.incremental_writes"
        " for each row execute function ops.note_written_model()"
    )


def _let_readers_in(conn: psycopg.Connection[Any]) -> None:
    """Let readers read where the rows lie: Citus asks the workers as whoever asks the coordinator.

    A role without a password gets in where it is let in. One table of `ops` is shown by a published view. Its schema is
    opened on the workers alone, where nothing else of it is.
    """
    reader = sql.Identifier(READER)
    with conn.transaction():
        conn.execute(sql.SQL("alter role {} login").format(reader))
        conn.execute(sql.SQL("grant select on ops.position_contribution_sums to {}").format(reader))
        conn.execute(sql.SQL("grant usage on schema ops to {}").format(reader))
        conn.execute("set local citus.enable_ddl_propagation to off")
        conn.execute(sql.SQL("revoke usage on schema ops from {}").format(reader))


def _move(conn: psycopg.Connection[Any], table: str, column: str | None, patience_seconds: float) -> Moved:
    name = sql.Identifier(*table.split("."))

    def move() -> int:
        # Nobody may write between the count and the move, and the rows that were copied are truncated in the end.
        conn.execute(sql.SQL("lock table {} in access exclusive mode").format(name))
        conn.execute("set local lock_timeout to 0")
        (rows,) = fetch_one(conn.execute(sql.SQL("select count(*) from {}").format(name)))
        conn.execute("call ops.spread_relation(%s::regclass)", [table])
        return rows

    return Moved(table, column, change_patiently(conn, f"moving {table}", move, patience_seconds))
