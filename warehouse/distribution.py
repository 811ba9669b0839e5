"""A database whose pairs of symbols are spread over several servers by Citus.

`pairwise_correlations` grows with the square of the symbols and is most of what a night of large books writes. Its rows
lie on the workers, in shards by the first symbol. Everything else stays on the coordinator, where every statement on it
is PostgreSQL's own.

https://docs.citusdata.com/en/stable/develop/api_udf.html
"""

from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from warehouse.errors import UserError
from warehouse.migrate import READER
from warehouse.queries import fetch_one

# Each table with the column that decides where a row lies.
SPREAD = {"analytics.pairwise_correlations": "symbol_1"}


class Moved(NamedTuple):
    """A table that was brought to the workers: by which column it is spread, and how many rows it had."""

    table: str
    column: str
    rows: int


class Distribution(NamedTuple):
    """What `distribute` found and did: how many workers, the tables it moved, and those that lay there already."""

    workers: int
    moved: list[Moved]
    already: list[str]


def distribute(conn: psycopg.Connection[Any]) -> Distribution:
    """Bring every table to where it belongs, each in a transaction of its own; those that are there are left alone.

    The connection has autocommit on and holds the run lock.

    Raises:
        UserError: the database has no Citus, or Citus knows no worker.
    """
    workers = require_workers(conn)
    there = {
        name
        for (name,) in conn.execute(
            "select name from unnest(%s::text[]) as name inner join pg_dist_partition on logicalrelid = name::regclass",
            [list(SPREAD)],
        )
    }
    # Citus logs in on the workers as the user who asks the coordinator. A role without a password can log in only where
    # the server allows it.
    conn.execute(sql.SQL("alter role {} login").format(sql.Identifier(READER)))
    return Distribution(
        workers,
        moved=[_move(conn, table, column) for table, column in SPREAD.items() if table not in there],
        already=[table for table in SPREAD if table in there],
    )


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


def _move(conn: psycopg.Connection[Any], table: str, column: str) -> Moved:
    name = sql.Identifier(*table.split("."))
    with conn.transaction():
        # Nobody may write between the count and the move.
        conn.execute(sql.SQL("lock table {} in share row exclusive mode").format(name))
        (rows,) = fetch_one(conn.execute(sql.SQL("select count(*) from {}").format(name)))
        # A spread table can have no trigger. Whoever writes results enters it in ops.risk_state, which has one.
        conn.execute(sql.SQL("drop trigger if exists note_statement on {}").format(name))
        conn.execute("select create_distributed_table(%s, %s, colocate_with => 'none')", [table, column])
        # The rows have been copied.
        conn.execute("select truncate_local_data_after_distributing_table(%s)", [table])
    return Moved(table, column, rows)
