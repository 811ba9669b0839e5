"""dbt in this process, on a project of four models, one of which fails when it is told to."""

import os
from pathlib import Path

import pytest

from nightly.dbt.runner import Dbt, DbtError
from tests.nightly.tiny_project import write_project
from warehouse.database import Database, create_if_missing, libpq_url

MODELS = {
    "numbers": "{{ config(materialized='ephemeral') }} select {{ var('divisor', 1) }} as divisor",
    "first": "{{ config(tags=['one']) }} select divisor, '{{ var('day', 'never') }}' as day from {{ ref('numbers') }}",
    "second": "{{ config(tags=['two']) }} select 1 / divisor as quotient from {{ ref('first') }}",
    "third": "{{ config(tags=['two']) }} select * from {{ ref('second') }}",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"models/{name}.sql": sql for name, sql in MODELS.items()}
    return write_project(tmp_path_factory.mktemp("tiny"), files)


@pytest.fixture(scope="module")
def tiny_database(server: dict[str, str]) -> Database:
    create_if_missing(server, "tiny")
    database = Database(libpq_url({**server, "dbname": "tiny"}), embedded=True)
    with database.connect() as conn:
        conn.execute("create schema if not exists analytics")
    return database


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def dbt(project: Path, tiny_database: Database, workspace: Path) -> Dbt:
    return Dbt(tiny_database, workspace, project)


def statuses(results) -> dict[str, str]:
    return {result.name: result.status for result in results}


def test_a_run_answers_for_every_model_and_honours_its_variables(dbt: Dbt, tiny_database: Database):
    environment, told = dict(os.environ), []
    for day in ("2024-02-15", "2024-02-16"):  # twice: dbt must not see the first run's ephemeral model as done
        invocation = dbt.run(["tag:one", "tag:two"], {"day": day}, lambda *step: told.append(step))
        assert statuses(invocation.results) == {"first": "success", "second": "success", "third": "success"}
        with tiny_database.connect() as conn:
            assert conn.execute("select day from analytics.first").fetchone() == (day,)
    assert told == [(1, 3), (2, 3), (3, 3)] * 2
    assert dict(os.environ) == environment


def test_a_failure_and_what_was_skipped_for_it_are_told_apart(dbt: Dbt, capfd: pytest.CaptureFixture[str]):
    results = dbt.run(["tag:one", "tag:two"], {"divisor": 0}).results
    assert statuses(results) == {"first": "success", "second": "error", "third": "skipped"}
    (failed,) = (result for result in results if result.status == "error")
    assert "division by zero" in failed.message
    assert "\n" not in failed.message
    assert capfd.readouterr().out == ""


def test_what_dbt_did_not_run_is_absent_although_it_reports_success(dbt: Dbt, project: Path):
    # The parsed project knows a model that dbt's own selection leaves out.
    results = dbt._results("run", dbt.nodes("model"), ["--select", "tag:one"]).results
    assert statuses(results) == {"first": "success", "second": "absent", "third": "absent"}
    assert [result.well for result in results] == [True, False, False]
    assert dbt.run(["tag:nobody"]).results == []


def test_a_project_that_does_not_parse_says_so_in_one_line(tiny_database: Database, tmp_path: Path):
    broken = write_project(tmp_path / "broken", {"models/lost.sql": "select * from {{ ref('nowhere') }}"})
    with pytest.raises(DbtError, match=r"depends on a node named 'nowhere'") as failure:
        Dbt(tiny_database, tmp_path, broken).run(["lost"])
    assert "\n" not in str(failure.value)


def test_the_parse_cache_outlives_the_address_of_a_server_that_went_away(dbt, project, tiny_database, workspace):
    dbt.nodes("model")
    cache = workspace / "tiny" / "partial_parse.msgpack"
    parsed = cache.stat().st_mtime_ns
    away = Dbt(Database(tiny_database.url.replace("port=5432", "port=5433"), embedded=True), workspace, project)
    assert {node.name for node in away.nodes("model", "one")} == {"first"}
    assert cache.stat().st_mtime_ns == parsed, "dbt parsed in full and wrote its cache again"
    with pytest.raises(DbtError, match="5433"):
        away.run(["tag:one"])


def test_any_command_goes_through_with_dbts_own_output_and_status(dbt: Dbt, tiny_database, capfd):
    assert dbt.command(["run", "--select", "first", "second"]) == 0
    assert "OK created sql table model analytics.second" in capfd.readouterr().out
    with tiny_database.connect() as conn:
        conn.execute("update analytics.first set divisor = 0")
    assert dbt.command(["run", "--select", "second"]) == 1
    assert "division by zero" in capfd.readouterr().out
    assert dbt.command(["run", "--nope"]) == 2
