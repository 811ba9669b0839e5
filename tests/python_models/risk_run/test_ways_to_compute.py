"""The same rows, however sessions and portfolios are cut, and whoever computes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
import pytest
from distributed import LocalCluster

from nightly.run_connection import hold_run_lock
from python_models import inputs
from python_models.run import Resources, compute_risk
from python_models.workers import Crew, dask_workers, local_workers
from python_models.write import withdraw
from tests.python_models.risk_book import (
    CRASH,
    END,
)
from tests.python_models.risk_run.rolled import TABLES, Rolled, content, taken_back, versions
from warehouse.database import Database


def test_a_day_has_the_same_rows_that_night_and_with_years_of_later_prices(
    conn: psycopg.Connection[Any], rolled: Rolled
):
    assert content(conn, CRASH) == rolled.rows_that_night
    assert all(rolled.rows_that_night.values())
    report = compute_risk(conn, CRASH, CRASH)
    assert report.counts()["sessions_computed"] == 0  # nothing that it depends on has changed
    with taken_back(conn):
        written = compute_risk(conn, CRASH, CRASH, force=True).counts()["rows"]
        assert sum(written.values()) > 2000
        assert content(conn, CRASH) == rolled.rows_that_night


def test_many_days_in_one_pass_give_the_rows_of_each_day_alone(conn: psycopg.Connection[Any], rolled: Rolled):
    before = content(conn, END)
    with taken_back(conn):
        report = compute_risk(conn, date(2023, 12, 20), END, force=True)
        assert report.counts()["sessions_computed"] == 7
        assert content(conn, END) == before


def test_however_the_sessions_are_cut_into_blocks_the_rows_are_the_same(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    before = content(conn, END)
    monkeypatch.setattr("python_models.inputs._SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr("python_models.units._ROWS_A_MEGABYTE", 0.5)
    told = []
    with taken_back(conn):
        report = compute_risk(
            conn, date(2023, 12, 27), END, force=True, progress=lambda done, total: told.append((done, total))
        )
        assert content(conn, END) == before
        of_one_day = sum(map(len, before.values()))
        written = report.counts()["rows"]
        assert 2.9 < sum(written[table] for table in TABLES) / of_one_day < 3.1
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_with_little_memory_a_session_is_computed_portfolio_by_portfolio(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    before, read = content(conn, END), []
    real = inputs.read_portfolio_blocks

    def counted(*arguments: Any) -> Iterator[Any]:
        for block in real(*arguments):
            read.append(block.portfolios)
            yield block

    monkeypatch.setattr(inputs, "read_portfolio_blocks", counted)
    told = []
    with taken_back(conn):
        report = compute_risk(
            conn,
            date(2023, 12, 28),
            END,
            force=True,
            resources=Resources(memory_mb=0.01),
            progress=lambda done, total: told.append((done, total)),
        )
        assert content(conn, END) == before
    assert [len(portfolios) for portfolios in read] == [2] * 4
    assert told == [(1, 2), (2, 2)]
    assert report.counts()["portfolio_results"] == 8


@pytest.mark.parametrize("kind", ["processes", "dask"])
@pytest.mark.parametrize("start", [date(2023, 12, 27), END], ids=["sessions", "portfolios of one session"])
def test_workers_write_the_same_rows(
    conn: psycopg.Connection[Any], rolled: Rolled, monkeypatch: pytest.MonkeyPatch, kind: str, start: date
):
    monkeypatch.setattr("python_models.run._WORTH_SENDING", 0)
    compute_risk(conn, start, END)
    before = {day: content(conn, day) for day in (start, END)}
    written_by = {table: versions(conn, table, f"calculation_date = '{END}'") for table in TABLES}
    with hold_run_lock(rolled.database, "a test") as lock:
        database = lock.let_writers_in()
        with workers(kind, database) as crew:
            report = compute_risk(conn, start, END, force=True, resources=Resources(crew=crew))
    assert report.lost_by_workers == []
    assert report.counts()["portfolio_results"] == 4 * report.counts()["sessions_computed"]
    assert {day: content(conn, day) for day in (start, END)} == before
    written = {table: versions(conn, table, f"calculation_date = '{END}'") for table in TABLES}
    assert not any(written[table] & written_by[table] for table in TABLES)
    added = conn.execute(
        "select calculation_date, portfolio_id from ops.risk_state"
        " where calculation_date >= %s and calculation_date < %s",
        [start, END],
    )
    withdraw(conn, added.fetchall())
    if start == END:  # each worker wrote its portfolios, and none of the symbols
        assert len(written["portfolio_risk_metrics"]) == 2
        assert not written["portfolio_risk_metrics"] & written["symbol_volatility"]


@contextmanager
def workers(kind: str, database: Database) -> Iterator[Crew]:
    """Two workers of a kind."""
    if kind == "processes":
        with local_workers(2, database) as crew:
            yield crew
    else:
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=40) as cluster,
            dask_workers(cluster.scheduler_address, database) as crew,
        ):
            yield crew


def test_statements_do_not_grow_with_sessions(rolled: Rolled):
    counts = []
    for start in (END, date(2023, 12, 20)):
        with rolled.database.connect() as conn, taken_back(conn):
            conn.cursor_factory = CountingCursor
            CountingCursor.statements = 0
            compute_risk(conn, start, END, force=True)
            counts.append(CountingCursor.statements)
    assert counts[0] == counts[1] > 0


class CountingCursor(psycopg.Cursor[Any]):
    """Counts what is asked of the database."""

    statements = 0

    def execute(self, *arguments: Any, **options: Any) -> "CountingCursor":
        CountingCursor.statements += 1
        return super().execute(*arguments, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        CountingCursor.statements += 1
        return super().copy(*arguments, **options)
