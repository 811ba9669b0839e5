"""Seeds and views are made again when their files have changed or they are not there, and only then."""

from datetime import date
from pathlib import Path

import psycopg
import pytest

from nightly.dbt.runner import Dbt
from nightly.prepare import (
    prepare_database,
    prepare_seeds,
    project_version,
    remember_built,
    tables_fit,
    views_to_build,
)
from tests.nightly.tiny_project import write_project
from warehouse.database import Database
from warehouse.errors import UserError
from warehouse.settings import PROJECT_ROOT

VIEW = "{{ config(materialized='view', tags=['views']) }} "


class Told(list):
    """A progress that remembers what it was told."""

    announce = list.append


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(
        tmp_path / "project",
        {
            "seeds/colours.csv": "name,code\nred,1\n",
            "seeds/shapes.csv": "name\nround\n",
            "models/names.sql": VIEW + "select name from {{ ref('colours') }}",
            "models/codes.sql": VIEW + "select code from {{ ref('colours') }}",
        },
    )


def test_seeds_follow_their_files(conn: psycopg.Connection, database: Database, project: Path, tmp_path: Path):
    dbt = Dbt(database, tmp_path / "workspace", project)

    def prepare() -> list[str]:
        told = Told()
        prepare_seeds(conn, dbt, told)
        return told

    def colours() -> list[tuple]:
        return conn.execute("select * from analytics.colours order by 1").fetchall()

    assert prepare() == ["loading dbt's seeds: colours, shapes"]
    assert colours() == [("red", 1)]
    assert prepare() == []

    conn.execute("drop table analytics.shapes")
    assert len(prepare()) == 1
    assert conn.execute("select * from analytics.shapes").fetchall() == [("round",)]

    # a view on a seed's table survives new rows, and is dropped when the columns change
    conn.execute("create view analytics.outside as select name from analytics.colours")
    (project / "seeds/colours.csv").write_text("name,code\nred,1\nblue,2\n")
    prepare()
    assert conn.execute("select * from analytics.outside order by 1").fetchall() == [("blue",), ("red",)]
    (project / "seeds/colours.csv").write_text("name,code,warm\nred,1,true\n")
    prepare()
    assert colours() == [("red", 1, True)]

    (project / "seeds/colours.csv").write_text("name,code,warm\nred,1,true\nblue,not a number,false\n")
    with pytest.raises(UserError, match=r"correct the file in dbt_project/seeds: colours: .*invalid input"):
        prepare()


def test_views_are_built_when_the_project_has_changed_or_one_is_missing(conn, database, project, tmp_path):
    dbt = Dbt(database, tmp_path / "workspace", project)
    prepare_seeds(conn, dbt, Told())
    assert sorted(views_to_build(conn, dbt)) == ["codes", "names"]
    version = project_version(conn, dbt)
    remember_built(conn, dbt, dbt.run(["tag:views"]).results, version)
    assert views_to_build(conn, dbt) == []
    conn.execute("drop view analytics.codes")
    assert views_to_build(conn, dbt) == ["codes"]
    (project / "macros").mkdir()
    (project / "macros" / "new.sql").write_text("{% macro new() %}{% endmacro %}")
    assert sorted(views_to_build(conn, dbt)) == ["codes", "names"]


def test_tables_are_refilled_while_the_project_is_the_same_and_built_anew_when_it_has_changed(
    conn: psycopg.Connection, database: Database, project: Path, tmp_path: Path
):
    files = ("refilled_table", "changed_books", "join_run", "spread")
    macros = tuple(f"macros/{file}.sql" for file in files)
    refilled = "{{ config(materialized='refilled_table', indexes=[{'columns': ['name']}]) }} select name"
    model = {"models/kept.sql": refilled + " from {{ ref('colours') }}"}
    write_project(project, {each: (PROJECT_ROOT / "dbt_project" / each).read_text() for each in macros} | model)
    dbt = Dbt(database, tmp_path / "workspace", project)
    prepare_seeds(conn, dbt, Told())

    def build(*, fit: bool) -> tuple[int, list[str]]:
        """Build as a night does that was told so; returns which table it is now, and its rows."""
        version = project_version(conn, dbt)
        results = dbt.run(["kept"], {"tables_fit": fit}).results
        assert [result.status for result in results] == ["success"]
        remember_built(conn, dbt, results, version)
        (table,) = conn.execute("select 'analytics.kept'::regclass::oid::bigint").fetchone()
        return table, [name for (name,) in conn.execute("select name from analytics.kept order by name")]

    assert not tables_fit(conn, dbt)
    table, rows = build(fit=False)
    assert rows == ["red"]
    assert tables_fit(conn, dbt)
    conn.execute("insert into analytics.colours values ('blue', 2)")
    conn.execute("create view analytics.outside as select * from analytics.kept")
    assert build(fit=True) == (table, ["blue", "red"])
    assert conn.execute("select count(*) from analytics.outside").fetchone() == (2,)
    assert conn.execute("select count(*) from pg_indexes where tablename = 'kept'").fetchone() == (1,)

    # a plain run by hand builds it again, perhaps from other files: then nobody knows what fits
    dbt.run(["kept"])
    assert not tables_fit(conn, dbt)
    build(fit=False)
    assert tables_fit(conn, dbt)
    write_project(project, {"models/kept.sql": refilled + ", 1 as number from {{ ref('colours') }}"})
    assert not tables_fit(conn, dbt)
    conn.execute("drop table analytics.kept cascade")
    assert build(fit=True)[1] == ["blue", "red"]

    # files that change while dbt runs are not what it built from, and a migration may change a function
    version, results = project_version(conn, dbt), dbt.run(["kept"]).results
    (project / "models/kept.sql").write_text(refilled + ", 2 as number from {{ ref('colours') }}")
    remember_built(conn, dbt, results, version)
    assert not tables_fit(conn, dbt)
    build(fit=False)
    assert tables_fit(conn, dbt)
    conn.execute("insert into ops.schema_migrations (name, checksum) values ('9999_later.sql', '')")
    assert not tables_fit(conn, dbt)


def test_the_database_is_prepared_once(server: dict[str, str], conn: psycopg.Connection):
    applied = conn.execute("select count(*) from ops.schema_migrations").fetchone()
    assert prepare_database(conn, date(2024, 2, 15)) == []
    assert prepare_database(conn, date(2024, 2, 15)) == []
    assert conn.execute("select count(*) from ops.schema_migrations").fetchone() == applied
    assert conn.execute("select count(*) from pg_roles where rolname = 'afterclose_reader'").fetchone() == (1,)
