"""The ledger: what ran, what it did, what went wrong.

A run is in `ops.batch_runs`, its phases in `ops.batch_phases`, its errors and warnings in `ops.batch_errors`, and each
dbt node that ran for it in `ops.dbt_node_results`.

A run writes through a connection of its own, in statements that commit at once, so that a phase whose transaction is
rolled back is recorded all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from nightly.record import PhaseRecord, RunProblem, RunRecord, RunStatus
from warehouse.locks import run_is_going
from warehouse.queries import fetch_one

if TYPE_CHECKING:
    from nightly.dbt.runner import NodeResult


def dead_runs(conn: psycopg.Connection) -> list[RunRecord]:
    """The runs that the ledger still calls running, oldest first; for the holder of the run lock only.

    Nobody else can be running then, so whoever wrote those rows has died.
    """
    ids = conn.execute("select run_id from ops.batch_runs where status = 'running' order by run_id").fetchall()
    return [record for (run_id,) in ids if (record := read_run(conn, run_id))]


def mark_interrupted(conn: psycopg.Connection, runs: Sequence[RunRecord]) -> None:
    """Mark these runs and their phases as interrupted."""
    ids = [run.run_id for run in runs]
    with conn.transaction():
        conn.execute(
            "update ops.batch_phases set status = 'interrupted' where status = 'running' and run_id = any(%s)", (ids,)
        )
        conn.execute(
            "update ops.batch_runs set status = 'interrupted', finished_at = clock_timestamp()"
            " where status = 'running' and run_id = any(%s)",
            (ids,),
        )


def start_run(
    conn: psycopg.Connection,
    *,
    command: str,
    arguments: dict[str, Any],
    trade_date: date,
    scope: list[str],
    version: str,
) -> RunRecord:
    """Record a run as running; `scope` names portfolios, or is empty for all of them."""
    run_id, started_at = fetch_one(
        conn.execute(
            "insert into ops.batch_runs (command, arguments, trade_date, scope, version) values (%s, %s, %s, %s, %s)"
            " returning run_id, started_at",
            (command, json.dumps(arguments), trade_date, json.dumps({"portfolios": scope or "all"}), version),
        )
    )
    return RunRecord(run_id, command, arguments, trade_date, scope, started_at, version)


def start_phase(conn: psycopg.Connection, run_id: int, phase: PhaseRecord) -> None:
    """Record a phase as running."""
    conn.execute(
        "insert into ops.batch_phases (run_id, phase, name) values (%s, %s, %s) on conflict do nothing",
        (run_id, phase.phase, phase.name),
    )


def finish_phase(conn: psycopg.Connection, run_id: int, phase: PhaseRecord) -> None:
    """Record how a phase ended and what it did; its lines and its start-up are kept among the counts."""
    counts = json.dumps({**phase.counts, "lines": phase.lines, "start_up_seconds": phase.start_up_seconds})
    conn.execute(
        "update ops.batch_phases set status = %s, seconds = %s, counts = %s where run_id = %s and phase = %s",
        (phase.status, phase.seconds, counts, run_id, phase.phase),
    )


def add_problems(conn: psycopg.Connection, run_id: int, problems: Sequence[RunProblem]) -> None:
    """Record what went wrong, in order."""
    conn.execute(
        """
        insert into ops.batch_errors (run_id, phase, scope, severity, message)
        select %s, phase, scope, severity, message
        from unnest(%s::text[], %s::text[], %s::text[], %s::text[])
            with ordinality as problem (phase, scope, severity, message, place)
        order by place
        """,
        (run_id, *_columns(problems, "phase", "scope", "severity", "message")),
    )


def add_nodes(conn: psycopg.Connection, run_id: int, phase: str, nodes: Sequence[NodeResult]) -> None:
    """Record the dbt nodes that ran for a phase and what became of each; a node that ran again is overwritten."""
    names = ("unique_id", "name", "status", "seconds", "failures", "message")
    conn.execute(
        """
        insert into ops.dbt_node_results (run_id, phase, unique_id, name, status, seconds, failures, message)
        select %s, %s, node.*
        from unnest(%s::text[], %s::text[], %s::text[], %s::float[], %s::int[], %s::text[]) as node
        on conflict (run_id, phase, unique_id) do update set
            status = excluded.status,
            seconds = excluded.seconds,
            failures = excluded.failures,
            message = excluded.message,
            finished_at = excluded.finished_at
        """,
        (run_id, phase, *_columns(nodes, *names)),
    )


def finish_run(conn: psycopg.Connection, run: RunRecord, status: RunStatus) -> None:
    """Record how a run ended, in the ledger and in its record; a phase that still runs is marked interrupted."""
    conn.execute(
        "update ops.batch_phases set status = 'interrupted',"
        " seconds = extract(epoch from clock_timestamp() - started_at) where run_id = %s and status = 'running'",
        (run.run_id,),
    )
    run.status = status
    (run.finished_at,) = fetch_one(
        conn.execute(
            "update ops.batch_runs set status = %s, finished_at = clock_timestamp() where run_id = %s"
            " returning finished_at",
            (status, run.run_id),
        )
    )


def recent_runs(conn: psycopg.Connection, limit: int) -> list[RunRecord]:
    """The latest runs, latest first, without their phases; each with its problems."""
    ids = conn.execute("select run_id from ops.batch_runs order by run_id desc limit %s", (limit,)).fetchall()
    return [record for (run_id,) in ids if (record := read_run(conn, run_id))]


def read_run(conn: psycopg.Connection, run_id: int) -> RunRecord | None:
    """A run with its phases and problems as the ledger has them; None where there is no such run.

    A run that died could not record its end: if nobody holds the run lock, a run that looks running was interrupted.
    """
    cursor = conn.cursor(row_factory=dict_row)
    run = cursor.execute("select * from ops.batch_runs where run_id = %s", (run_id,)).fetchone()
    if run is None:
        return None
    phases = cursor.execute(
        "select phase, name, status, seconds, counts from ops.batch_phases where run_id = %s"
        " order by started_at, phase",
        (run_id,),
    ).fetchall()
    problems = cursor.execute(
        "select scope, message, severity, phase from ops.batch_errors where run_id = %s order by error_id", (run_id,)
    ).fetchall()
    named = run["scope"].get("portfolios", "all")
    record = RunRecord(
        run_id=run["run_id"],
        command=run["command"],
        arguments=run["arguments"],
        trade_date=run["trade_date"],
        scope=[] if named == "all" else named,
        started_at=run["started_at"],
        version=run["version"],
        status=run["status"],
        finished_at=run["finished_at"],
        phases=[_phase(phase) for phase in phases],
        problems=[RunProblem(**problem) for problem in problems],
    )
    if record.status == "running" and not run_is_going(conn):
        for each in (record, *record.phases):
            each.status = "interrupted" if each.status == "running" else each.status
    return record


def read_nodes(conn: psycopg.Connection, run_id: int) -> list[dict[str, Any]]:
    """The dbt nodes of a run in the order in which they ended, plain JSON values."""
    nodes = conn.cursor(row_factory=dict_row).execute(
        "select phase, name, status, round(seconds::numeric, 2)::float as seconds, failures, message"
        " from ops.dbt_node_results where run_id = %s order by finished_at, phase, name",
        (run_id,),
    )
    return nodes.fetchall()


def _columns(records: Sequence[Any], *names: str) -> list[list[Any]]:
    return [[getattr(record, name) for record in records] for name in names]


def _phase(row: dict[str, Any]) -> PhaseRecord:
    counts = row["counts"]
    lines, start_up_seconds = counts.pop("lines", []), counts.pop("start_up_seconds", 0.0)
    return PhaseRecord(**row, lines=lines, start_up_seconds=start_up_seconds)
