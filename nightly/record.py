"""What a run leaves behind: its phases, what they did, and what went wrong.

The night fills these in, the ledger keeps them, and the summary and `status` print them.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from warehouse.project import PROJECT_ROOT

RunStatus = Literal["running", "succeeded", "failed", "interrupted"]
Severity = Literal["error", "warning"]

_LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class RunProblem:
    """Something that went wrong, or nearly.

    `scope` says what it concerns: a symbol, a portfolio, a dbt node. An error fails its phase (`phase` None: the run).
    """

    scope: str
    message: str
    severity: Severity = "error"
    phase: str | None = None


@dataclass
class PhaseRecord:
    """One phase of a run, and what it did: in plain JSON values (`counts`) and in words (`lines`).

    `start_up_seconds` are those of its `seconds` in which it imported libraries and parsed dbt's project.
    """

    phase: str
    name: str
    status: RunStatus = "running"
    seconds: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    start_up_seconds: float = 0.0


@dataclass
class RunRecord:
    """One run, as far as it has come. `scope` holds names of portfolios, or is empty for all of them."""

    run_id: int
    command: str
    arguments: dict[str, Any]
    trade_date: date
    scope: list[str]
    started_at: datetime
    version: str
    status: RunStatus = "running"
    finished_at: datetime | None = None
    phases: list[PhaseRecord] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)

    @property
    def errors(self) -> list[RunProblem]:
        """The problems that fail the run."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[RunProblem]:
        """The problems that do not."""
        return [problem for problem in self.problems if problem.severity == "warning"]


def one_line(message: object) -> str:
    """A message, or an exception, in one line of bearable length."""
    line = " ".join(str(message).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def describe_exception(error: BaseException) -> str:
    """An unforeseen exception in one line: its kind, its message, and where in this project it arose.

    What a person can mend in the database is told as that, with what to do.
    """
    frames = ((Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__))
    ours = [
        (file, line) for file, line in frames if file.is_relative_to(PROJECT_ROOT) and "site-packages" not in file.parts
    ]
    place = f" ({ours[-1][0].relative_to(PROJECT_ROOT)}:{ours[-1][1]})" if ours else ""
    # Imported here, because `status` and others do not need it.
    import psycopg

    from warehouse.database_errors import explain

    said, message = None, str(error)
    if isinstance(error, psycopg.Error):
        said = explain(error)
        # Only the message: a picture of the statement follows it.
        message = error.diag.message_primary or message
    return one_line(said or f"{type(error).__name__}: {message}") + place
