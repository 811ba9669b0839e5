"""The compiled templates between runs: that they are taken from the file, that they say the same, and for which key."""

from pathlib import Path

import pytest
from dbt_common.clients.jinja import MacroFuzzEnvironment, get_template

from nightly.dbt.kept_templates import kept_templates
from nightly.dbt.runner import Dbt
from tests.nightly.tiny_project import write_project
from warehouse.database import Database, create_if_missing, libpq_url

TEXT = "{% set x = 3 %}{% for each in range(x) %}{{ each }}{{ name }} {% endfor %}"


def _count_compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are compiled anew from here on."""
    texts = []
    compile_code = MacroFuzzEnvironment._compile

    def note(environment: object, source: str, filename: str) -> object:
        texts.append(source)
        return compile_code(environment, source, filename)

    monkeypatch.setattr(MacroFuzzEnvironment, "_compile", note)
    return texts


def _render(name: str, *, native: bool = False) -> object:
    return get_template(TEXT, {}, native=native).render({"name": name})


def test_a_template_is_compiled_once_for_each_kind_and_renders_as_ever(tmp_path, monkeypatch):
    compiled = _count_compiled(monkeypatch)
    plain = [_render("a"), _render("b", native=True)]
    assert len(compiled) == 2
    folder = tmp_path / "templates"
    for expected in (4, 4):
        with kept_templates(folder, "key"):
            assert [_render("a"), _render("b", native=True)] == plain
            assert _render("c") == plain[0].replace("a", "c")
        assert len(compiled) == expected
    # outside it is as it was, and another version of the project begins anew
    assert _render("a") == plain[0]
    assert len(compiled) == 5
    with kept_templates(folder, "another"):
        assert _render("a") == plain[0]
    assert len(compiled) == 6


def test_what_others_could_have_written_or_was_torn_is_not_believed(tmp_path, monkeypatch):
    folder = tmp_path / "templates"
    with kept_templates(folder, "key"):
        _render("a")
    compiled = _count_compiled(monkeypatch)
    (file,) = folder.iterdir()
    file.chmod(0o666)
    with kept_templates(folder, "key"):
        _render("a")
    assert len(compiled) == 1
    file.write_bytes(file.read_bytes()[:-10])
    with kept_templates(folder, "key"):
        _render("a")
    assert len(compiled) == 2
    with kept_templates(folder, "key"):
        _render("a")
    assert len(compiled) == 2


def test_the_next_run_compiles_nothing_and_a_changed_model_is_seen(server, tmp_path, monkeypatch):
    create_if_missing(server, "templates")
    database = Database(libpq_url({**server, "dbname": "templates"}), embedded=True)
    project = write_project(tmp_path / "project", {"models/first.sql": "select {{ var('number', 1) }} as number"})
    compiled = _count_compiled(monkeypatch)

    def run(number: int) -> int:
        dbt = Dbt(database, tmp_path / "workspace", project)
        dbt.nodes("model")
        before = len(compiled)
        (result,) = dbt.run(["first"], {"number": number}).results
        assert result.status == "success"
        with database.connect() as conn:
            (stored,) = conn.execute("select number from analytics.first").fetchone() or (None,)
        assert stored == number
        return len(compiled) - before

    first = run(1)
    # to replace a table takes some others than to make it
    assert run(2) < first
    assert run(3) == 0
    (project / "models" / "first.sql").write_text("select {{ var('number', 1) }} + 0 as number")
    assert run(4) > 0


def test_a_failure_leaves_jinja_as_it_was(tmp_path: Path):
    before = MacroFuzzEnvironment.compile
    with pytest.raises(ZeroDivisionError), kept_templates(tmp_path, "key"):
        raise ZeroDivisionError
    assert MacroFuzzEnvironment.compile is before
