"""What may happen to a night, and that one ordinary run after it leaves what an undisturbed one would have left.

Every row of `raw` and `analytics` is compared, but for when it came.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from ingest.books.portfolios import load_folder
from nightly import cli
from nightly.context import new_york_date
from nightly.invocation import as_typed
from nightly.prepare import prepare_database
from tests.nightly.small_nights import NAME, NEXT_SESSION, ROLLED_TO, TONIGHT, Night, copy_of
from tests.nightly.twins import State, difference, state, tonight
from warehouse.database import Database, create_if_missing, libpq_url, open_database
from warehouse.errors import BadInput, Busy
from warehouse.server import EmbeddedServer
from warehouse.settings import PROJECT_ROOT, load_settings


def portfolios_at(night: Night) -> set[str]:
    """The names of the portfolios that have a snapshot of the session."""
    found = night.rows(
        "select name from analytics.portfolio_snapshots inner join raw.portfolios using (portfolio_id)"
        " where snapshot_date = %s",
        NEXT_SESSION,
    )
    return {name for (name,) in found}


@pytest.fixture(scope="module")
def undisturbed(server, first_night, night_settings) -> State:
    """What there is after a night that nobody disturbed."""
    with copy_of(server, first_night[0], night_settings) as night:
        assert tonight(night).status == "succeeded"
        return state(night)


class Process:
    """A night in a process of its own, whose log is read as it comes."""

    def __init__(self, night: Night, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "run_nightly.py", "run", "--date", str(NEXT_SESSION)],
            cwd=PROJECT_ROOT,
            env={**os.environ, **night.environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=lambda: self.log.extend(self._process.stderr), daemon=True)
        self._reader.start()

    def wait_for_phase(self, number: str) -> None:
        """Until that phase begins."""
        deadline = time.monotonic() + 120
        while not any('event="phase started"' in line and f"phase={number} " in line for line in self.log):
            assert self._process.poll() is None, "".join(self.log)
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @property
    def is_alive(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Let it sleep, as a machine that is suspended."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Wake it."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self.end()

    def end(self) -> tuple[int, str]:
        """Wait for its end; returns the exit status and what it printed."""
        out = self._process.stdout.read()
        status = self._process.wait(timeout=180)
        self._reader.join()
        return status, out


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["1", "2", "3"])
@pytest.mark.parametrize("later", [0.0, 0.3, 1.0])
def test_killed_in_a_phase(night, undisturbed, phase, later):
    process = Process(night)
    process.wait_for_phase(phase)
    time.sleep(later)
    process.kill()
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["1", "2", "3"])
@pytest.mark.parametrize("later", [0.0, 0.5])
def test_every_connection_cut_in_a_phase(night, undisturbed, phase, later):
    """As by a server that restarts: it ends all sessions, that of the ledger too, and is there again."""
    process = Process(night)
    process.wait_for_phase(phase)
    time.sleep(later)
    night.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    status, out = process.end()
    assert status in (0, 1), "".join(process.log)
    (recorded,) = night.rows("select status from ops.batch_runs order by run_id desc limit 1")
    assert recorded == ("succeeded" if status == 0 else "failed",)
    if status == 1:
        assert f"to repeat what failed:\n  {as_typed()}" in out
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


@pytest.fixture
def own_server(short_folder, careless, small_book, night_settings) -> Iterator[Night]:
    """The rolled database on a server that may crash without harm to other tests."""
    # What it reports as committed has to be there after the crash, as on any real server.
    durable = {**careless, "synchronous_commit": "on"}
    server = EmbeddedServer(short_folder / "restarted", night_settings.postgres_version, durable)
    with server.running() as parameters:
        create_if_missing(parameters, NAME)
        night = Night(Database(libpq_url({**parameters, "dbname": NAME}), embedded=True), night_settings)
        with night.database.connect() as conn:
            prepare_database(conn, new_york_date(TONIGHT))
            load_folder(conn, small_book)
        assert night.run(trade_date=ROLLED_TO).status == "succeeded"
        yield night


@pytest.mark.slow
def test_the_server_restarted_in_each_phase(own_server, undisturbed):
    """A backend that is killed makes PostgreSQL end all sessions, recover and start again."""
    process = Process(own_server)
    for phase in ("1", "2", "3"):
        process.wait_for_phase(phase)
        with own_server.database.connect() as conn:
            os.kill(conn.info.backend_pid, signal.SIGKILL)
    status, _ = process.end()
    assert status in (0, 1), "".join(process.log)
    (recorded,) = own_server.rows("select status from ops.batch_runs order by run_id desc limit 1")
    assert recorded == ("succeeded" if status == 0 else "failed",)
    assert tonight(own_server).status == "succeeded"
    assert difference(own_server, undisturbed) == []


@pytest.mark.slow
def test_a_second_run_at_random_moments(night, undisturbed):
    process = Process(night)
    process.wait_for_phase("1")
    refused = 0
    moments = random.Random(7)  # noqa: S311
    while process.is_alive:
        time.sleep(moments.uniform(0.1, 1.0))
        try:
            night.run()
        except Busy as error:
            refused += 1
            assert f"run --date {NEXT_SESSION}" in str(error)
    assert refused
    assert process.end()[0] == 0
    assert difference(night, undisturbed) == []


@pytest.mark.slow
def test_a_lost_lock_lets_no_second_run_in_and_the_first_takes_it_back(night, undisturbed):
    """The ledger's connection is ended, as a proxy ends an idle one, while dbt waits in another."""
    with night.database.connect() as blocking:
        with blocking.transaction():
            blocking.execute("lock table analytics.portfolio_snapshots in access exclusive mode")
            process = Process(night)
            process.wait_for_phase("2")
            waiting = "not granted and relation = 'analytics.portfolio_snapshots'::regclass"
            while night.rows(f"select count(*) from pg_locks where {waiting}") == [(0,)]:
                assert process.is_alive, "".join(process.log)
                time.sleep(0.1)
            holds = "application_name like 'run --date%%' and datname = current_database()"
            assert night.rows(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {holds}") == [
                (True,)
            ]
            with pytest.raises(
                Busy, match=r"another run holds the lock|an earlier run has lost its lock and still writes"
            ):
                night.run()
        assert process.end()[0] == 0, "".join(process.log)
    assert night.rows("select command, status from ops.batch_runs order by run_id desc limit 1") == [
        ("run", "succeeded")
    ]
    assert difference(night, undisturbed) == []


@pytest.mark.slow
def test_a_run_that_another_has_taken_over_from_writes_no_more(night, undisturbed):
    """Its connections are all lost between two phases, and it sleeps until the other has ended."""
    process = Process(night)
    process.wait_for_phase("1")
    process.stop()
    night.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert tonight(night).status == "succeeded"
    process.go_on()
    status, out = process.end()
    assert status == 1, "".join(process.log)
    assert "another has taken over" in out
    assert difference(night, undisturbed) == []


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["1", "2", "3"])
def test_the_postmaster_killed_in_a_phase(
    night, undisturbed, phase, short_folder, small_book, small_market, monkeypatch
):
    """The run that owns the embedded server starts it again where it was, goes on, and tells what failed."""
    home = short_folder / f"killed-in-{phase}"
    environment = {
        "DATABASE_URL": "",
        "AFTERCLOSE_HOME": str(home),
        "AFTERCLOSE_PROVIDERS": f"files:{small_market}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["db", "start"]) == 0
    try:
        assert cli.main(["load", str(small_book)]) == 0
        assert cli.main(["run", "--date", str(ROLLED_TO)]) == 0
        assert cli.main(["db", "stop"]) == 0
        process = Process(night, **environment)
        process.wait_for_phase(phase)
        os.kill(int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        status, out = process.end()
        assert status in (0, 1), "".join(process.log)
        assert f"run 2 · trade date {NEXT_SESSION}" in out
        assert cli.main(["run", "--date", str(NEXT_SESSION)]) == 0
        with open_database(load_settings()) as database:
            ours = Night(database, night.settings)
            assert ours.rows("select distinct status from ops.batch_runs where run_id <> 2") == [("succeeded",)]
            assert ours.rows("select status from ops.batch_runs where run_id = 2") == [
                ("succeeded" if status == 0 else "failed",)
            ]
            assert difference(ours, undisturbed) == []
    finally:
        cli.main(["db", "stop"])


def test_a_database_that_is_set_to_anything_gives_the_same_night(night, undisturbed):
    settings = {
        "datestyle": "German",
        "default_transaction_read_only": "on",
        "array_nulls": "off",
        "extra_float_digits": "-3",
        "statement_timeout": "1min",
        "idle_session_timeout": "100ms",
        "timezone": "Asia/Tokyo",
    }
    with night.database.connect() as conn:
        for name, value in settings.items():
            conn.execute(f"alter database {NAME} set {name} = '{value}'")
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


@pytest.mark.slow
@pytest.mark.parametrize("sources", ["files", "yahoo,fmp"])
def test_every_source_down(night, undisturbed, sources, monkeypatch):
    """The night goes on at the prices there are, says so, and the next one makes up for it."""
    nowhere = night.settings.home / "empty"
    nowhere.mkdir(exist_ok=True)
    (nowhere / "prices.csv").write_text("symbol,date,close\n")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    chain = f"files:{nowhere}" if sources == "files" else sources
    update = {"providers": chain, "fmp_api_key": SecretStr("a-key-of-fmp"), "yahoo_per_minute": 6000}
    run = Night(night.database, night.settings.model_copy(update=update)).run()
    assert {phase.phase: phase.status for phase in run.phases if phase.status != "succeeded"} == {}
    (coverage,) = run.errors
    assert coverage.scope == "coverage"
    assert not any("a-key-of-fmp" in problem.message for problem in run.problems)
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


@pytest.mark.slow
def test_a_full_failure_of_dbt(night, undisturbed):
    night.execute("alter aggregate intermediate.product_of_ratios(numeric) rename to lost")
    night.execute("drop table if exists intermediate.split_growth cascade")
    run = night.run()
    assert {phase.phase for phase in run.phases if phase.status == "failed"} >= {"2"}
    assert next(phase for phase in run.phases if phase.phase == "3").status == "succeeded"
    night.execute("alter aggregate intermediate.lost(numeric) rename to product_of_ratios")
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


@pytest.mark.slow
def test_a_poisoned_symbol(night, undisturbed):
    """A price that no money column can hold: who holds it is set aside, and nobody else."""
    night.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source)"
        f" values ('AAA', '{NEXT_SESSION}', 1e17, 'poison')"
    )
    settings = night.settings.model_copy(update={"providers": f"files:{night.settings.home}"})
    run = Night(night.database, settings).run(from_phase="2")
    assert [problem.scope for problem in run.errors if problem.phase == "2"] == ["portfolio Growth"]
    assert portfolios_at(night) == {"Income"}
    night.execute("delete from raw.market_data_cache where source = 'poison'")
    assert tonight(night).status == "succeeded"
    assert difference(night, undisturbed) == []


def test_a_file_of_a_hundred_thousand_rows_with_a_thousand_bad_ones(night, tmp_path, undisturbed):
    """All of the bad ones are named, and nothing of it is loaded."""
    (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date\nGrowth,100000,2024-01-02\n")
    rows = ["portfolio,date,type,amount"]
    for number in range(100_000):
        rows.append(f"Growth,2024-01-{3 + number % 20:02},CONTRIBUTION,{'one' if number % 100 == 7 else number + 1}")
    (tmp_path / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nGrowth,AAA,100,120,2024-01-02\n"
    )
    (tmp_path / "capital_flows.csv").write_text("\n".join(rows))
    before = state(night)
    with night.database.connect() as conn, pytest.raises(BadInput) as refused:
        load_folder(conn, tmp_path)
    *problems, verdict = refused.value.problems
    assert len(problems) == 1000
    assert problems[0] == "capital_flows.csv:9: amount: 'one' is not a number: write it like 1234.50"
    assert verdict == "nothing was loaded: 1000 problems in capital_flows.csv"
    assert difference(night, before) == []


HOSTILE = (
    "Robert'); drop table raw.portfolios;--",
    '=cmd|"/C calc"!A0',
    "a,b\"c'd",
    "<script>alert(1)</script>",
    "名前 😀",
)


@pytest.mark.slow
def test_hostile_names_live_through_a_night(night, tmp_path):
    quoted = ['"' + name.replace('"', '""') + '"' for name in HOSTILE]
    (tmp_path / "portfolios.csv").write_text(
        "name,starting_equity,inception_date\n" + "".join(f"{name},1000,2024-02-14\n" for name in quoted)
    )
    (tmp_path / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class\n"
        + "".join(f"{name},{name},1,5,2024-02-14,PRIVATE\n" for name in quoted)
    )
    with night.database.connect() as conn:
        load_folder(conn, tmp_path)
    run = tonight(night)
    assert run.status == "succeeded", run.problems
    assert portfolios_at(night) == {*HOSTILE, "Growth", "Income"}
    again = night.run(portfolios=(HOSTILE[0],))
    assert again.status == "succeeded"


@pytest.fixture
def in_time_zone(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Sets the zone of this process, and puts it back."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.slow
def test_a_clock_in_another_time_zone(night, undisturbed, in_time_zone):
    """In Tokyo it is the next morning already."""
    in_time_zone("Asia/Tokyo")
    run = night.run(now=TONIGHT)
    assert (run.status, run.trade_date) == ("succeeded", NEXT_SESSION)
    assert difference(night, undisturbed) == []


def test_an_unknown_date_does_nothing(night, capsys, monkeypatch):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    before = state(night)
    assert cli.main(["run", "--date", "2024-02-17"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: 2024-02-17 is no NYSE session")
    assert cli.main(["run", "--date", "2024-02-31"]) == 2
    assert difference(night, before) == []
