"""What a backfill would do, found out by building the window of the roll-forward and nothing that rests on it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg

from nightly import prepare
from nightly.context import Context, Request, make_context, new_york_date
from nightly.dbt.runner import DbtError
from nightly.phases import RISK, choose_phases
from nightly.phases.roll_forward import window as rolling
from warehouse.errors import UserError
from warehouse.locks import run_lock
from warehouse.sessions import sessions_between

if TYPE_CHECKING:
    from nightly.output.progress import Progress
    from warehouse.database import Database
    from warehouse.settings import Settings


def make_plan(
    database: Database, settings: Settings, request: Request, now: datetime, progress: Progress
) -> dict[str, Any]:
    """What a request would do now, in plain JSON values: what is asked for, and what is rolled for it and why.

    Takes the run lock, and writes what any run writes before its first phase, the window's own tables, and no more: the
    changes that it finds stay due. Sources are not asked, so what they have restated comes on top. Raises UserError.
    """
    phases = choose_phases(request.phases, request.from_phase)
    with database.connect("afterclose plan") as conn, run_lock(conn, f"{request.title} --dry-run"):
        prepare.prepare_database(conn, new_york_date(now))
        context = make_context(conn, database, settings, request, now, progress)
        prepare.prepare_seeds(conn, context.dbt, progress)
        progress.say("finding out what is due")
        _build_window(conn, context)
        return {
            **outline(conn, request, context),
            "problems": [problem.message for problem in context.problems],
            "phases": [phase.number for phase in phases],
            **rolling.read_window(conn, context),
        }


def outline(conn: psycopg.Connection, request: Request, context: Context) -> dict[str, Any]:
    """The part of a plan that is known before anything is looked at: what is asked for, of whom."""
    return {
        "command": request.command,
        "arguments": request.arguments,
        "trade_date": context.trade_date.isoformat(),
        "portfolios": context.scope or "all",
        "asked_for": _span(conn, context.recompute_from, context.trade_date),
        "prices": _span(conn, context.collect_from, context.trade_date),
        "risk": _span(conn, context.risk_from, context.trade_date),
    }


def headline(outline: dict[str, Any]) -> str:
    """What is asked for, of whom, in one line."""
    scope = "all portfolios" if outline["portfolios"] == "all" else ", ".join(outline["portfolios"])
    asked = _sessions(outline["asked_for"]) if outline["asked_for"] else f"what is due to {outline['trade_date']}"
    return f"{outline['command']} of {scope}: {asked}"


def render(plan: dict[str, Any]) -> str:
    """A plan as text: what is asked for, and a paragraph for each phase that does something of its own."""
    paragraphs = {
        "1": [f"prices of {_sessions(plan['prices'])} are collected; what the sources restate comes on top of this:"],
        "2": rolling.describe(plan["causes"], plan["rolled"], plan["idle"]),
        RISK: [f"risk of {_sessions(plan['risk'])} is computed"],
    }
    lines = [
        f"  {'' if number else phase:<5} {line}"
        for phase, paragraph in paragraphs.items()
        if phase in plan["phases"]
        for number, line in enumerate(paragraph)
    ]
    told = [f"  {problem}" for problem in plan["problems"]]
    return "\n".join([headline(plan), *told, *lines, "dry run: nothing was done"])


def _build_window(conn: psycopg.Connection, context: Context) -> None:
    current = {view.name for view in context.dbt.nodes("model", "views")}
    current.difference_update(prepare.views_to_build(conn, context.dbt))
    select = [name for name in context.dbt.models_behind(rolling.WINDOW_MODEL) if name not in current]
    try:
        variables = context.dbt_variables | {"tables_fit": prepare.tables_fit(conn, context.dbt)}
        results = context.dbt.run(select, variables, context.progress.step).results
    except DbtError as error:
        raise UserError(str(error)) from error
    if failed := [f"{result.name}: {result.message}" for result in results if not result.well]:
        raise UserError(f"what is due could not be found out: {'; '.join(failed)}")


def _span(conn: psycopg.Connection, first: Any, last: Any) -> dict[str, Any] | None:
    if first is None:
        return None
    count = len(sessions_between(conn, first, last))
    return {"sessions": count, "start": first.isoformat(), "end": last.isoformat()}


def _sessions(span: dict[str, Any]) -> str:
    if span["sessions"] == 1:
        return span["start"]
    return f"{span['sessions']:,} sessions, {span['start']} to {span['end']}"
