"""How this program is called by whoever runs it now: what is printed to be typed next should run as printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

COMMAND = "python run_nightly.py"


def as_typed(command: str = COMMAND) -> str:
    """A command with `python run_nightly.py` in it, with what would be typed here for `python`.

    By `uv run`, that; with an environment activated, `python`; else the interpreter's path, which is `.venv/bin/python`
    where `make` has installed it.
    """
    return command.replace(COMMAND, f"{_runner()} run_nightly.py", 1)


def _runner() -> str:
    if os.environ.get("UV_RUN_RECURSION_DEPTH"):
        return "uv run"
    activated = os.environ.get("VIRTUAL_ENV")
    if activated and Path(activated).resolve() == Path(sys.prefix).resolve():
        return "python"
    ours = PROJECT_ROOT / ".venv"
    if ours.exists() and ours.resolve() == Path(sys.prefix).resolve():
        return ".venv/bin/python"
    return sys.executable or "python"
