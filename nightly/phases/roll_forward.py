"""Phases 2, 2.5 and 2.75: the dbt models, in one invocation; a node counts for the phase that its tag names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from nightly import coverage, prepare
from nightly.phases.outcome import Outcome
from nightly.record import Problem

if TYPE_CHECKING:
    from nightly.context import Context
    from nightly.dbt_runner import NodeResult

TAGS = {"2": "phase_2", "2.5": "phase_2_5", "2.75": "phase_2_75"}

# The tables whose changed rows a phase tells of.
_TOLD = {
    "2": ("position_values", "portfolio_snapshots", "daily_returns"),
    "2.5": ("positions",),
    "2.75": ("sector_tags", "position_sector_tags", "portfolio_sector_exposures"),
}
_PORTFOLIOS_NAMED = 12


def work(context: Context, numbers: Sequence[str]) -> dict[str, Outcome]:
    """Build the models of these phases, and say what was written and what failed. Raises DbtError, psycopg.Error."""
    began = time.monotonic()
    started_before = context.dbt.start_up.seconds
    with context.database.connect() as conn:
        views = prepare.views_to_build(conn, context.dbt)
        select = [*views, *(f"tag:{TAGS[number]}" for number in numbers)]
        invocation = context.dbt.run(select, context.dbt_variables, context.progress.step)
        if all(result.well for result in invocation.results if result.name in views):
            prepare.remember_views(conn, context.dbt)
        waited = time.monotonic() - began - sum(result.seconds for result in invocation.results)
        outcomes = {}
        for number, results in _share_out(invocation.results, numbers).items():
            # Starting and parsing dbt counts for the first of them.
            is_first = number == numbers[0]
            seconds = sum(result.seconds for result in results) + (max(waited, 0) if is_first else 0)
            start_up_seconds = context.dbt.start_up.seconds - started_before if is_first else 0.0
            problems = find_node_problems(number, results)
            written = _rows_written(conn, number, invocation.invocation_id)
            counts: dict[str, Any] = {"models": len(results), "rows": written}
            lines = _describe_rows(written)
            if number == "2" and not problems:
                rolled = _sessions_rolled(conn, context)
                covered = coverage.measure(conn, context.trade_date, context.portfolio_ids)
                counts |= {**rolled, "coverage": covered}
                lines = _describe_sessions(**rolled) + lines
                problems = _ignored_inputs(conn) + coverage.find_problems(covered, context.trade_date)
            outcomes[number] = Outcome(counts, lines, problems, seconds, start_up_seconds)
    return outcomes


def _describe_sessions(rolled: Sequence[Mapping[str, Any]], idle: Mapping[str, Any] | None) -> list[str]:
    """Who was rolled, from when and why; or that nothing was due."""
    lines = [_window(each) for each in rolled[:_PORTFOLIOS_NAMED]]
    if rest := rolled[_PORTFOLIOS_NAMED:]:
        lines.append(
            f"and {len(rest)} more portfolios, the earliest from {min(each['first_session'] for each in rest)}"
        )
    if idle:
        who = f"{idle['portfolios']:,} portfolio" + ("s are" if idle["portfolios"] != 1 else " is")
        prefix = "" if rolled else "nothing due: "
        lines.append(f"{prefix}{who} rolled to {idle['rolled_to']}" + (" already" if rolled else ""))
    return lines or ["nothing due: no portfolio has begun yet"]


def _window(each: Mapping[str, Any]) -> str:
    if each["is_withdrawn"]:
        return f"{each['portfolio']}: removed from every session ({each['reason']})"
    first, last, sessions = each["first_session"], each["last_session"], each["sessions"]
    over = first if sessions == 1 else f"{sessions:,} sessions, {first} to {last}"
    return f"{each['portfolio']}: {over} ({each['reason']})"


def _describe_rows(written: Mapping[str, Mapping[str, int | None]]) -> list[str]:
    return [f"{table.replace('_', ' ')}: {said}" for table, row in sorted(written.items()) if (said := _rows(row))]


def _rows(row: Mapping[str, int | None]) -> str:
    if row["inserted"] is None:
        return "built whole"
    words = {"inserted": "new", "updated": "updated", "deleted": "gone", "unchanged": "unchanged"}
    return ", ".join(f"{row[kind]:,} {word}" for kind, word in words.items() if row[kind])


def _share_out(results: Sequence[NodeResult], numbers: Sequence[str]) -> dict[str, list[NodeResult]]:
    """Each result under the first phase whose tag it has; views and hooks, which have none, under the first of all."""
    shared: dict[str, list[NodeResult]] = {number: [] for number in numbers}
    for result in results:
        owner = next((number for number in numbers if TAGS[number] in result.tags), numbers[0])
        shared[owner].append(result)
    return shared


def find_node_problems(number: str, results: Sequence[NodeResult]) -> list[Problem]:
    """The failures of a phase's nodes, those that were skipped in one line; and that there were nodes at all."""
    if not any(TAGS[number] in result.tags for result in results):
        return [Problem("dbt", f"dbt ran no model tagged {TAGS[number]}: is dbt_project complete?", phase=number)]
    problems = [
        Problem(f"model {result.name}", result.message or result.status, phase=number)
        for result in results
        if not result.well and result.status != "skipped"
    ]
    skipped = [result.name for result in results if result.status == "skipped"]
    if skipped:
        message = f"not built, because a model that they need failed: {', '.join(skipped)}"
        problems.append(Problem(f"{len(skipped)} models" if len(skipped) > 1 else "1 model", message, phase=number))
    return problems


def _rows_written(conn: psycopg.Connection, number: str, invocation_id: str) -> dict[str, dict[str, int | None]]:
    """What the phase's tables say they wrote in this invocation; all None for a table that was built whole."""
    written = conn.cursor(row_factory=dict_row).execute(
        "select model, inserted, updated, deleted, unchanged from ops.incremental_writes"
        " where invocation_id = %s and model = any(%s)",
        (invocation_id, list(_TOLD[number])),
    )
    return {row.pop("model"): row for row in written.fetchall()}


def _sessions_rolled(conn: psycopg.Connection, context: Context) -> dict[str, Any]:
    """Who was rolled over which sessions and why; and who was not because nothing was due."""
    rolled = conn.cursor(row_factory=dict_row).execute(
        """
        select
            coalesce(portfolios.name, due.portfolio_id::text) as portfolio,
            to_char(due.first_session, 'YYYY-MM-DD') as first_session,
            to_char(due.last_session, 'YYYY-MM-DD') as last_session,
            due.last_session_number - due.first_session_number + 1 as sessions,
            due.is_withdrawn,
            due.reason
        from ops.roll_forward_window as due
        left join raw.portfolios as portfolios on due.portfolio_id = portfolios.portfolio_id
        order by portfolio
        """
    )
    (idle, rolled_to) = conn.execute(
        """
        select count(*), to_char(min(last_session), 'YYYY-MM-DD') from ops.roll_forward_state
        where portfolio_id = any(%s) and portfolio_id not in (select portfolio_id from ops.roll_forward_window)
        """,
        (context.portfolio_ids,),
    ).fetchone()
    return {"rolled": rolled.fetchall(), "idle": {"portfolios": idle, "rolled_to": rolled_to} if idle else None}


def _ignored_inputs(conn: psycopg.Connection) -> list[Problem]:
    """Closes and flows that could not be used; after an ordinary night, only those of the sessions just rolled."""
    ignored = conn.execute(
        """
        select portfolios.name, ignored.input, ignored.symbol, ignored.input_date, ignored.reason
        from intermediate.ignored_inputs as ignored
        inner join ops.roll_forward_window as due on ignored.portfolio_id = due.portfolio_id
        inner join raw.portfolios as portfolios on ignored.portfolio_id = portfolios.portfolio_id
        where ignored.input_date >= due.first_session or due.reason <> 'next session'
        order by portfolios.name, ignored.input_date, ignored.symbol
        """
    )
    return [
        Problem(f"{name}, {' '.join(filter(None, [symbol, kind]))} of {day}", reason, "warning", "2")
        for name, kind, symbol, day, reason in ignored
    ]
