"""How far a run is: bars on a terminal, the log otherwise. Both go to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nightly.output.log import EventLog, open_log

if TYPE_CHECKING:
    from nightly.record import PhaseRecord, RunProblem, RunRecord
    from warehouse.settings import Settings


class Progress:
    """What the night reports as it goes. This class shows nothing."""

    def announce(self, text: str) -> None:
        """Something happens that takes a while and is no phase."""

    def show_plan(self, lines: Sequence[str]) -> None:
        """What is about to be done; it stays to be read."""

    def started(self, run: RunRecord) -> None:
        """The run is in the ledger."""

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """A piece of work begins, which may be several phases."""

    def step(self, done: int, total: int) -> None:
        """So much of it is done."""

    def end(self, phase: PhaseRecord) -> None:
        """A phase has ended."""

    def problem(self, problem: RunProblem) -> None:
        """Something went wrong, or nearly."""

    def finished(self, run: RunRecord) -> None:
        """The run has ended."""


class LogProgress(Progress):
    """Writes each report to the log; if verbose, also what phases do and the steps within them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def announce(self, text: str) -> None:
        """See Progress."""
        self._log.write(logging.INFO, text)

    def show_plan(self, lines: Sequence[str]) -> None:
        """See Progress."""
        for line in lines:
            self._log.write(logging.INFO, "plan", what=line)

    def started(self, run: RunRecord) -> None:
        """See Progress."""
        self._log = self._log.bind(run=run.run_id)
        self._log.write(
            logging.INFO,
            "run started",
            command=run.command,
            trade_date=run.trade_date,
            portfolios=", ".join(run.scope) or "all",
            version=run.version,
        )

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """See Progress."""
        for phase in phases:
            self._log.write(logging.INFO, "phase started", phase=phase.phase, name=phase.name)

    def step(self, done: int, total: int) -> None:
        """See Progress."""
        self._log.write(logging.DEBUG, "step", done=done, total=total)

    def end(self, phase: PhaseRecord) -> None:
        """See Progress."""
        for line in phase.lines:
            self._log.write(logging.DEBUG, "phase did", phase=phase.phase, what=line)
        seconds = round(phase.seconds or 0, 1)
        self._log.write(logging.INFO, "phase finished", phase=phase.phase, status=phase.status, seconds=seconds)

    def problem(self, problem: RunProblem) -> None:
        """See Progress."""
        level = logging.ERROR if problem.severity == "error" else logging.WARNING
        self._log.write(level, "problem", phase=problem.phase, scope=problem.scope, message=problem.message)

    def finished(self, run: RunRecord) -> None:
        """See Progress."""
        self._log.write(
            logging.INFO, "run finished", status=run.status, errors=len(run.errors), warnings=len(run.warnings)
        )


class BarProgress(Progress):
    """A bar for the work at hand, on a terminal; what a phase did and what went wrong is in the summary."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        label = TextColumn("{task.description}")
        columns = (SpinnerColumn(), label, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = None

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def announce(self, text: str) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(text, total=None)

    def show_plan(self, lines: Sequence[str]) -> None:
        """See Progress."""
        for line in lines:
            self._bars.console.print(f"  {line}", highlight=False, markup=False)

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """See Progress."""
        self.announce(phases[0].name if len(phases) == 1 else f"phases {', '.join(phase.phase for phase in phases)}")

    def step(self, done: int, total: int) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)


@contextmanager
def show_progress(settings: Settings, *, verbose: bool = False, quiet: bool = False) -> Iterator[Progress]:
    """Choose how to show progress: nothing if `quiet`, bars on a terminal, else (or if `verbose`) the log."""
    if quiet:
        yield Progress()
    elif sys.stderr.isatty() and not verbose:
        with BarProgress() as bars:
            yield bars
    else:
        yield LogProgress(open_log(settings.log_format, verbose=verbose, secrets=settings.secrets))
