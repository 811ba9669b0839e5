"""Views over a relation that dbt rebuilds stay, and show the new one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from nightly.dbt.runner import PROJECT, Dbt
from tests.nightly.tiny_project import write_project
from warehouse.database import Database

MACROS = ("keep_views.sql", "spread.sql", "take_exclusively.sql")
HOOK = "post_hook=['{{ keep_views() }}', {'sql': '{{ recall_views() }}', 'transaction': false}]"


@pytest.mark.slow
def test_views_outlive_a_rebuild_of_what_they_show(conn: psycopg.Connection, database: Database, tmp_path: Path, capfd):
    project = write_project(
        tmp_path / "project",
        {
            **{f"macros/{name}": (PROJECT / "macros" / name).read_text() for name in MACROS},
            "models/history.sql": "{{ config(materialized='incremental', " + HOOK + ") }} select 1 as number",
            "models/upper.sql": "{{ config(materialized='view', "
            + HOOK
            + ") }} select number from {{ ref('history') }}",
        },
    )
    dbt = Dbt(database, tmp_path / "workspace", project)
    dbt.run(["history", "upper"])
    conn.execute("create view public.outside as select upper.number from analytics.upper")
    conn.execute("create view public.direct as select h.number from analytics.history as h where h.number > 0")
    (project / "models" / "history.sql").write_text(
        "{{ config(materialized='incremental', " + HOOK + ") }} select 2 as number"
    )
    assert dbt.command(["run", "--full-refresh", "--select", "history"]) == 0
    for view in ("analytics.upper", "public.outside", "public.direct"):
        assert conn.execute(f"select number from {view}").fetchall() == [(2,)]
    assert dbt.command(["run", "--select", "upper"]) == 0
    assert dbt.command(["run", "--full-refresh"]) == 0
    assert conn.execute("select number from public.outside").fetchall() == [(2,)]


@pytest.fixture
def stacked(database: Database, tmp_path: Path) -> Dbt:
    """Two tables with two views over both, built; the views name the tables in opposite order."""
    both = "select first.number from {{ ref('%s') }} as first inner join {{ ref('%s') }} as second using (number)"
    project = write_project(
        tmp_path / "project",
        {
            **{f"macros/{name}": (PROJECT / "macros" / name).read_text() for name in MACROS},
            **{f"models/{name}.sql": "{{ config(" + HOOK + ") }} select 1 as number" for name in ("one", "two")},
            "models/upper.sql": "{{ config(materialized='view', " + HOOK + ") }}" + both % ("one", "two"),
            "models/lower.sql": "{{ config(materialized='view', " + HOOK + ") }}" + both % ("two", "one"),
        },
    )
    dbt = Dbt(database, tmp_path / "workspace", project)
    assert all(result.well for result in dbt.run(["one", "two", "upper", "lower"]).results)
    return dbt


def test_readers_of_views_live_through_rebuilds(stacked: Dbt, database: Database):
    over, told = threading.Event(), []

    def read(query: str) -> None:
        with database.connect() as reader:
            while not over.is_set():
                try:
                    with reader.transaction():
                        reader.execute(query)
                except psycopg.Error as error:
                    told.append(error)

    queries = ["select * from analytics.upper", "select * from analytics.lower"]
    queries.append("select * from analytics.lower inner join analytics.upper using (number)")
    queries.append("select * from analytics.upper inner join analytics.lower using (number)")
    with ThreadPoolExecutor(len(queries)) as pool:
        for query in queries:
            pool.submit(read, query)
        try:
            for _ in range(3):
                assert [result.status for result in stacked.run(["one", "two", "upper", "lower"]).results] == [
                    "success"
                ] * 4
        finally:
            over.set()
    assert told == []


def test_an_open_reader_is_named_and_holds_up_no_other(stacked: Dbt, database: Database):
    with database.connect(application_name="a notebook") as reader, reader.transaction():
        reader.execute("select * from analytics.upper")
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(stacked.run, ["one"], {"lock_patience_seconds": 3})
            waits = []
            with database.connect() as other:
                other.execute("set statement_timeout = '2s'")
                while not run.done():
                    began = time.monotonic()
                    other.execute("select * from analytics.upper").fetchall()
                    waits.append(time.monotonic() - began)
            (result,) = run.result().results
    assert result.status == "error"
    assert "one can't be replaced while it is read by a notebook of" in result.message
    assert "end that session, then run again" in result.message
    assert len(waits) > 3
    assert [result.status for result in stacked.run(["one"]).results] == ["success"]
