"""How this program is called by whoever runs it now: what is printed to be typed next should run as printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from warehouse.project import PROJECT_ROOT

COMMAND = "python run_nightly.py"
# A text that has been through here already is left alone.
_MENTIONED = re.compile(rf"(?<![\w/]){re.escape(COMMAND)}")
# Commands that a message may propose, and that --demo directs to the demo's database if they do not say so already.
_OF_DATABASE = re.compile(
    rf"({re.escape(COMMAND)} (?:actions|analytics|backfill|check|dbt|quarantine|show|status))\b(?![^`\n]*--demo)"
)


def on_demo(text: str) -> str:
    """A text whose commands are about the demo's database."""
    return _OF_DATABASE.sub(r"\1 --demo", text)


def as_typed(text: str = COMMAND) -> str:
    """A text with what would be typed here wherever it says `python run_nightly.py`.

    By `uv run`, that; where it is on the path, as in an activated environment, `python`; else the interpreter's path,
    which is `.venv/bin/python` where `make` has installed it. Called from another folder than this one, whole paths.
    """
    if COMMAND not in text:
        return text
    call = f"{_runner()} {shlex.quote(path_as_typed(PROJECT_ROOT / 'run_nightly.py'))}"
    return _MENTIONED.sub(lambda _: call, text)


def path_as_typed(path: Path) -> str:
    """A file of this project as it is named here: from this folder, or from the root where that is another one."""
    return str(path.relative_to(PROJECT_ROOT) if _is_here() else path)


def _runner() -> str:
    if os.environ.get("UV_RUN_RECURSION_DEPTH"):
        return "uv run"
    activated = os.environ.get("VIRTUAL_ENV")
    if activated and Path(activated).resolve() == Path(sys.prefix).resolve():
        return "python"
    if shutil.which("python") == sys.executable:
        return "python"
    ours = PROJECT_ROOT / ".venv"
    if ours.exists() and ours.resolve() == Path(sys.prefix).resolve():
        return shlex.quote(path_as_typed(ours / "bin" / "python"))
    return shlex.quote(sys.executable or "python")


def _is_here() -> bool:
    try:
        return Path.cwd() == PROJECT_ROOT
    except FileNotFoundError:  # the folder was removed meanwhile
        return False
