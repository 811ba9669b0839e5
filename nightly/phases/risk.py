"""Phase 3: risk analytics, by the statistical models."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from nightly.phases.outcome import Outcome
from nightly.phases.set_aside import MOST_ATTEMPTS, find_culprits
from nightly.record import Problem, describe_exception, one_line
from nightly.stopwatch import Stopwatch
from warehouse.errors import UserError

if TYPE_CHECKING:
    from nightly.context import Context
    from python_models.report import RiskReport
    from python_models.workers import Crew

_CAUSES = 5


def work(context: Context, numbers: Sequence[str]) -> dict[str, Outcome]:
    """Compute the risk of the run's sessions; whatever goes wrong is told with them, so that they can be repeated.

    Portfolios whose data break a model are set aside, and the others are computed without them.
    """
    (number,) = numbers
    sessions = {"start": context.risk_from.isoformat(), "end": context.trade_date.isoformat()}
    aside: dict[str, str] = {}
    with Stopwatch() as start_up:
        import python_models.run  # noqa: F401
    try:
        try:
            report = _compute(context, context.portfolio_ids if context.narrowed else None)
        except (UserError, psycopg.OperationalError):
            raise
        except Exception as error:
            aside, report = _set_aside(context, error)
    except Exception as error:
        message = one_line(error) if isinstance(error, UserError) else describe_exception(error)
        return {number: Outcome(sessions, problems=[Problem("Risk Analytics", message, phase=number)])}
    counts, lines = report.counts(), report.lines()
    problems = [
        Problem(f"portfolio {name}", f"set aside, the others went on: {reason}", phase=number)
        for name, reason in aside.items()
    ]
    if aside:
        counts = {**counts, **sessions, "set_aside": aside}
        lines = [f"computed in parts, without what is set aside: {', '.join(aside)}", *lines]
    problems += [Problem(scope, message, "warning", number) for scope, message in report.warnings()]
    if report.left:
        problems.append(Problem("stale results", _left(report.left, context), "warning", number))
    return {number: Outcome(counts, lines, problems, start_up_seconds=start_up.seconds)}


def _compute(context: Context, portfolio_ids: Sequence[UUID] | None) -> RiskReport:
    from python_models.books import OptionTerms
    from python_models.run import Resources, compute_risk

    with context.database.connect() as conn, _crew(context) as crew:
        return compute_risk(
            conn,
            context.risk_from,
            context.trade_date,
            portfolio_ids=portfolio_ids,
            force=context.force_risk,
            heal=context.heal_risk,
            pair_sessions=context.settings.pair_sessions,
            terms=OptionTerms(context.settings.risk_free_rate, context.settings.dividend_yield),
            resources=Resources(context.settings.memory_mb, crew),
            progress=context.progress.step,
        )


@contextmanager
def _crew(context: Context) -> Generator[Crew | None]:
    """The workers that the settings name."""
    from python_models.workers import dask_workers, local_workers

    if context.settings.dask:
        with dask_workers(context.settings.dask, context.database) as crew:
            yield crew
    elif context.settings.workers > 1:
        with local_workers(context.settings.workers, context.database) as crew:
            yield crew
    else:
        yield None


def _set_aside(context: Context, error: Exception) -> tuple[dict[str, str], RiskReport]:
    """Compute all portfolios but those that fail alone; returns these with their reasons, and the report of the rest.

    Raises `error` where nobody can be set aside: it arises without any portfolio as well, or for too many of them.
    """
    names = {portfolio.portfolio_id: portfolio.name for portfolio in context.portfolios}

    def attempt(portfolio_ids: Sequence[UUID]) -> str | None:
        try:
            _compute(context, portfolio_ids)
        except (UserError, psycopg.OperationalError):
            raise
        except Exception as failure:
            return describe_exception(failure)
        return None

    context.progress.say("risk failed: looking whose data break it")
    if attempt([]) is not None:
        raise error
    culprits, left_alone = find_culprits(list(names), attempt, MOST_ATTEMPTS)
    if left_alone or not culprits:
        raise error
    rest = [portfolio_id for portfolio_id in names if portfolio_id not in culprits]
    return {names[portfolio_id]: reason for portfolio_id, reason in culprits.items()}, _compute(context, rest)


def _left(left: Mapping[date, Sequence[str]], context: Context) -> str:
    """Why sessions have to be computed again that were not, and when that will be."""
    days = list(left)
    causes = list(dict.fromkeys(cause for of_day in left.values() for cause in of_day or ["missed"]))
    more = f" and {len(causes) - _CAUSES:,} more" if len(causes) > _CAUSES else ""
    command = f"`python run_nightly.py analytics --start {days[0]} --end {days[-1]}`"
    limit = context.settings.heal_risk_sessions
    nights = f"the next nights take {limit:,} each, " if limit else ""
    return (
        f"{len(days):,} other sessions have to be computed again, {days[0]} to {days[-1]} "
        f"({', '.join(causes[:_CAUSES])}{more}): {nights}{command} all"
    )
