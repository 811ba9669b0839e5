"""Phases 2, 2.5 and 2.75: the dbt models, in one invocation; a node counts for the phase that its tag names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from ingest.books.entry_prices import find_odd_entries
from ingest.books.in_kind import find_contributions_in_kind
from nightly import prepare
from nightly.phases.outcome import PhaseOutcome
from nightly.phases.roll_forward import coverage, events, opening_cash, positions, window
from nightly.phases.set_aside import MOST_ATTEMPTS, find_culprits
from nightly.record import RunProblem
from warehouse.phrases import count

if TYPE_CHECKING:
    from nightly.context import Context
    from nightly.dbt.runner import Invocation, NodeResult

TAGS = {"2": "phase_2", "2.5": "phase_2_5", "2.75": "phase_2_75"}

# The tables whose changed rows a phase reports.
_TOLD = {
    "2": ("position_values", "portfolio_snapshots", "daily_returns"),
    "2.5": ("positions",),
    "2.75": ("sector_tags", "position_sector_tags", "portfolio_sector_exposures"),
}
# The id of no portfolio: if the models fail for it, nobody's data are the cause.
_NOBODY = str(UUID(int=0))
_UNCHANGED = {
    "2": "unchanged",
    "2.5": "skipped because their values are current",
    "2.75": "skipped because they are current",
}


def run(context: Context, numbers: Sequence[str]) -> dict[str, PhaseOutcome]:
    """Build the models of these phases, and say what was written and what failed. Raises DbtError, psycopg.Error.

    Portfolios whose data break a model are set aside, and the others are rolled without them.
    """
    began = time.monotonic()
    started_before = context.dbt.start_up.seconds
    with context.database.connect() as conn:
        version = prepare.project_version(conn, context.dbt)
        views = prepare.views_to_build(conn, context.dbt)
        select = [*views, *(f"tag:{TAGS[number]}" for number in numbers)]
        invocation = context.dbt.run(
            select,
            context.dbt_variables | {"tables_fit": prepare.tables_fit(conn, context.dbt)},
            context.progress.step,
            {window.WINDOW_MODEL: lambda: _show_plan(conn, context)},
        )
        aside: dict[str, str] = {}
        if broken := _phase_of_failure(invocation, numbers):
            invocation, aside = _set_aside(conn, context, select, invocation)
        prepare.remember_built(conn, context.dbt, invocation.results, version)
        start_up = context.dbt.start_up.seconds - started_before
        worked = time.monotonic() - began - start_up
        of_nodes = sum(result.seconds for result in invocation.results)
        outcomes = {}
        for number, results in _share_out(invocation.results, numbers).items():
            # Nodes of several phases run at one time: each gets its share. Importing and parsing count for the first.
            start_up_seconds = start_up if number == numbers[0] else 0.0
            share = sum(result.seconds for result in results) / of_nodes if of_nodes else 1 / len(numbers)
            seconds = worked * share + start_up_seconds
            problems = find_node_problems(number, results)
            written = _rows_written(conn, number, invocation.invocation_id)
            found = _look(conn, context, number) if not problems else PhaseOutcome()
            counts = {"models": len(results), "rows": written, **found.counts}
            rows = _describe_rows(number, written)
            lines = found.lines + rows if number == "2" else rows + found.lines
            if number == broken and aside:
                counts["set_aside"] = aside
                lines.insert(0, f"rolled in parts, without what is set aside: {', '.join(aside)}")
                problems += [
                    RunProblem(f"portfolio {name}", f"set aside, the others went on: {reason}", phase=number)
                    for name, reason in aside.items()
                ]
            problems += found.problems
            outcomes[number] = PhaseOutcome(counts, lines, problems, seconds, start_up_seconds, results)
    return outcomes


def _set_aside(
    conn: psycopg.Connection, context: Context, select: Sequence[str], failed: Invocation
) -> tuple[Invocation, dict[str, str]]:
    """Roll all portfolios but those whose data break a model; returns the names of those, each with what it breaks.

    The invocation returned stands for the phases from here on: the last that went well, or the one that failed where
    nobody could be set aside, because it fails without any portfolio as well, or for too many of them.
    """
    if not any(result.well for result in failed.results if result.name == window.WINDOW_MODEL):
        return failed, {}
    due = {
        str(portfolio_id): name
        for portfolio_id, name in conn.execute(
            "select due.portfolio_id, coalesce(portfolios.name, due.portfolio_id::text)"
            " from ops.roll_forward_window as due left join raw.portfolios as portfolios using (portfolio_id)"
        )
    }
    last = failed

    def attempt(portfolio_ids: Sequence[str]) -> str | None:
        nonlocal last
        variables = {**context.dbt_variables, "portfolio_ids": list(portfolio_ids)}
        invocation = context.dbt.run(select, variables, context.progress.step)
        broken = [f"model {result.name}: {result.message}" for result in invocation.results if _broke(result)]
        if broken:
            return broken[0]
        last = invocation
        return None

    context.progress.announce("a model failed: looking whose data break it")
    if not due or attempt([_NOBODY]):
        return failed, {}
    last = failed
    culprits, left_alone = find_culprits(list(due), attempt, MOST_ATTEMPTS)
    aside = {due[portfolio_id]: reason for portfolio_id, reason in culprits.items()}
    return failed if left_alone else last, aside


def _phase_of_failure(invocation: Invocation, numbers: Sequence[str]) -> str | None:
    """The first phase of which a model failed; None where all went well."""
    shared = _share_out([result for result in invocation.results if _broke(result)], numbers)
    return next((number for number in numbers if shared[number]), None)


def _broke(result: NodeResult) -> bool:
    return not result.well and result.status != "skipped"


def _look(conn: psycopg.Connection, context: Context, number: str) -> PhaseOutcome:
    """The lines and warnings about the tables of a phase that went well."""
    if number == "2":
        rolled = window.read_window(conn, context)
        covered = coverage.measure(conn, context.trade_date, context.portfolio_ids)
        problems = [
            *_ignored_inputs(conn),
            *events.find_problems(conn),
            *_odd_lots(conn),
            *opening_cash.find_problems(conn),
            *coverage.find_problems(covered, context.trade_date),
        ]
        return PhaseOutcome({**rolled, "coverage": covered}, window.describe(**rolled), problems)
    if number == "2.5":
        values = positions.read_values(conn, context.portfolio_ids)
        return PhaseOutcome(values, positions.describe_values(**values))
    tags = positions.read_tags(conn, context.portfolio_ids)
    return PhaseOutcome({"sectors": tags}, positions.describe_tags(**tags))


def _show_plan(conn: psycopg.Connection, context: Context) -> None:
    """Say what is about to be rolled, between the window and the first table that it replaces."""
    with suppress(psycopg.Error):  # if the database is broken, the phase fails soon enough
        context.progress.show_plan(window.describe(**window.read_window(conn, context)))


def _describe_rows(number: str, written: Mapping[str, Mapping[str, int | None]]) -> list[str]:
    words = {"inserted": "new", "updated": "updated", "deleted": "gone", "unchanged": _UNCHANGED[number]}
    lines = []
    for table, row in sorted(written.items()):
        said = ", ".join(f"{row[kind]:,} {word}" for kind, word in words.items() if row[kind])
        if row["inserted"] is None:
            said = "built whole"
        lines += [f"{table.replace('_', ' ')}: {said}"] if said else []
    return lines


def _share_out(results: Sequence[NodeResult], numbers: Sequence[str]) -> dict[str, list[NodeResult]]:
    """Each result under the first phase whose tag it has; views and hooks, which have none, under the first of all."""
    shared: dict[str, list[NodeResult]] = {number: [] for number in numbers}
    for result in results:
        owner = next((number for number in numbers if TAGS[number] in result.tags), numbers[0])
        shared[owner].append(result)
    return shared


def find_node_problems(number: str, results: Sequence[NodeResult]) -> list[RunProblem]:
    """The failures of a phase's nodes, those that were skipped in one line; and that there were nodes at all."""
    if not any(TAGS[number] in result.tags for result in results):
        return [RunProblem("dbt", f"dbt ran no model tagged {TAGS[number]}: is dbt_project complete?", phase=number)]
    problems = [
        RunProblem(f"model {result.name}", result.message or result.status, phase=number)
        for result in results
        if _broke(result)
    ]
    skipped = [result.name for result in results if result.status == "skipped"]
    if skipped:
        message = f"not built, because a model that they need failed: {', '.join(skipped)}"
        problems.append(RunProblem(count(len(skipped), "model"), message, phase=number))
    return problems


def _rows_written(conn: psycopg.Connection, number: str, invocation_id: str) -> dict[str, dict[str, int | None]]:
    """What the phase's tables say they wrote in this invocation; all None for a table that was built whole."""
    written = conn.cursor(row_factory=dict_row).execute(
        "select model, inserted, updated, deleted, unchanged from ops.incremental_writes"
        " where invocation_id = %s and model = any(%s)",
        (invocation_id, list(_TOLD[number])),
    )
    return {row.pop("model"): row for row in written.fetchall()}


def _odd_lots(conn: psycopg.Connection) -> list[RunProblem]:
    """Lots whose entry price does not go with that session's close, or that are told as a contribution too.

    Of an ordinary night, only those of the sessions just rolled.
    """
    due, contributed = {}, []
    for portfolio_id, told_from, has_contribution in conn.execute(
        """
        select due.portfolio_id, told.since, exists (
            select 1 from raw.equity_changes as flow
            where
                flow.portfolio_id = due.portfolio_id
                and flow.change_type = 'CONTRIBUTION'
                and flow.change_date >= told.since
        )
        from ops.roll_forward_window as due
        cross join lateral (
            select case due.reason when 'next session' then due.first_session else '0001-01-01'::date end as since
        ) as told
        """
    ):
        due[portfolio_id] = told_from
        contributed += [portfolio_id] if has_contribution else []
    odd = [
        RunProblem(f"{odd.portfolio}, {odd.symbol} of {odd.entry_date}", odd.message, "warning", "2")
        for odd in find_odd_entries(conn, due)
    ]
    # on most nights nobody contributes, and then this asks nothing
    return odd + [
        RunProblem(f"{came.portfolio}, CONTRIBUTION of {came.change_date}", came.message, "warning", "2")
        for came in (find_contributions_in_kind(conn, contributed) if contributed else ())
        if came.change_date >= due[came.portfolio_id]
    ]


def _ignored_inputs(conn: psycopg.Connection) -> list[RunProblem]:
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
        RunProblem(f"{name}, {' '.join(filter(None, [symbol, kind]))} of {day}", reason, "warning", "2")
        for name, kind, symbol, day, reason in ignored
    ]
