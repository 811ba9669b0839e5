"""What a phase returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nightly.record import RunProblem

if TYPE_CHECKING:
    from nightly.dbt.runner import NodeResult


@dataclass(frozen=True)
class PhaseOutcome:
    """What a phase did, in plain JSON values (`counts`) and in words (`lines`), and what went wrong.

    An error of its own among the problems fails the phase. `seconds` is given by work that did several phases at once;
    otherwise the night measures it. `start_up_seconds` of them went into importing libraries and parsing dbt's project.
    `nodes` are the dbt nodes that were run for it.
    """

    counts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)
    seconds: float | None = None
    start_up_seconds: float = 0.0
    nodes: Sequence[NodeResult] = ()
