"""Nights on a real database with the real dbt project: what is done, recorded and said, and what faults do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date

import pytest

from nightly import cli, ledger
from nightly.output import summary
from nightly.record import RunRecord
from tests.nightly.small_nights import LAST_PRICE, NEXT_SESSION, ROLLED_TO, TONIGHT, copy_of
from warehouse.errors import Busy, UserError
from warehouse.locks import run_lock
from warehouse.settings import PROJECT_ROOT

RESULTS = (
    "position_values",
    "portfolio_snapshots",
    "positions",
    "portfolio_sector_exposures",
    "daily_returns",
    "sector_tags",
    "position_sector_tags",
)
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
    assert "Growth, Income: 31 sessions, 2024-01-02 to 2024-02-14" in said(run, "2")
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
    assert said(run, "2").startswith("next session: 2 portfolios from 2024-02-15\nGrowth, Income: 2024-02-15\n")
    assert said(run, "2.5") == "positions: 3 updated"
    assert night.rows("select max(snapshot_date), count(*) from analytics.portfolio_snapshots") == [(NEXT_SESSION, 64)]
    with night.database.connect() as conn:
        assert ledger.read_run(conn, run.run_id) == run
    before = results(night)
    again = night.run()
    assert "nothing due: 2 portfolios are rolled to 2024-02-15" in said(again, "2")
    assert said(again, "2.5") == "positions: 3 skipped because their values are current"
    assert results(night) == before


def test_the_summary_for_machines_is_all_there_is_on_standard_output(night, monkeypatch, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["run", "--date", str(NEXT_SESSION), "--phase", "1", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["status"], run["trade_date"], run["rerun"]) == ("succeeded", "2024-02-15", None)
    assert cli.main(["status", str(run["run_id"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**run, "dbt_nodes": []}


def test_a_backfill_of_one_portfolio_leaves_every_row_as_it_was(night):
    before = results(night)
    run = night.run("backfill", start=date(2024, 1, 20), end=ROLLED_TO, portfolios=("Growth",))
    assert run.status == "succeeded", run.problems
    assert run.scope == ["Growth"]
    assert "asked for: Growth from 2024-01-22\nGrowth: 18 sessions, 2024-01-22 to 2024-02-14\n" in said(run, "2")
    assert "Income" not in said(run, "2")
    assert results(night) == before


def test_positions_and_tags_say_what_was_skipped_what_is_stale_and_what_a_person_chose(night):
    # AAA has no close on the 15th. There is also a lot of a symbol that nobody quotes, one in the future, and one that
    # has ended.
    night.execute(
        """
        insert into raw.market_data_cache (symbol, price_date, close, source) values ('BBB', '2024-02-15', 151, 'test');
        insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date,
            exit_date, exit_price, investment_class, source)
        select gen_random_uuid(), portfolio_id, symbol, 'LONG', 1, 50, entered::date, left_on::date, paid, class, 'test'
        from raw.portfolios
        cross join (values
            ('NEVER', '2024-02-14', null, null, 'PUBLIC'),
            ('LATER', '2024-03-01', null, null, 'PUBLIC'),
            ('GONE', '2023-12-01', '2023-12-05', 51, 'PUBLIC')
        ) as lots (symbol, entered, left_on, paid, class)
        where name = 'Growth';
        insert into raw.manual_sector_tags (position_id, sector, source)
        select position_id, 'Wine', 'test' from raw.positions where symbol = 'AAA'
        """
    )
    run = night.run(phases=("2", "2.5", "2.75"))
    assert set(statuses(run).values()) == {"succeeded"}, run.problems
    assert said(run, "2.5").splitlines() == [
        "positions: 3 new, 3 updated",
        "2 stale: NEVER (never priced, at cost), AAA (no price since 2024-02-14)",
        "2 without a value: GONE (gone before its portfolio began), LATER (entered on 2024-03-01)",
    ]
    sectors = "sectors of positions: 2 by profile, 1 chosen by a person and kept, none for GONE, LATER, NEVER"
    assert sectors in said(run, "2.75")
    tables = ("positions", "sector_tags", "position_sector_tags", "portfolio_sector_exposures")
    versions = {
        name: night.rows(f"select xmin::text, t::text from analytics.{name} as t order by 2") for name in tables
    }
    again = night.run(phases=("2", "2.5", "2.75"))
    assert said(again, "2.5").startswith("positions: 6 skipped because their values are current\n2 stale: NEVER")
    assert "position sector tags: 3 skipped because they are current" in said(again, "2.75")
    assert sectors in said(again, "2.75")
    assert versions == {
        name: night.rows(f"select xmin::text, t::text from analytics.{name} as t order by 2") for name in tables
    }


def test_deleted_portfolios_leave_every_session_and_the_last_one_too(night):
    night.execute("update raw.portfolios set deleted_at = now()")
    run = night.run()
    assert run.status == "succeeded", run.problems
    assert "Growth, Income: removed from every session (portfolio deleted)" in said(run, "2")
    assert {name: len(rows) for name, rows in results(night).items() if name != "daily_returns"} == {
        "position_values": 0,
        "portfolio_snapshots": 0,
        "positions": 0,
        "portfolio_sector_exposures": 0,
        "sector_tags": 11,
        "position_sector_tags": 0,
    }


def test_only_the_phases_asked_for_are_run(night):
    run = night.run(phases=("2.75", "2.5"))
    assert statuses(run) == {"2.5": "succeeded", "2.75": "succeeded"}
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(ROLLED_TO,)]
    run = night.run(from_phase="2")
    assert list(statuses(run)) == ["2", "2.5", "2.75", "3"]
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(NEXT_SESSION,)]


def test_a_night_does_not_begin_on_a_broken_setup(night):
    missing = night.settings.home / "missing"
    settings = night.settings.model_copy(update={"providers": f"files:{missing}"})
    with pytest.raises(UserError, match=f"providers: AFTERCLOSE_PROVIDERS: {missing} is not a folder"):
        type(night)(night.database, settings).run()
    assert night.rows("select count(*) from ops.batch_runs") == [(1,)]
    # a command that asks no source needs none
    assert type(night)(night.database, settings).run(from_phase="2").phases[0].status == "succeeded"


def test_market_data_that_fails_does_so_alone(night):
    night.refuse_writes("raw.market_data_cache")
    run = night.run()
    assert statuses(run) == ALL_WELL | {"1": "failed"}
    failed, coverage = run.errors
    assert (failed.phase, failed.scope) == ("1", "Market Data Collection")
    assert "no room" in failed.message
    # the night was rolled at older prices, and says how much of the book that is
    assert coverage.scope == "coverage"
    assert coverage.message.startswith("prices of 2024-02-15 cover 0.0% of the book by value, 90% are required")
    assert "AAA (since 2024-02-14" in coverage.message
    assert summary.rerun_command(run) == "python run_nightly.py run --date 2024-02-15"


def test_the_ledger_goes_on_when_its_connection_is_lost(night):
    """A phase ends every other connection, the one that holds the lock among them, as a server does that restarts."""
    night.execute(
        """
        create function cut() returns trigger language plpgsql as $$ begin
            perform pg_terminate_backend(pid) from pg_stat_activity
            where pid <> pg_backend_pid() and datname = current_database();
            return null;
        end $$;
        create trigger cut after insert on raw.market_data_cache execute function cut()
        """
    )
    run = night.run()
    assert statuses(run)["2"] == "succeeded"
    assert [phase.status for phase in ledger_of(night, run).phases] == [phase.status for phase in run.phases]
    assert run.status == "succeeded"


def ledger_of(night, run):
    with night.database.connect() as conn:
        return ledger.read_run(conn, run.run_id)


@pytest.mark.slow
def test_a_portfolio_whose_data_break_a_model_is_set_aside(night):
    """Its market value has more digits than any column: the others are rolled without it."""
    night.execute(
        "update raw.positions set quantity = 1e17 where symbol = 'AAA'"
        " and portfolio_id = (select portfolio_id from raw.portfolios where name = 'Growth')"
    )
    run = night.run()
    (problem,) = run.errors
    assert (problem.phase, problem.scope) == ("2", "portfolio Growth")
    assert problem.message.startswith("set aside, the others went on: model position_values: ")
    assert "numeric field overflow" in problem.message
    assert statuses(run) == ALL_WELL | {"2": "failed"}
    rolled_to = "select max(snapshot_date) from analytics.portfolio_snapshots join raw.portfolios using (portfolio_id)"
    assert night.rows(f"{rolled_to} where name = 'Income'") == [(NEXT_SESSION,)]
    assert night.rows(f"{rolled_to} where name = 'Growth'") == [(ROLLED_TO,)]
    command = summary.rerun_command(run)
    assert command == "python run_nightly.py run --date 2024-02-15 --portfolio Growth --from-phase 2"
    night.execute("update raw.positions set quantity = 100 where symbol = 'AAA'")
    healed = night.run(portfolios=("Growth",), from_phase="2")
    assert healed.status == "succeeded"
    assert night.rows(f"{rolled_to} where name = 'Growth'") == [(NEXT_SESSION,)]


def test_a_portfolio_whose_data_break_the_risk_models_is_set_aside(night):
    night.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " if new.portfolio_id = (select portfolio_id from raw.portfolios where name = 'Growth')"
        " then raise 'no such number'; end if; return new; end $$;"
        "create trigger refuse before insert on analytics.portfolio_risk_metrics"
        " for each row execute function refuse()"
    )
    run = night.run()
    (problem,) = run.errors
    assert (problem.phase, problem.scope) == ("3", "portfolio Growth")
    assert problem.message.startswith("set aside, the others went on: RaiseException: no such number (")
    assert statuses(run) == ALL_WELL | {"3": "failed"}
    computed = (
        "select name from analytics.portfolio_risk_metrics inner join raw.portfolios using (portfolio_id)"
        f" where calculation_date = '{NEXT_SESSION}'"
    )
    assert night.rows(computed) == [("Income",)]
    command = "python run_nightly.py analytics --date 2024-02-15 --portfolio Growth"
    assert summary.rerun_command(run) == command
    night.execute("drop trigger refuse on analytics.portfolio_risk_metrics")
    assert night.run("analytics", trade_date=NEXT_SESSION, portfolios=("Growth",)).status == "succeeded"
    assert sorted(night.rows(computed)) == [("Growth",), ("Income",)]


def test_a_model_that_fails_fails_its_phase_alone(night):
    night.refuse_writes("analytics.positions")
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
    # positions do not need flows; snapshots and exposures do
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
        # if a shell runs the tests in the background, they ignore this signal by default
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
    assert "Growth, Income: 2 sessions, 2024-02-15 to 2024-02-16" in said(run, "2")


@pytest.fixture(scope="module")
def undisturbed(server, first_night, night_settings) -> tuple[dict[str, list], float]:
    """What there is after a backfill that nobody disturbed, and the seconds it took."""
    with copy_of(server, first_night[0], night_settings) as night:
        began = time.monotonic()
        process = start_backfill(night)
        assert process.wait(timeout=120) == 0
        return results(night), time.monotonic() - began


def start_backfill(night) -> subprocess.Popen[str]:
    """Start a backfill over sessions that are rolled and two that are not, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "run_nightly.py", "backfill", "--start", "2024-01-08", "--end", str(LAST_PRICE)],
        cwd=PROJECT_ROOT,
        env={**os.environ, **night.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
def test_a_backfill_killed_at_any_moment_and_run_again_gives_the_same_rows(undisturbed, night, share):
    expected, seconds = undisturbed
    process = start_backfill(night)
    time.sleep(seconds * share)
    process.kill()
    process.wait(timeout=120)
    run = run_once_alone(night, command="backfill", start=date(2024, 1, 8), end=LAST_PRICE)
    assert run.status == "succeeded", run.problems
    assert results(night) == expected


def run_once_alone(night, **request) -> RunRecord:
    """Run as soon as the server has noticed, within seconds, that the client it served is gone."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return night.run(now=TONIGHT.replace(day=16), **request)
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.5)


@pytest.mark.slow
def test_a_night_that_was_killed_is_found_by_the_next_one(night):
    with night.database.connect() as blocking, blocking.transaction():
        blocking.execute("lock table analytics.position_values in access exclusive mode")
        process = start_and_wait_for_phase_2(night)
        process.kill()
        process.communicate(timeout=60)
        assert night.rows("select status from ops.batch_runs order by run_id desc limit 1") == [("running",)]
    run = run_once_alone(night, trade_date=LAST_PRICE)
    assert run.status == "succeeded", run.problems
    (warning,) = (problem for problem in run.warnings if "died" in problem.message)
    assert warning.scope == f"run {run.run_id - 1}"
    assert "Growth, Income: 2 sessions, 2024-02-15 to 2024-02-16" in said(run, "2")
