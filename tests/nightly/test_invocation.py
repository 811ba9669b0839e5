"""Printed commands run where they are printed."""

import shlex
import subprocess
import sys

from nightly.invocation import as_typed, on_demo
from warehouse.settings import PROJECT_ROOT


def test_the_interpreter_is_the_one_that_would_be_typed_here(monkeypatch):
    monkeypatch.chdir(PROJECT_ROOT)
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    for name in ("VIRTUAL_ENV", "UV_RUN_RECURSION_DEPTH"):
        monkeypatch.delenv(name, raising=False)
    assert as_typed("X=1 python run_nightly.py status") in (
        "X=1 .venv/bin/python run_nightly.py status",
        f"X=1 {sys.executable} run_nightly.py status",
    )
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert as_typed() == "python run_nightly.py"
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert as_typed("python run_nightly.py show A") == "uv run run_nightly.py show A"


def test_every_command_of_a_text_is_as_it_would_be_typed_and_once(monkeypatch):
    monkeypatch.chdir(PROJECT_ROOT)
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    text = "none: `python run_nightly.py load DIR`, then `python run_nightly.py`"
    assert as_typed(text) == "none: `uv run run_nightly.py load DIR`, then `uv run run_nightly.py`"
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    monkeypatch.setattr(sys, "executable", "/opt/a python/bin/python")
    monkeypatch.setattr(sys, "prefix", "/opt/a python")
    once = as_typed(text)
    assert once.startswith("none: `'/opt/a python/bin/python' run_nightly.py load DIR`")
    assert as_typed(once) == once


def test_from_another_folder_whole_paths_are_printed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command = shlex.split(as_typed("python run_nightly.py --version"))
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("afterclose ")


def test_after_the_demo_the_commands_of_messages_are_about_it():
    text = "19 are old: `python run_nightly.py analytics --start A` all; see python run_nightly.py dbt -- show"
    wanted = text.replace("analytics", "analytics --demo").replace("dbt --", "dbt --demo --")
    assert on_demo(text) == on_demo(wanted) == wanted
    assert on_demo("`python run_nightly.py demo`, `python run_nightly.py show A --demo`") == (
        "`python run_nightly.py demo`, `python run_nightly.py show A --demo`"
    )
