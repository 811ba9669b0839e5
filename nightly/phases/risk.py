"""Phase 3: risk analytics, by the statistical models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from nightly.phases.outcome import Outcome
from nightly.record import Problem, describe_exception, one_line
from nightly.stopwatch import Stopwatch
from warehouse.errors import UserError

if TYPE_CHECKING:
    from nightly.context import Context


def work(context: Context, numbers: Sequence[str]) -> dict[str, Outcome]:
    """Compute the risk of the run's sessions; whatever goes wrong is told with them, so that they can be repeated."""
    (number,) = numbers
    sessions = {"start": context.risk_from.isoformat(), "end": context.trade_date.isoformat()}
    try:
        with Stopwatch() as start_up:
            from python_models.books import OptionTerms
            from python_models.run import compute_risk

        with context.database.connect() as conn:
            report = compute_risk(
                conn,
                context.risk_from,
                context.trade_date,
                portfolio_ids=[each.portfolio_id for each in context.portfolios] if context.narrowed else None,
                force=context.force_risk,
                heal=context.heal_risk,
                pair_sessions=context.settings.pair_sessions,
                terms=OptionTerms(context.settings.risk_free_rate, context.settings.dividend_yield),
                progress=context.progress.step,
            )
    except Exception as error:
        message = one_line(error) if isinstance(error, UserError) else describe_exception(error)
        return {number: Outcome(sessions, problems=[Problem("Risk Analytics", message, phase=number)])}
    problems = [Problem(scope, message, "warning", number) for scope, message in report.warnings()]
    if report.left:
        problems.append(Problem("stale results", _left(report.left, context), "warning", number))
    return {number: Outcome(report.counts(), report.lines(), problems, start_up_seconds=start_up.seconds)}


def _left(days: Sequence[date], context: Context) -> str:
    """What becomes of sessions that need a look and got none."""
    command = f"`python run_nightly.py analytics --start {days[0]} --end {days[-1]}`"
    limit = context.settings.heal_risk_sessions
    nights = f"the next nights take {limit:,} each, " if limit else ""
    return f"the inputs of {len(days):,} other sessions have changed, {days[0]} to {days[-1]}: {nights}{command} all"
