"""Nights on a database that is spread over servers give the rows of nights on one.

AFTERCLOSE_TEST_CITUS_URL names a database for these tests alone, with the extension citus and workers in it: our
schemas in it are dropped before and after. Without it they are skipped.

The test that kills a worker also needs AFTERCLOSE_TEST_CITUS_KILL, a shell command that kills the postmaster of one
worker with SIGKILL, and AFTERCLOSE_TEST_CITUS_START, one that starts it and ends once it answers.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from ingest.books.portfolios import load_folder
from nightly.dbt.runner import Dbt
from nightly.prepare import prepare_database
from python_models.write import prune
from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO, TONIGHT, Night
from tests.nightly.test_kill_matrix import PROCESSES, command
from tests.nightly.twins import State, difference, state, unlike
from warehouse.database import Database, check_url
from warehouse.distribution import PLACES, distribute
from warehouse.errors import UserError
from warehouse.queries import fetch_one
from warehouse.sessions import refresh_sessions

URL = os.environ.get("AFTERCLOSE_TEST_CITUS_URL", "")
KILL, START_AGAIN = (os.environ.get(f"AFTERCLOSE_TEST_CITUS_{name}", "") for name in ("KILL", "START"))
START = date(2024, 1, 12)
# What a night is doing when a worker is killed: a part of a statement of each phase.
MOMENTS = (
    "market_data",
    "position_values__result",
    "portfolio_snapshots__result",
    "positions__result",
    "portfolio_sector_exposures__result",
    "portfolio_risk_metrics",
    "pairwise_correlations",
)

# What the roll-forward of each run says of its portfolios and rows.
TOLD = (
    "select command, trade_date, phase, phases.status, counts -> 'lines', counts -> 'idle', counts -> 'rows'"
    " from ops.batch_phases as phases inner join ops.batch_runs using (run_id)"
    " where phase in ('2', '2.5', '2.75') order by run_id, phase"
)
# The models whose new rows are computed where the portfolios lie, with their schemas.
IN_SHARDS = {
    "position_values": "analytics",
    "portfolio_session_totals": "intermediate",
    "portfolio_snapshots": "analytics",
    "positions": "analytics",
    "portfolio_sector_exposures": "analytics",
}

pytestmark = pytest.mark.skipif(not URL, reason="AFTERCLOSE_TEST_CITUS_URL names no database with Citus and workers")


@pytest.fixture
def spread(night_settings, small_book, calendar_day, tmp_path) -> Iterator[Night]:
    """A cluster on which the two portfolios have been rolled to ROLLED_TO, and the results then spread."""
    database = check_url(URL, "AFTERCLOSE_TEST_CITUS_URL")
    _drop_ours(database)
    settings = night_settings.model_copy(update={"home": tmp_path})
    with database.connect() as conn:
        prepare_database(conn, TONIGHT.date())
        refresh_sessions(conn, calendar_day)
        load_folder(conn, small_book)
        night = Night(database, settings)
        night.run(trade_date=ROLLED_TO)
        distribute(conn)
    yield night
    _drop_ours(database)


def test_nights_a_backfill_and_a_withdrawal_give_the_same_rows(spread: Night, night: Night):
    for each in (night, spread):
        for record in (
            each.run(trade_date=NEXT_SESSION),
            each.run("backfill", start=START, end=NEXT_SESSION),
            each.run("analytics", start=START, end=NEXT_SESSION, force=True),
        ):
            assert not record.errors
        each.execute("update raw.portfolios set deleted_at = '2024-02-15' where name = 'Income'")
        assert not each.run(trade_date=NEXT_SESSION).errors
    assert spread.rows("select count(*) > 0 from analytics.pairwise_correlations") == [(True,)]
    assert difference(spread, state(night)) == []
    # a model that fails for all portfolios together, and not for half of them, gives the same rows in the end
    assert spread.rows(TOLD) == night.rows(TOLD)


def test_spreading_again_moves_nothing(spread: Night):
    assert not spread.run(trade_date=NEXT_SESSION).errors
    with spread.database.connect() as conn:
        again = distribute(conn)
    assert not again.moved
    assert again.already == list(PLACES)
    assert not again.to_come


def test_a_database_of_which_only_pairs_are_spread_is_carried_on(spread: Night, night: Night):
    """As a former version left it."""
    with spread.database.connect() as conn:
        for table in [table for table in PLACES if table != "analytics.pairwise_correlations"]:
            conn.execute(
                "select undistribute_table(logicalrelid) from pg_dist_partition where logicalrelid = to_regclass(%s)",
                [table],
            )
        conn.execute("delete from ops.preparations where name = 'spread'")
        done = distribute(conn)
    assert done.already == ["analytics.pairwise_correlations"]
    assert {moved.table for moved in done.moved} > {"analytics.position_values", "analytics.stress_test_results"}
    for each in (night, spread):
        assert not each.run(trade_date=NEXT_SESSION).errors
    assert difference(spread, state(night)) == []


def test_a_reader_in_the_way_of_a_move_is_named_and_the_next_call_carries_on(spread: Night):
    with spread.database.connect() as conn, spread.database.connect("a reader") as reader:
        conn.execute("select undistribute_table('analytics.positions')")
        conn.execute("delete from ops.preparations where name = 'spread'")
        with reader.transaction():
            reader.execute("select count(*) from analytics.positions")
            with pytest.raises(UserError, match=r"^moving analytics\.positions can't .*: a reader of .* in trans"):
                distribute(conn, patience_seconds=1)
            with pytest.raises(UserError, match="`db distribute` was interrupted: repeat it"):
                spread.run(trade_date=NEXT_SESSION)
        assert [moved.table for moved in distribute(conn).moved] == ["analytics.positions"]
    assert not spread.run(trade_date=NEXT_SESSION).errors


def test_the_models_of_positions_and_portfolios_are_computed_in_shards(spread: Night):
    """Each shard computes its own rows: there is one task for each, and nothing is sent from one to another."""
    assert not spread.run(trade_date=NEXT_SESSION).errors
    folder = spread.settings.home / "dbt"
    dbt = Dbt(spread.database, folder)
    dbt.tell_spread(is_spread=True)
    assert dbt.command(["--quiet", "compile", "--select", *IN_SHARDS]) == 0
    with spread.database.connect() as conn:
        (shards,) = fetch_one(
            conn.execute(
                "select count(*) from pg_dist_shard where logicalrelid = 'analytics.position_values'::regclass"
            )
        )
        for model, schema in IN_SHARDS.items():
            (compiled,) = folder.glob(f"*/target/compiled/**/{model}.sql")
            plan = _plan_of_writing(conn, f"{schema}.{model}", in_one_piece(compiled.read_text()))
            assert f"Task Count: {shards}\n" in plan, (model, plan)
            assert "Insert on explained" in plan, (model, plan)
            for elsewhere in ("Subplan", "MapMerge", "INSERT/SELECT method"):
                assert elsewhere not in plan, (model, plan)


def test_readers_see_that_results_have_changed(spread: Night):
    def version() -> str:
        return spread.rows("select version from analytics.data_version")[0][0]

    before = version()
    assert not spread.run("analytics", start=ROLLED_TO, end=ROLLED_TO, force=True).errors
    after = version()
    assert after != before
    with spread.database.connect() as conn:
        assert prune(conn, "pairwise_correlations", NEXT_SESSION) > 0
    assert version() != after


@pytest.mark.slow
@pytest.mark.skipif(not (KILL and START_AGAIN), reason="no command is given that kills a worker, and starts it again")
def test_a_worker_that_is_killed_leaves_no_half_session_and_one_run_heals(spread: Night, night: Night, tmp_path):
    """Each time a quantity has changed, so that every phase has something to do for each session since it is held."""
    for each in (night, spread):
        assert not each.run(trade_date=NEXT_SESSION).errors
    before = state(night)
    hit = []
    for number, moment in enumerate(MOMENTS):
        for each in (night, spread):
            each.execute(f"update raw.positions set quantity = {101 + number} where symbol = 'AAA'")
        assert not night.run(trade_date=NEXT_SESSION).errors
        after = state(night)

        output = tmp_path / "killed.log"
        arguments = ["run", "--date", str(NEXT_SESSION), "--quiet"]
        process = PROCESSES.Process(target=command, args=(arguments, spread.environment(), output))
        process.start()
        if _wait_for(spread.database, moment, process.is_alive):
            hit.append(moment)
            subprocess.run(KILL, shell=True, check=True)  # noqa: S602
        process.join()
        subprocess.run(START_AGAIN, shell=True, check=True)  # noqa: S602
        told = output.read_text()
        assert process.exitcode in {0, 1}, told
        assert "Traceback" not in told
        assert process.exitcode == 0 or "to repeat what failed" in told

        halves = _neither(_by_session(state(spread)), _by_session(before), _by_session(after))
        assert halves == [], (moment, halves)
        healed = spread.run(trade_date=NEXT_SESSION)
        assert not healed.errors, (moment, healed.problems)
        assert difference(spread, after) == [], moment
        before = after
    assert len(hit) >= len(MOMENTS) - 1, hit


def _wait_for(database: Database, moment: str, is_alive: Callable[[], bool]) -> bool:
    """Whether a statement with these words began while the process lived."""
    with psycopg.connect(database.url, autocommit=True) as conn:
        while is_alive():
            if conn.execute(
                "select 1 from pg_stat_activity"
                " where state <> 'idle' and pid <> pg_backend_pid() and position(%s in query) > 0",
                [moment],
            ).rowcount:
                return True
            time.sleep(0.01)
    return False


def _by_session(rows: State) -> dict[tuple[str, Any], list[tuple[Any, ...]]]:
    """The rows of `analytics` by table and the first date that each row has."""
    sessions: dict[tuple[str, Any], list[tuple[Any, ...]]] = {}
    for table, content in rows.items():
        if table.startswith("analytics."):
            for row in content:
                day = next((value for value in row if isinstance(value, date)), None)
                sessions.setdefault((table, day), []).append(row)
    return sessions


def _neither(found: dict[Any, Any], *allowed: dict[Any, Any]) -> list[Any]:
    """The sessions of tables that are as none of the allowed ones have them."""
    differing = [set(unlike(found, each)) for each in allowed]
    return sorted(set.intersection(*differing), key=str)


def _plan_of_writing(conn: psycopg.Connection[Any], table: str, query: str) -> str:
    """How the rows of a query come into a table with the shards of this one."""
    with conn.transaction(force_rollback=True):
        conn.execute(f"create table analytics.explained (like {table})".encode())
        conn.execute(
            "select create_distributed_table('analytics.explained', 'portfolio_id', colocate_with => %s)", [table]
        )
        rows = conn.execute(f"explain (costs off) insert into analytics.explained {query}".encode())
        return "\n".join(line for (line,) in rows)


def in_one_piece(query: str) -> str:
    """As the macro that computes a model in shards writes it (dbt_project/macros/spread.sql)."""
    return re.sub(r" as \(\s*\n", " as not materialized (\n", query)


def _drop_ours(database: Database) -> None:
    with database.connect() as conn:
        ours = conn.execute(
            "select nspname from pg_namespace"
            " where nspname in ('raw', 'ops', 'staging', 'intermediate', 'analytics', 'failed_checks')"
        ).fetchall()
        for (schema,) in ours:
            conn.execute(f"drop schema {schema} cascade")
