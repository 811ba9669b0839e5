"""The summary of a run: for a tired person, and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from nightly.output.rerun import rerun_command
from nightly.record import PhaseRecord, RunProblem, RunRecord
from warehouse.phrases import count

_PROBLEMS_PER_PHASE = 20
_COLOURS = {"succeeded": "green", "failed": "red", "interrupted": "yellow", "running": "cyan"}


def exit_status(run: RunRecord) -> int:
    """0 when all went well, warnings or not; 1 when something failed."""
    return 0 if run.status == "succeeded" else 1


def render(run: RunRecord) -> str:
    """A run in full, as text: each phase and what it did, what went wrong, and what to type next."""
    sections = [_title(run), *(_phase(phase) for phase in run.phases)]
    if run.errors:
        sections.append(_problems("errors", run.errors, run.run_id))
    if run.warnings:
        sections.append(_problems("warnings", run.warnings, run.run_id))
    if command := rerun_command(run):
        sections.append(f"to repeat what failed:\n  {command}")
    return "\n".join([*sections, _verdict(run)])


def as_json(run: RunRecord) -> dict[str, Any]:
    """A run in full, as plain JSON values."""
    return {
        "run_id": run.run_id,
        "command": run.command,
        "arguments": run.arguments,
        "trade_date": run.trade_date.isoformat(),
        "portfolios": run.scope or "all",
        "status": run.status,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "version": run.version,
        "phases": [
            {
                "phase": phase.phase,
                "name": phase.name,
                "status": phase.status,
                "seconds": phase.seconds,
                "start_up_seconds": phase.start_up_seconds,
                "counts": phase.counts,
                "lines": phase.lines,
            }
            for phase in run.phases
        ],
        "errors": [_problem_as_json(problem) for problem in run.errors],
        "warnings": [_problem_as_json(problem) for problem in run.warnings],
        "rerun": rerun_command(run),
    }


def duration(run: RunRecord) -> float:
    """Seconds from start to end, or until now for a run that is still going."""
    return ((run.finished_at or datetime.now(UTC)) - run.started_at).total_seconds()


def coloured(status: str) -> str:
    """A status in its colour; click takes it off again where the output is no terminal."""
    return click.style(status, fg=_COLOURS.get(status))


def _title(run: RunRecord) -> str:
    scope = ", ".join(run.scope) if run.scope else "all portfolios"
    return f"{run.command} {run.run_id} · trade date {run.trade_date} · {scope}"


def _phase(phase: PhaseRecord) -> str:
    seconds = f"{phase.seconds:8.1f} s" if phase.seconds is not None else " " * 10
    head = f"  {phase.phase:<5} {phase.name:<26} {coloured(phase.status)}{' ' * (12 - len(phase.status))}{seconds}"
    return "\n".join([head, *(f"        {line}" for line in phase.lines)])


def _problems(title: str, problems: Sequence[RunProblem], run_id: int) -> str:
    shown: list[str] = []
    for phase in dict.fromkeys(problem.phase for problem in problems):
        of_phase = [problem for problem in problems if problem.phase == phase]
        prefix = f"phase {phase} · " if phase else ""
        shown += [f"  {prefix}{problem.scope}: {problem.message}" for problem in of_phase[:_PROBLEMS_PER_PHASE]]
        if len(of_phase) > _PROBLEMS_PER_PHASE:
            hidden = len(of_phase) - _PROBLEMS_PER_PHASE
            shown.append(f"  {prefix}and {hidden:,} more: `python run_nightly.py status {run_id} --json` has all")
    return "\n".join([f"{title}:", *shown])


def _verdict(run: RunRecord) -> str:
    warned = f", {count(len(run.warnings), 'warning')}" if run.warnings else ""
    failed = f", {count(len(run.errors), 'error')}" if run.errors else ""
    return f"{coloured(run.status)} in {duration(run):.1f} s{failed}{warned}"


def _problem_as_json(problem: RunProblem) -> dict[str, Any]:
    return {"phase": problem.phase, "scope": problem.scope, "message": problem.message}
