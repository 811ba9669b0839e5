"""The night: what happens in which order. A phase that fails never stops a later one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import psycopg

from nightly import ledger, plan, prepare
from nightly.context import Context, Request, make_context, new_york_date
from nightly.dbt.descriptions import write_descriptions
from nightly.dbt.runner import DbtError
from nightly.phases import RISK, Phase, choose_phases
from nightly.phases.outcome import PhaseOutcome
from nightly.readiness import refuse_broken_setup
from nightly.record import PhaseRecord, RunProblem, RunRecord, describe_exception, one_line
from nightly.run_connection import RunConnection, hold_run_lock
from warehouse.errors import UserError
from warehouse.maintenance import maintain_tables
from warehouse.project import project_version
from warehouse.secrets import mask

if TYPE_CHECKING:
    from nightly.output.progress import Progress
    from warehouse.database import Database
    from warehouse.settings import Settings


def run_night(database: Database, settings: Settings, request: Request, now: datetime, progress: Progress) -> RunRecord:
    """One run, backfill or analytics on a database, from its preparation to its last entry in the ledger.

    Raises UserError (and Busy) before anything was started, for a wrong request or setup. Once started, whatever
    happens is in the record: a phase that fails, the loss of the database, and an interruption, which is recorded and
    then raised again.
    """
    choose_phases(request.phases, request.from_phase)
    with hold_run_lock(database, request.title) as connection:
        warnings = connection.call(prepare.prepare_database, new_york_date(now))
        warnings += connection.call(prepare.bound_readers, settings)
        warnings += connection.call(prepare.take_known, settings, now)
        job = _Job(connection, connection.let_writers_in(), settings, now, progress)
        return job.perform(request, warnings, take_up=True)


@dataclass(frozen=True)
class _Job:
    """The runs that one command does under one lock."""

    connection: RunConnection
    database: Database
    settings: Settings
    now: datetime
    progress: Progress

    def perform(self, request: Request, warnings: Sequence[RunProblem] = (), *, take_up: bool = False) -> RunRecord:
        """Do what was asked; with `take_up`, first do again what runs that died had been asked for."""
        connection, settings, progress = self.connection, self.settings, self.progress
        phases = choose_phases((RISK,) if request.command == "analytics" else request.phases, request.from_phase)
        problems = [*warnings, *refuse_broken_setup(connection.conn, settings, self.now, phases)]
        context = connection.call(make_context, self.database, settings, request, self.now, progress)
        prepare.prepare_seeds(connection.conn, context.dbt, progress)
        if take_up and (taken_up := self._take_up(request)):
            problems += taken_up
            again = connection.call(make_context, self.database, settings, request, self.now, progress)
            context = replace(again, dbt=context.dbt)
        run = connection.call(
            ledger.start_run,
            command=request.command,
            arguments=request.arguments,
            trade_date=context.trade_date,
            scope=context.scope,
            version=project_version(),
        )
        progress.started(run)
        try:
            _record_problems(connection, run, context, [*problems, *context.problems])
            if request.command == "backfill":
                progress.show_plan([plan.headline(connection.call(plan.outline, request, context))])
            if phases[0].asks_sources and any(phase.runs_dbt for phase in phases):
                context.dbt.get_ready()
            for _, members in groupby(phases, key=lambda phase: phase.run):
                _run_phases(connection, run, context, list(members))
            _record_problems(connection, run, context, _maintain(connection, context))
            connection.call(ledger.finish_run, run, "failed" if run.errors else "succeeded")
        except (UserError, psycopg.OperationalError) as error:
            # The server is gone for good, or another run has taken over. The summary still says what was done.
            _lose(run, one_line(error))
            progress.problem(run.errors[-1])
        except BaseException:
            # Ctrl-C or SIGTERM. If the ledger can't be written any more, the next run finds this one and does it again.
            with suppress(psycopg.Error):
                ledger.finish_run(connection.conn, run, "interrupted")
            progress.finished(run)
            raise
        progress.finished(run)
        return run

    def _take_up(self, request: Request) -> list[RunProblem]:
        """Do again what runs that died had been asked for, and tell of each.

        What an ordinary run had to do is due for this one. A backfill or analytics was asked for a span of its own, and
        is done again as it was asked for, unless this request covers it.
        """
        dead = self.connection.call(ledger.dead_runs)
        problems = []
        for run in dead:
            scope, died = f"run {run.run_id}", f"{run.command} of {run.started_at:%Y-%m-%d %H:%M} UTC died"
            asked = Request.from_arguments(run.command, run.arguments)
            if run.command == "run" or request.covers(asked):
                problems.append(RunProblem(scope, f"{died}: its work is picked up", "warning"))
                continue
            try:
                again = self.perform(asked)
            except UserError as error:
                problems.append(RunProblem(scope, f"{died}, and can't be done again: {one_line(error)}"))
                continue
            done = f"{died}: it was done again as run {again.run_id}"
            if again.status == "succeeded":
                problems.append(RunProblem(scope, done, "warning"))
            else:
                see = f"`python run_nightly.py status {again.run_id}` says what to repeat"
                problems.append(RunProblem(scope, f"{done}, which failed: {see}"))
        self.connection.call(ledger.mark_interrupted, dead)
        return problems


def _lose(run: RunRecord, reason: str) -> None:
    """End the record of a run whose ledger can't be written any more. There it stays running until the next run."""
    for phase in run.phases:
        if phase.status == "running":
            phase.status = "interrupted"
    run.problems.append(
        RunProblem("database", f"the rest was not done, and could not be entered in the ledger: {reason}")
    )
    run.status = "failed"
    run.finished_at = datetime.now(UTC)


def _maintain(connection: RunConnection, context: Context) -> list[RunProblem]:
    """Vacuum and describe the tables; what goes wrong there is only a warning."""
    warnings = []
    try:
        connection.call(maintain_tables)
    except psycopg.Error as error:
        warnings.append(RunProblem("maintenance", f"tables are not vacuumed: {one_line(error)}", "warning"))
    if context.dbt.is_parsed:
        try:
            connection.call(write_descriptions, context.dbt.descriptions())
        except psycopg.Error as error:
            warnings.append(RunProblem("maintenance", f"tables are not described: {one_line(error)}", "warning"))
    return warnings


def _run_phases(connection: RunConnection, run: RunRecord, context: Context, members: Sequence[Phase]) -> None:
    """Run neighbouring phases that are one piece of work, and record how each ended."""
    records = [PhaseRecord(phase.number, phase.name) for phase in members]
    for record in records:
        run.phases.append(record)
        connection.call(ledger.start_phase, run.run_id, record)
    context.progress.begin(records)
    began = time.monotonic()
    outcomes = _attempt(context, members)
    spent = time.monotonic() - began
    secrets = context.settings.secrets
    for record in records:
        outcome = outcomes[record.phase]
        record.counts, record.lines = mask(outcome.counts, secrets), mask(outcome.lines, secrets)
        record.start_up_seconds = outcome.start_up_seconds
        record.seconds = spent if outcome.seconds is None else outcome.seconds
        record.status = "failed" if any(_fails(problem, record) for problem in outcome.problems) else "succeeded"
        connection.call(ledger.finish_phase, run.run_id, record)
        if outcome.nodes:
            connection.call(ledger.add_nodes, run.run_id, record.phase, outcome.nodes)
        _record_problems(connection, run, context, outcome.problems)
        context.progress.end(record)


def _attempt(context: Context, members: Sequence[Phase]) -> Mapping[str, PhaseOutcome]:
    """Do the work; an exception becomes a failure of each of its phases."""
    try:
        return members[0].run(context, [phase.number for phase in members])
    except (UserError, DbtError) as error:
        message = one_line(error)
    except Exception as error:
        message = describe_exception(error)
    # The time that was spent counts once.
    return {
        phase.number: PhaseOutcome(
            problems=[RunProblem(phase.name, message, phase=phase.number)],
            seconds=None if phase is members[0] else 0.0,
        )
        for phase in members
    }


def _fails(problem: RunProblem, record: PhaseRecord) -> bool:
    return problem.severity == "error" and problem.phase == record.phase


def _record_problems(
    connection: RunConnection, run: RunRecord, context: Context, problems: Sequence[RunProblem]
) -> None:
    secrets = context.settings.secrets
    seen = [replace(problem, message=mask(problem.message, secrets)) for problem in problems]
    run.problems += seen
    if seen:
        connection.call(ledger.add_problems, run.run_id, seen)
    for problem in seen:
        context.progress.problem(problem)
