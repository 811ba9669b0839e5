"""Phase 1: market data, from the providers that the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nightly.phases.outcome import PhaseOutcome
from nightly.record import RunProblem
from nightly.stopwatch import Stopwatch
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from nightly.context import Context


def run(context: Context, numbers: Sequence[str]) -> dict[str, PhaseOutcome]:
    """Collect prices, actions and profiles; raises UserError where a provider is not set up."""
    with Stopwatch() as start_up:
        from ingest.market.collection import collect_market_data
        from ingest.sources.chain import left_out, provider_chain

    (number,) = numbers
    providers = provider_chain(
        context.settings,
        today=context.today,
        deadline=context.fetch_until,
        relative_to=PROJECT_ROOT,
        clients=context.clients,
    )
    with context.database.connect() as conn:
        report = collect_market_data(
            conn,
            providers,
            context.collect_from,
            context.trade_date,
            history_sessions=context.settings.history_sessions,
            today=context.today,
            now=context.now,
            progress=context.progress.step,
        )
    problems = [RunProblem(scope, message, "warning", number) for scope, message in report.warnings()]
    lines = [*left_out(context.settings), *report.lines()]
    return {number: PhaseOutcome(report.counts(), lines, problems, start_up_seconds=start_up.seconds)}
