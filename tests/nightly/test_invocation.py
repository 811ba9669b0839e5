"""Printed commands run where they are printed."""

import sys

from nightly.invocation import as_typed


def test_the_interpreter_is_the_one_that_would_be_typed_here(monkeypatch):
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
