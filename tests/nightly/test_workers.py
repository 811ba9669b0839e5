"""Worker processes that die, that outlive their run, or that may not write: no result is lost, and none is written."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from datetime import date
from pathlib import Path

import psutil
import pytest

from nightly.record import RunRecord
from nightly.run_connection import hold_run_lock
from python_models.read import Size
from python_models.run import Resources, compute_risk
from python_models.workers import cut, local_workers
from tests.nightly.small_nights import ROLLED_TO, Night
from tests.nightly.twins import difference, state
from warehouse.settings import PROJECT_ROOT

START = date(2024, 1, 2)

# Begins two workers that hold the writers' lock, tells who they are, and waits.
PARENT = """
import os, sys, time
from python_models.workers import local_workers
from tests.nightly.test_workers import hold_a_connection
from warehouse.database import Database

if __name__ == "__main__":
    with local_workers(2, Database(sys.argv[1], embedded=False, run_token=int(sys.argv[2]))) as crew:
        futures = [crew.executor.submit(hold_a_connection, crew.database) for _ in range(2)]
        time.sleep(600)
"""


def hold_a_connection(database):
    with database.connect("afterclose worker"):
        print(os.getpid(), flush=True)
        time.sleep(600)


@pytest.fixture(autouse=True)
def everything_is_worth_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("python_models.run._WORTH_SENDING", 0)


def test_a_night_with_workers_gives_the_rows_of_one_without(night: Night):
    night.run("analytics", start=START, end=ROLLED_TO, force=True)
    before = state(night)
    with_workers = Night(night.database, night.settings.model_copy(update={"workers": 2}))
    record = with_workers.run("analytics", start=START, end=ROLLED_TO, force=True)
    assert not record.errors and not told_of_workers(record)
    assert [phase.counts["lost_by_workers"] for phase in record.phases] == [0]
    assert difference(night, before) == []


def test_what_a_killed_worker_had_is_done_by_the_run(night: Night):
    night.run("analytics", start=START, end=ROLLED_TO, force=True)
    before = state(night)
    killed: list[int] = []
    over = threading.Event()

    def kill_workers() -> None:
        me = psutil.Process()
        while not over.wait(0.05):
            for child in me.children():
                if child.pid not in killed and "spawn_main" in " ".join(child.cmdline()):
                    killed.append(child.pid)
                    child.kill()

    killer = threading.Thread(target=kill_workers)
    killer.start()
    try:
        with_workers = Night(night.database, night.settings.model_copy(update={"workers": 2}))
        record = with_workers.run("analytics", start=START, end=ROLLED_TO, force=True)
    finally:
        over.set()
        killer.join()
    assert killed and not record.errors
    (told,) = told_of_workers(record)
    assert "lost by workers, and done again by the run itself" in told
    assert difference(night, before) == []


@pytest.mark.parametrize("start", [START, ROLLED_TO], ids=["sessions", "portfolios of one session"])
def test_a_crew_that_takes_nothing_more_costs_no_result(night: Night, start: date):
    night.run("analytics", start=start, end=ROLLED_TO, force=True)
    before = state(night)
    with local_workers(2, night.database) as crew, night.database.connect() as conn:
        assert isinstance(crew.executor.submit(os._exit, 1).exception(), BrokenExecutor)
        report = compute_risk(conn, start, ROLLED_TO, force=True, resources=Resources(crew=crew))
    assert report.lost_by_workers and all("BrokenProcessPool" in reason for reason in report.lost_by_workers)
    assert difference(night, before) == []


def test_workers_of_a_run_that_is_over_write_nothing(night: Night):
    night.run("analytics", start=START, end=ROLLED_TO, force=True)
    before = state(night)
    with hold_run_lock(night.database, "a run") as lock:
        database = lock.let_writers_in()
    with local_workers(2, database) as crew, night.database.connect() as conn:
        report = compute_risk(conn, START, ROLLED_TO, force=True, resources=Resources(crew=crew))
    assert set(report.lost_by_workers) == {"TakenOver: the run that this work is for has ended"}
    assert difference(night, before) == []


def test_workers_end_with_their_parent_and_give_its_lock_back(night: Night, tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with hold_run_lock(night.database, "a run") as lock:
        token = lock.let_writers_in().run_token
        parent = subprocess.Popen(
            [sys.executable, str(script), night.database.url, str(token)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        )
        assert parent.stdout
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        parent.kill()
        parent.wait()
        gone, alive = psutil.wait_procs(workers, timeout=60)
        parent.stdout.close()
    assert len(gone) == 2 and not alive
    # whoever comes next gets the lock that they shared
    with hold_run_lock(night.database, "the next run") as lock:
        assert lock.let_writers_in().run_token != token


def told_of_workers(record: RunRecord) -> list[str]:
    return [problem.message for problem in record.warnings if problem.scope == "workers"]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_sessions_are_cut_in_order_and_evenly(parts: int):
    sizes = {date.fromordinal(738_000 + day): Size(3, 90 + day % 5) for day in range(20)}
    cuts = cut(sizes, parts)
    assert {day: size for part in cuts for day, size in part.items()} == sizes
    assert [day for part in cuts for day in part] == list(sizes)
    assert len(cuts) == parts
    assert max(map(len, cuts)) - min(map(len, cuts)) <= 1
