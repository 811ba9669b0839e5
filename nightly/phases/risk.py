"""Phase 3: risk analytics, by the statistical models."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from nightly.phases.outcome import PhaseOutcome
from nightly.phases.risk_culprits import Culprits, Search
from nightly.record import RunProblem, describe_exception, one_line
from nightly.stopwatch import Stopwatch
from warehouse.errors import UserError
from warehouse.phrases import and_more

if TYPE_CHECKING:
    from nightly.context import Context
    from python_models.report import RiskReport
    from python_models.workers import Crew

_CAUSES = 5
_PUT_RIGHT = "correct its prices and actions, and the next run computes again what lacks it"


def run(context: Context, numbers: Sequence[str]) -> dict[str, PhaseOutcome]:
    """Compute the risk of the run's sessions; whatever goes wrong is told with them, so that they can be repeated.

    Portfolios and symbols whose data break a model are set aside, and the others are computed without them.
    """
    (number,) = numbers
    sessions = {"start": context.risk_from.isoformat(), "end": context.trade_date.isoformat()}
    culprits = Culprits()
    with Stopwatch() as start_up:
        import python_models.run  # noqa: F401
    try:
        try:
            report = _compute(context, context.portfolio_ids if context.narrowed else None)
        except (UserError, psycopg.OperationalError):
            raise
        except Exception as error:
            culprits, report = _set_aside(context, error)
    except Exception as error:
        message = one_line(error) if isinstance(error, UserError) else describe_exception(error)
        return {number: PhaseOutcome(sessions, problems=[RunProblem("Risk Analytics", message, phase=number)])}
    counts, lines = report.counts(), report.lines()
    names = {portfolio.portfolio_id: portfolio.name for portfolio in context.portfolios}
    portfolios = {names[portfolio_id]: reason for portfolio_id, reason in culprits.portfolios.items()}
    problems = [
        RunProblem(f"portfolio {name}", f"set aside, the others went on: {reason}", phase=number)
        for name, reason in portfolios.items()
    ]
    problems += [
        RunProblem(f"symbol {symbol}", f"set aside, the others went on: {reason}: {_PUT_RIGHT}", phase=number)
        for symbol, reason in culprits.symbols.items()
    ]
    if aside := [*portfolios, *culprits.symbols]:
        counts = {**counts, **sessions, "set_aside": portfolios, "symbols_set_aside": dict(culprits.symbols)}
        lines = [f"computed in parts, without what is set aside: {', '.join(aside)}", *lines]
    problems += [RunProblem(scope, message, "warning", number) for scope, message in report.warnings()]
    if report.left:
        problems.append(RunProblem("stale results", _left(report.left, context), "warning", number))
    return {number: PhaseOutcome(counts, lines, problems, start_up_seconds=start_up.seconds)}


def _compute(
    context: Context,
    portfolio_ids: Sequence[UUID] | None,
    without: Collection[str] = (),
    *,
    trial: bool = False,
) -> RiskReport:
    from python_models.books import OptionTerms
    from python_models.run import Kept, Resources, compute_risk

    with (
        context.database.connect() as conn,
        # Workers write in transactions of their own, which this one could not take back.
        nullcontext() if trial or without else _crew(context) as crew,
        # Results that lack a symbol are marked as such in the transaction that writes them.
        conn.transaction(force_rollback=trial) if trial or without else nullcontext(),
    ):
        return compute_risk(
            conn,
            context.risk_from,
            context.trade_date,
            portfolio_ids=portfolio_ids,
            force=context.force_risk,
            heal=context.heal_risk,
            kept=Kept(context.settings.pair_sessions, context.settings.stress_sessions),
            terms=OptionTerms(context.settings.risk_free_rate, context.settings.dividend_yield),
            without=without,
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


def _set_aside(context: Context, error: Exception) -> tuple[Culprits, RiskReport]:
    """Compute everything but what breaks a model; returns that, and the report of the rest.

    Raises `error` if nothing can be set aside: it arises without any portfolio or symbol, or for too many of them.
    """
    from python_models.run import read_all_symbols

    def compute(portfolio_ids: Sequence[UUID], without: Collection[str], *, trial: bool) -> None:
        _compute(context, portfolio_ids, without, trial=trial)

    context.progress.announce("risk failed: looking whose data break it")
    with context.database.connect() as conn:
        symbols = read_all_symbols(conn)
    portfolio_ids = [portfolio.portfolio_id for portfolio in context.portfolios]
    culprits = Search(error, compute, symbols).find(portfolio_ids)
    rest = [portfolio_id for portfolio_id in portfolio_ids if portfolio_id not in culprits.portfolios]
    return culprits, _compute(context, rest, culprits.symbols)


def _left(left: Mapping[date, Sequence[str]], context: Context) -> str:
    """Why sessions have to be computed again that were not, and when that will be."""
    days = list(left)
    causes = list(dict.fromkeys(cause for of_day in left.values() for cause in of_day or ["missed"]))
    command = f"`python run_nightly.py analytics --start {days[0]} --end {days[-1]}`"
    limit = context.settings.heal_risk_sessions
    nights = f"the next nights take {limit:,} each, " if limit else ""
    return (
        f"{len(days):,} other sessions have to be computed again, {days[0]} to {days[-1]} "
        f"({and_more(causes, _CAUSES)}): {nights}{command} all"
    )
