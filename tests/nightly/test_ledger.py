"""The ledger gives back what was entered, and what died is found."""

from dataclasses import replace
from datetime import date

import psycopg

from nightly import ledger
from nightly.record import PhaseRecord, RunProblem, RunRecord
from warehouse.locks import run_lock


def start(conn: psycopg.Connection, scope: list[str] | None = None) -> RunRecord:
    return ledger.start_run(
        conn,
        command="run",
        arguments={"date": "2024-02-15"},
        trade_date=date(2024, 2, 15),
        scope=scope or [],
        version="0.1.0",
    )


def test_a_run_is_read_back_as_it_was_entered(conn: psycopg.Connection):
    run = start(conn, ["Growth"])
    phase = PhaseRecord("2.5", "Position Market Values")
    problems = [RunProblem("model positions", "100 % wrong", "error", "2.5"), RunProblem("coverage", "low")]
    ledger.start_phase(conn, run.run_id, phase)
    with run_lock(conn, "test"):
        assert ledger.read_run(conn, run.run_id) == replace(run, phases=[phase])
    phase.status, phase.seconds, phase.counts, phase.lines = "failed", 1.25, {"rows": {"positions": 3}}, ["3 updated"]
    ledger.finish_phase(conn, run.run_id, phase)
    ledger.add_problems(conn, run.run_id, problems)
    ledger.finish_run(conn, run, "failed")
    assert ledger.read_run(conn, run.run_id) == replace(run, phases=[phase], problems=problems)
    assert run.finished_at > run.started_at
    assert ledger.read_run(conn, run.run_id + 1) is None


def test_recent_runs_come_latest_first(conn: psycopg.Connection):
    runs = [start(conn) for _ in range(3)]
    assert [run.run_id for run in ledger.recent_runs(conn, 2)] == [runs[2].run_id, runs[1].run_id]


def test_what_died_is_marked_interrupted_and_named(conn: psycopg.Connection):
    ended, died = start(conn), start(conn)
    ledger.finish_run(conn, ended, "succeeded")
    ledger.start_phase(conn, died.run_id, PhaseRecord("1", "Market Data Collection"))
    before = ledger.read_run(conn, died.run_id)
    assert (before.status, before.phases[0].status) == ("interrupted", "interrupted")
    dead = ledger.dead_runs(conn)
    assert [run.run_id for run in dead] == [died.run_id]
    ledger.mark_interrupted(conn, dead)
    assert ledger.read_run(conn, ended.run_id).status == "succeeded"
    found = ledger.read_run(conn, died.run_id)
    assert (found.status, found.phases[0].status) == ("interrupted", "interrupted")
    assert found.finished_at is not None
    assert ledger.dead_runs(conn) == []


def test_an_interrupted_run_leaves_no_phase_running(conn: psycopg.Connection):
    run = start(conn)
    ledger.start_phase(conn, run.run_id, PhaseRecord("2", "P&L & Snapshots"))
    ledger.finish_run(conn, run, "interrupted")
    (phase,) = ledger.read_run(conn, run.run_id).phases
    assert phase.status == "interrupted"
    assert phase.seconds >= 0
