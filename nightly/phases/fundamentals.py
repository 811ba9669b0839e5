"""Phase 1.5: fundamental data, from those of the providers that have any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from nightly.phases.outcome import PhaseOutcome
from nightly.record import RunProblem

if TYPE_CHECKING:
    from nightly.context import Context

# Sources report fundamentals as of now, so a run about an older session does not ask. A long weekend still counts as
# now.
_RECENT = timedelta(days=7)


def run(context: Context, numbers: Sequence[str]) -> dict[str, PhaseOutcome]:
    """Fetch what is due of the companies in the book; raises BadInput for what is wrong in the symbol aliases."""
    (number,) = numbers
    if context.today - context.trade_date > _RECENT:
        line = f"nothing asked: sources report the fundamentals of today, and the run is about {context.trade_date}"
        return {number: PhaseOutcome(lines=[line])}

    from ingest.fundamentals.chain import fundamentals_chain

    providers = fundamentals_chain(context.clients, today=context.today)
    if not providers:
        return {
            number: PhaseOutcome(lines=["no source of fundamentals among AFTERCLOSE_PROVIDERS (yahoo; fmp with a key)"])
        }

    from ingest.fundamentals.collection import collect_fundamentals

    with context.database.connect() as conn:
        report = collect_fundamentals(
            conn,
            providers,
            context.trade_date,
            today=context.today,
            now=context.now,
            portfolio_ids=context.portfolio_ids if context.narrowed else None,
            progress=context.progress.step,
        )
    problems = [RunProblem(scope, message, "warning", number) for scope, message in report.warnings()]
    return {number: PhaseOutcome(report.counts(), report.lines(), problems)}
