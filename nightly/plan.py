"""What a backfill would do, found out by building the window of the roll-forward and nothing that rests on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg

from nightly import prepare
from nightly.context import Context, Request, make_context, new_york_date
from nightly.dbt.runner import DbtError
from nightly.phases import RISK, choose_phases
from nightly.phases.roll_forward import window
from warehouse.errors import UserError
from warehouse.locks import let_writers_in, run_lock
from warehouse.phrases import and_more, count
from warehouse.sessions import sessions_between

if TYPE_CHECKING:
    from nightly.output.progress import Progress
    from warehouse.database import Database
    from warehouse.settings import Settings

_CAUSES = 3


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
        database = replace(database, run_token=let_writers_in(conn, request.title))
        context = make_context(conn, database, settings, request, now, progress)
        prepare.prepare_seeds(conn, context.dbt, progress)
        progress.announce("finding out what is due")
        _build_window(conn, context)
        return {
            **outline(conn, request, context),
            "problems": [problem.message for problem in context.problems],
            "phases": [phase.number for phase in phases],
            **window.read_window(conn, context),
            "risk_healed": _plan_healing(conn, context) if any(phase.number == RISK for phase in phases) else None,
        }


def outline(conn: psycopg.Connection, request: Request, context: Context) -> dict[str, Any]:
    """The part of a plan that the request alone tells: what is asked for, for which portfolios."""
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
    """What is asked for, and for which portfolios, in one line."""
    scope = "all portfolios" if outline["portfolios"] == "all" else ", ".join(outline["portfolios"])
    asked = _sessions(outline["asked_for"]) if outline["asked_for"] else f"what is due to {outline['trade_date']}"
    return f"{outline['command']} of {scope}: {asked}"


def render(plan: dict[str, Any]) -> str:
    """A plan as text: what is asked for, and a paragraph for each phase that does something of its own."""
    paragraphs = {
        "1": [f"prices of {_sessions(plan['prices'])} are collected; what the sources restate comes on top of this:"],
        "2": window.describe(plan["causes"], plan["rolled"], plan["idle"]),
        RISK: _describe_risk(plan),
    }
    lines = [
        f"  {'' if number else phase:<5} {line}"
        for phase, paragraph in paragraphs.items()
        if phase in plan["phases"]
        for number, line in enumerate(paragraph)
    ]
    told = [f"  {problem}" for problem in plan["problems"]]
    return "\n".join([headline(plan), *told, *lines, "dry run: nothing was done"])


def _plan_healing(conn: psycopg.Connection, context: Context) -> dict[str, Any]:
    from python_models.books import OptionTerms
    from python_models.run import plan_healing

    healing = plan_healing(
        conn,
        context.risk_from,
        context.trade_date,
        OptionTerms(context.settings.risk_free_rate, context.settings.dividend_yield),
        heal=context.heal_risk,
        portfolio_ids=context.portfolio_ids if context.narrowed else None,
    )
    days = sorted(healing.causes)
    causes = {cause for each in healing.causes.values() for cause in each}
    # One cause may begin with another and say more: the longer one is kept.
    causes = sorted(each for each in causes if not any(other != each and other.startswith(each) for other in causes))
    return {
        "sessions": len(days),
        "start": days[0].isoformat() if days else None,
        "end": days[-1].isoformat() if days else None,
        "causes": causes,
        "left": len(healing.left),
    }


def _describe_risk(plan: dict[str, Any]) -> list[str]:
    lines = [f"risk of {_sessions(plan['risk'])} is computed, unless it is current"]
    healed = plan["risk_healed"]
    if healed and healed["sessions"]:
        why = and_more(healed["causes"], _CAUSES) or "they were missed"
        which = "the session" if healed["sessions"] == 1 else "at most"
        lines.append(f"and {which} {_sessions(healed)} again, where it comes out differently: {why}")
    if healed and healed["left"]:
        lines.append(f"{count(healed['left'], 'session')} more are left for the next runs")
    return lines


def _build_window(conn: psycopg.Connection, context: Context) -> None:
    current = {view.name for view in context.dbt.nodes("model", "views")}
    current.difference_update(prepare.views_to_build(conn, context.dbt))
    select = [name for name in context.dbt.models_behind(window.WINDOW_MODEL) if name not in current]
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
