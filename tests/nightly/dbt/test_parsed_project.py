"""The parsed project between runs: when it is read back, and when it is not believed."""

from pathlib import Path

import pytest

from nightly.dbt.parsed_project import load_parsed, project_key
from nightly.dbt.runner import Dbt
from tests.nightly.tiny_project import write_project
from warehouse.database import Database, create_if_missing, libpq_url

MODEL = "select {{ var('number', 1) }} as number"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", {"models/first.sql": MODEL})


@pytest.fixture
def database(server: dict[str, str]) -> Database:
    create_if_missing(server, "parsed")
    return Database(libpq_url({**server, "dbname": "parsed"}), embedded=True)


@pytest.fixture
def kept(project: Path, database: Database, tmp_path: Path) -> Path:
    """The file that a first run has left."""
    Dbt(database, tmp_path / "workspace", project).nodes("model")
    (file,) = (tmp_path / "workspace" / "parsed" / "parsed").iterdir()
    return file


def models(database: Database, project: Path, tmp_path: Path) -> set[str]:
    dbt = Dbt(database, tmp_path / "workspace", project)
    dbt.get_ready()
    return {node.name for node in dbt.nodes("model")}


def test_the_next_run_reads_what_was_kept_and_its_models_run(kept, project, database, tmp_path):
    written = kept.stat()
    dbt = Dbt(database, tmp_path / "workspace", project)
    dbt.get_ready()
    results = [dbt.run(["first"], {"number": number}).results for number in (1, 2)]
    assert [[(result.name, result.status) for result in each] for each in results] == [[("first", "success")]] * 2
    with database.connect() as conn:
        assert conn.execute("select number from analytics.first").fetchone() == (2,)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_a_changed_file_is_parsed_anew(kept, project, database, tmp_path):
    (project / "models" / "second.sql").write_text(MODEL)
    assert models(database, project, tmp_path) == {"first", "second"}
    (project / "models" / "first.sql").unlink()
    assert models(database, project, tmp_path) == {"second"}


def test_the_key_moves_with_what_dbt_reads_and_with_nothing_else(project: Path):
    key = project_key(project, {"PGDATABASE": "one", "PGPORT": "5432"})
    assert project_key(project, {"PGDATABASE": "one", "PGPORT": "5433", "HOME": "/"}) == key
    assert project_key(project, {"PGDATABASE": "two", "PGPORT": "5432"}) != key
    assert project_key(project, {"PGDATABASE": "one", "PGPORT": "5432", "DBT_TARGET": "other"}) != key
    (project / "models" / "first.sql").write_text(MODEL + " ")
    assert project_key(project, {"PGDATABASE": "one", "PGPORT": "5432"}) != key


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_others_could_have_written_is_not_believed(what, kept, project, database, tmp_path):
    key = project_key(project, database.libpq_environment())
    assert load_parsed(kept.parent, key)
    (kept.parent if what == "folder" else kept).chmod(0o777)
    assert load_parsed(kept.parent, key) is None
    assert models(database, project, tmp_path) == {"first"}


def test_a_torn_file_is_parsed_anew(kept, project, database, tmp_path):
    kept.write_bytes(kept.read_bytes()[:-100])
    assert models(database, project, tmp_path) == {"first"}
    kept.unlink()
    kept.symlink_to(tmp_path / "elsewhere")
    assert models(database, project, tmp_path) == {"first"}
