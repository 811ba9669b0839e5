"""How far a run is: bars on a terminal, plain log lines otherwise. Both go to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nightly.record import PhaseRecord


class Progress(Protocol):
    """What the night tells as it goes."""

    def say(self, text: str) -> None:
        """Something happens that takes a while and is no phase."""

    def tell(self, lines: Sequence[str]) -> None:
        """What is about to be done; it stays to be read."""

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """A piece of work begins, which may be several phases."""

    def step(self, done: int, total: int) -> None:
        """So much of it is done."""

    def end(self, phase: PhaseRecord) -> None:
        """A phase has ended."""


class LogProgress:
    """One line when a phase begins and one when it ends."""

    def say(self, text: str) -> None:
        """See Progress."""
        _log(text)

    def tell(self, lines: Sequence[str]) -> None:
        """See Progress."""
        for line in lines:
            _log(f"  {line}")

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """See Progress."""
        _log(f"phase {', '.join(phase.phase for phase in phases)}: {', '.join(phase.name for phase in phases)}")

    def step(self, done: int, total: int) -> None:
        """See Progress; said by the bars alone."""

    def end(self, phase: PhaseRecord) -> None:
        """See Progress."""
        _log(f"phase {phase.phase}: {phase.status} in {phase.seconds:.1f} s")


class BarProgress:
    """A bar for the work at hand, on a terminal."""

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

    def say(self, text: str) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(text, total=None)

    def tell(self, lines: Sequence[str]) -> None:
        """See Progress."""
        for line in lines:
            self._bars.console.print(f"  {line}", highlight=False, markup=False)

    def begin(self, phases: Sequence[PhaseRecord]) -> None:
        """See Progress."""
        self.say(phases[0].name if len(phases) == 1 else f"phases {', '.join(phase.phase for phase in phases)}")

    def step(self, done: int, total: int) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)

    def end(self, phase: PhaseRecord) -> None:
        """See Progress; what a phase did is in the summary."""


@contextmanager
def show_progress() -> Iterator[Progress]:
    """The fitting kind of progress for standard error."""
    if sys.stderr.isatty():
        with BarProgress() as bars:
            yield bars
    else:
        yield LogProgress()


def _log(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}", file=sys.stderr, flush=True)
