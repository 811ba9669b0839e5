"""The night: what happens when, and that a phase which fails never stops a later one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

import psycopg

from nightly import ledger, plan, prepare
from nightly.context import Context, Request, make_context, new_york_date
from nightly.dbt_runner import DbtError
from nightly.phases import RISK, Phase, choose_phases
from nightly.phases.outcome import Outcome
from nightly.record import PhaseRecord, Problem, RunRecord, describe_exception, one_line
from nightly.version import project_version
from warehouse.errors import UserError
from warehouse.locks import run_lock

if TYPE_CHECKING:
    from nightly.progress import Progress
    from warehouse.database import Database
    from warehouse.settings import Settings


def run_night(database: Database, settings: Settings, request: Request, now: datetime, progress: Progress) -> RunRecord:
    """One run, backfill or analytics on a database, from its preparation to its last entry in the ledger.

    Raises UserError (and Busy) before anything was started, for a wrong request or setup. Once started, whatever
    happens is in the record: a phase that fails, and an interruption, which is entered and then raised again.
    """
    phases = choose_phases((RISK,) if request.command == "analytics" else request.phases, request.from_phase)
    with database.connect(application_name="afterclose ledger") as conn, run_lock(conn, request.title):
        warnings = prepare.prepare_database(conn, new_york_date(now))
        context = make_context(conn, database, settings, request, now, progress)
        prepare.prepare_seeds(conn, context.dbt, progress)
        warnings += ledger.mark_interrupted_runs(conn)
        run = ledger.start_run(
            conn,
            command=request.command,
            arguments=request.arguments,
            trade_date=context.trade_date,
            scope=context.scope,
            version=project_version(),
        )
        try:
            _note(conn, run, warnings)
            if request.command == "backfill":
                progress.tell([plan.headline(plan.outline(conn, request, context))])
            for _, members in groupby(phases, key=lambda phase: phase.work):
                _do_phases(conn, run, context, list(members))
        except BaseException:
            # Ctrl-C, SIGTERM, or the ledger's own connection gone: then the next run finds this one and marks it.
            with suppress(psycopg.Error):
                ledger.finish_run(conn, run, "interrupted")
            raise
        ledger.finish_run(conn, run, "failed" if run.errors else "succeeded")
        return run


def _do_phases(conn: psycopg.Connection, run: RunRecord, context: Context, members: Sequence[Phase]) -> None:
    """Do neighbouring phases that are one piece of work, and enter how each ended."""
    records = [PhaseRecord(phase.number, phase.name) for phase in members]
    for record in records:
        run.phases.append(record)
        ledger.start_phase(conn, run.run_id, record)
    context.progress.begin(records)
    began = time.monotonic()
    outcomes = _attempt(context, members)
    spent = time.monotonic() - began
    for record in records:
        outcome = outcomes[record.phase]
        record.counts, record.lines = outcome.counts, outcome.lines
        record.start_up_seconds = outcome.start_up_seconds
        record.seconds = spent if outcome.seconds is None else outcome.seconds
        record.status = "failed" if any(_fails(problem, record) for problem in outcome.problems) else "succeeded"
        ledger.finish_phase(conn, run.run_id, record)
        _note(conn, run, outcome.problems)
        context.progress.end(record)


def _attempt(context: Context, members: Sequence[Phase]) -> Mapping[str, Outcome]:
    """Do the work; an exception becomes a failure of each of its phases."""
    try:
        return members[0].work(context, [phase.number for phase in members])
    except (UserError, DbtError) as error:
        message = one_line(error)
    except Exception as error:
        message = describe_exception(error)
    # The time that was spent counts once.
    return {
        phase.number: Outcome(
            problems=[Problem(phase.name, message, phase=phase.number)],
            seconds=None if phase is members[0] else 0.0,
        )
        for phase in members
    }


def _fails(problem: Problem, record: PhaseRecord) -> bool:
    return problem.severity == "error" and problem.phase == record.phase


def _note(conn: psycopg.Connection, run: RunRecord, problems: list[Problem]) -> None:
    run.problems += problems
    ledger.add_problems(conn, run.run_id, problems)
