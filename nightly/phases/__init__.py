"""The phases of the night, in order. A new phase is one more entry here.

The night calls `run` once for neighbouring phases that share it, with those of them that were asked for: the three dbt
phases are one invocation of dbt. `run` returns an outcome for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nightly.context import Context
from nightly.phases import fundamentals, market_data, risk
from nightly.phases.outcome import PhaseOutcome
from nightly.phases.roll_forward import phase as roll_forward
from warehouse.errors import UserError


@dataclass(frozen=True)
class Phase:
    """A phase: its number as people type it, its name, how it is done, and what it works with."""

    number: str
    name: str
    run: Callable[[Context, Sequence[str]], Mapping[str, PhaseOutcome]]
    asks_sources: bool = False
    runs_dbt: bool = False


# The phase that the command `analytics` runs alone.
RISK = "3"

PHASES = (
    Phase("1", "Market Data Collection", market_data.run, asks_sources=True),
    Phase("1.5", "Fundamental Data", fundamentals.run, asks_sources=True),
    Phase("2", "P&L & Snapshots", roll_forward.run, runs_dbt=True),
    Phase("2.5", "Position Market Values", roll_forward.run, runs_dbt=True),
    Phase("2.75", "Sector Tag Restoration", roll_forward.run, runs_dbt=True),
    Phase(RISK, "Risk Analytics", risk.run),
)


def choose_phases(numbers: Sequence[str] = (), from_phase: str | None = None) -> tuple[Phase, ...]:
    """The phases of these numbers, or those from one on, or all, in order; raises UserError for an unknown number."""
    known = [phase.number for phase in PHASES]
    unknown = [number for number in (*numbers, *([from_phase] if from_phase else [])) if number not in known]
    if unknown:
        there_are = ", ".join(f"{phase.number} ({phase.name})" for phase in PHASES)
        raise UserError(f"no phase {', '.join(unknown)}; there are: {there_are}")
    if numbers and from_phase:
        raise UserError("give --phase or --from-phase, not both")
    if numbers:
        return tuple(phase for phase in PHASES if phase.number in numbers)
    return PHASES[known.index(from_phase) :] if from_phase else PHASES
