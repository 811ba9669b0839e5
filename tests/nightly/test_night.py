"""Nights on a real database with the real dbt project: what is done, recorded and said, and what faults do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date

import pytest
from small_nights import LAST_PRICE, NEXT_SESSION, ROLLED_TO, TONIGHT

from nightly import cli, ledger, summary
from nightly.record import RunRecord
from warehouse.errors import Busy
from warehouse.locks import run_lock
from warehouse.settings import PROJECT_ROOT

RESULTS = ("position_values", "portfolio_snapshots", "positions", "portfolio_sector_exposures", "daily_returns")
ALL_WELL = dict.fromkeys(("1", "1.5", "2", "2.5", "2.75", "3"), "succeeded")


def statuses(run: RunRecord) -> dict[str, str]:
    return {phase.phase: phase.status for phase in run.phases}


def said(run: RunRecord, number: str) -> str:
    return "\n".join(next(phase.lines for phase in run.phases if phase.phase == number))


def results(night) -> dict[str, list]:
    return {name: sorted(night.rows(f"select * from analytics.{name}"), key=str) for name in RESULTS}


def test_the_first_night_rolls_every_portfolio_from_its_inception(night, first_night):
    _, run = first_night
    assert run.status == "succeeded", run.problems
    assert statuses(run) == ALL_WELL
    assert "Growth: 31 sessions, 2024-01-02 to 2024-02-14" in said(run, "2")
    # Both symbols close at 119 on the session before inception and at 150 on 2024-02-14.
    # Growth: 100 AAA bought at 120 and 10 BBB bought at 120. Income: 200 BBB carried in at 119.
    assert night.rows(
        "select name, snapshot_date, equity_balance from analytics.portfolio_snapshots"
        " inner join raw.portfolios using (portfolio_id) where snapshot_date = %s order by name",
        ROLLED_TO,
    ) == [
        ("Growth", ROLLED_TO, 100000 + 100 * 30 + 10 * 30),
        ("Income", ROLLED_TO, 50000 + 200 * 31),
    ]


def test_an_ordinary_night_rolls_one_session_and_a_second_one_nothing(night):
    run = night.run()
    assert run.status == "succeeded", run.problems
    assert run.trade_date == NEXT_SESSION
    assert "Growth: 2024-02-15 (next session)" in said(run, "2")
    assert said(run, "2.5") == "positions: 3 updated"
    assert night.rows("select max(snapshot_date), count(*) from analytics.portfolio_snapshots") == [(NEXT_SESSION, 64)]
    with night.database.connect() as conn:
        assert ledger.read_run(conn, run.run_id) == run
    before = results(night)
    again = night.run()
    assert "nothing due: 2 portfolios are rolled to 2024-02-15" in said(again, "2")
    assert said(again, "2.5") == "positions: 3 unchanged"
    assert results(night) == before


def test_the_summary_for_machines_is_all_there_is_on_standard_output(night, monkeypatch, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["run", "--date", str(NEXT_SESSION), "--phase", "1", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["status"], run["trade_date"], run["rerun"]) == ("succeeded", "2024-02-15", None)
    assert cli.main(["status", str(run["run_id"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == run


def test_a_backfill_of_one_portfolio_leaves_every_row_as_it_was(night):
    before = results(night)
    run = night.run("backfill", start=date(2024, 1, 20), end=ROLLED_TO, portfolios=("Growth",))
    assert run.status == "succeeded", run.problems
    assert run.scope == ["Growth"]
    assert "Growth: 18 sessions, 2024-01-22 to 2024-02-14 (asked for)" in said(run, "2")
    assert "Income" not in said(run, "2")
    assert results(night) == before


def test_deleted_portfolios_leave_every_session_and_the_last_one_too(night):
    night.execute("update raw.portfolios set deleted_at = now()")
    run = night.run()
    assert run.status == "succeeded", run.problems
    assert "Growth: removed from every session (portfolio deleted)" in said(run, "2")
    assert {name: len(rows) for name, rows in results(night).items() if name != "daily_returns"} == {
        "position_values": 0,
        "portfolio_snapshots": 0,
        "positions": 0,
        "portfolio_sector_exposures": 0,
    }


def test_only_the_phases_asked_for_are_run(night):
    run = night.run(phases=("2.75", "2.5"))
    assert statuses(run) == {"2.5": "succeeded", "2.75": "succeeded"}
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(ROLLED_TO,)]
    run = night.run(from_phase="2")
    assert list(statuses(run)) == ["2", "2.5", "2.75", "3"]
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(NEXT_SESSION,)]


def test_a_provider_that_is_not_there_fails_phase_1_alone(night):
    missing = night.settings.home / "missing"
    settings = night.settings.model_copy(update={"providers": f"files:{missing}"})
    run = type(night)(night.database, settings).run()
    assert statuses(run) == ALL_WELL | {"1": "failed"}
    failed, coverage = run.errors
    assert (failed.phase, failed.scope) == ("1", "Market Data Collection")
    assert str(missing) in failed.message
    # the night was rolled at older prices, and says how much of the book that is
    assert coverage.scope == "coverage"
    assert coverage.message.startswith("prices of 2024-02-15 cover 0.0% of the book by value, 90% are required")
    assert "AAA (since 2024-02-14" in coverage.message
    assert summary.rerun_command(run) == "python run_nightly.py run --date 2024-02-15"


def test_a_model_that_fails_fails_its_phase_alone(night):
    night.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;"
        "create trigger refuse before insert or update on analytics.positions execute function refuse()"
    )
    run = night.run()
    assert statuses(run) == ALL_WELL | {"2.5": "failed"}
    (problem,) = run.errors
    assert (problem.phase, problem.scope) == ("2.5", "model positions")
    assert "no room" in problem.message
    command = summary.rerun_command(run)
    assert command == "python run_nightly.py run --date 2024-02-15 --phase 2.5"
    assert night.rows(
        "select phase, scope, severity from ops.batch_errors where run_id = %s and severity = 'error'", run.run_id
    ) == [("2.5", "model positions", "error")]
    night.execute("drop trigger refuse on analytics.positions")
    assert night.run(phases=("2.5",)).status == "succeeded"


def test_what_needs_a_failed_model_counts_as_failed_too(night):
    night.execute("drop table raw.equity_changes cascade")
    run = night.run()
    # positions need no flows, snapshots and the exposures over them do
    assert statuses(run) == ALL_WELL | {"2": "failed", "2.75": "failed"}
    messages = [problem.message for problem in run.errors if problem.phase == "2"]
    assert any('relation "raw.equity_changes" does not exist' in message for message in messages)
    assert any("not built, because a model that they need failed" in message for message in messages)
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(ROLLED_TO,)]


def test_a_table_that_was_dropped_fails_phase_1_with_the_place_in_the_code(night):
    night.execute("drop table raw.company_profiles cascade")
    run = night.run(phases=("1",))
    (problem,) = run.errors
    assert statuses(run) == {"1": "failed"}
    assert problem.message.startswith('UndefinedTable: relation "raw.company_profiles" does not exist (ingest/')


def test_views_are_built_again_when_they_are_missing(night):
    night.execute("drop view staging.stg_company_profiles cascade")
    assert night.run(phases=("2.75",)).status == "succeeded"
    assert night.rows("select to_regclass('staging.stg_company_profiles') is not null") == [(True,)]


def test_nobody_else_can_start_while_a_run_is_going(night):
    with night.database.connect() as other, run_lock(other, "load BOOK"), pytest.raises(Busy, match="load BOOK"):
        night.run()


def start_and_wait_for_phase_2(night) -> subprocess.Popen[str]:
    """Start a night as a process of its own, which then waits in phase 2 for a table that the caller has locked."""
    process = subprocess.Popen(
        [sys.executable, "run_nightly.py", "run", "--date", str(LAST_PRICE)],
        cwd=PROJECT_ROOT,
        env={**os.environ, **night.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waiting = (
        "select count(*) from pg_locks where not granted and relation = 'analytics.position_values'::regclass"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    deadline = time.monotonic() + 120
    while night.rows(waiting) == [(0,)]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the night never came to position_values"
        time.sleep(0.2)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_an_interrupted_night_says_so_and_is_taken_up_again(night, number):
    with night.database.connect() as blocking, blocking.transaction():
        blocking.execute("lock table analytics.position_values in access exclusive mode")
        process = start_and_wait_for_phase_2(night)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted: what was finished stays" in err
    assert "Traceback" not in err
    assert night.rows("select status from ops.batch_runs order by run_id desc limit 1") == [("interrupted",)]
    assert night.rows(
        "select phase, status from ops.batch_phases where run_id = (select max(run_id) from ops.batch_runs)"
        " order by phase"
    ) == [
        ("1", "succeeded"),
        ("1.5", "succeeded"),
        ("2", "interrupted"),
        ("2.5", "interrupted"),
        ("2.75", "interrupted"),
    ]
    run = night.run(trade_date=LAST_PRICE, now=TONIGHT.replace(day=16))
    assert run.status == "succeeded", run.problems
    assert not any("died" in problem.message for problem in run.warnings)
    assert "Growth: 2 sessions, 2024-02-15 to 2024-02-16" in said(run, "2")


@pytest.mark.slow
def test_a_night_that_was_killed_is_found_by_the_next_one(night):
    with night.database.connect() as blocking, blocking.transaction():
        blocking.execute("lock table analytics.position_values in access exclusive mode")
        process = start_and_wait_for_phase_2(night)
        process.kill()
        process.communicate(timeout=60)
        assert night.rows("select status from ops.batch_runs order by run_id desc limit 1") == [("running",)]
    deadline = time.monotonic() + 30
    while True:
        try:
            run = night.run(trade_date=LAST_PRICE, now=TONIGHT.replace(day=16))
            break
        except Busy:  # the server notices within seconds that its client is gone
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert run.status == "succeeded", run.problems
    (warning,) = (problem for problem in run.warnings if "died" in problem.message)
    assert warning.scope == f"run {run.run_id - 1}"
    assert "Growth: 2 sessions, 2024-02-15 to 2024-02-16" in said(run, "2")
