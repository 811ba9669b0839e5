"""The command that repeats what failed in a run, and no more than that."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nightly.phases import RISK
from nightly.record import RunRecord


@dataclass(frozen=True)
class _Repeat:
    """What is to be typed again; without phases, all of them."""

    command: str
    portfolios: Sequence[str]
    phases: Sequence[str] = ()
    from_phase: str | None = None


def rerun_command(run: RunRecord) -> str | None:
    """The command that repeats just what failed; None when nothing did."""
    if run.status not in ("failed", "interrupted"):
        return None
    repeat = _what_to_repeat(run)
    words = ["python", "run_nightly.py", repeat.command, *_dates(repeat.command, run)]
    words += ["--force"] if run.arguments.get("force") else []
    words += [word for name in repeat.portfolios for word in ("--portfolio", name)]
    words += [word for number in repeat.phases for word in ("--phase", number)]
    words += ["--from-phase", repeat.from_phase] if repeat.from_phase else []
    words += ["--demo"] if run.arguments.get("demo") else []
    return shlex.join(words)


def _what_to_repeat(run: RunRecord) -> _Repeat:
    """What a failed or interrupted run has to do again, by what failed in it, the first that applies:

    an error of the run itself         all phases: where prices are too old, they have to be collected again
    it was interrupted, or phase 1     what was asked for: all that follows was computed without the prices
    portfolios were set aside, alone   these portfolios, from the phase that set them aside on (`analytics` for risk)
    risk alone                         risk, which `analytics` does
    other phases                       these, and risk as well after a failed roll: it was computed without it
    """
    everything = _Repeat(run.command, run.scope)
    if any(problem.phase is None for problem in run.errors) or run.command == "analytics":
        return everything
    failed = [phase for phase in run.phases if phase.status == "failed"]
    numbers = [phase.phase for phase in failed]
    if run.status == "interrupted" or "1" in numbers:
        return replace(everything, phases=run.arguments.get("phase", ()), from_phase=run.arguments.get("from_phase"))
    aside = {name: phase.phase for phase in failed for name in phase.counts.get("set_aside", ())}
    if aside and len(aside) == len(run.errors):
        if numbers == [RISK]:
            return replace(everything, command="analytics", portfolios=list(aside))
        return replace(everything, portfolios=list(aside), from_phase=numbers[0])
    if numbers == [RISK]:
        return replace(everything, command="analytics")
    risk_went_on = "2" in numbers and any(phase.phase == RISK for phase in run.phases)
    return replace(everything, phases=list(dict.fromkeys([*numbers, *([RISK] if risk_went_on else [])])))


def _dates(command: str, run: RunRecord) -> list[str]:
    """A run's sessions, as options of the command that repeats it."""
    start, end = run.arguments.get("start"), run.trade_date.isoformat()
    for phase in run.phases:
        # What was due when the backfill began may be done by now. If no start was given, the phase's own is used.
        if phase.phase == RISK and phase.status == "failed" and run.command == "backfill":
            start = start or phase.counts.get("start")
    if command == "backfill":
        return [*(["--start", start] if start else []), "--end", end]
    return ["--start", start, "--end", end] if start and start != end else ["--date", end]
