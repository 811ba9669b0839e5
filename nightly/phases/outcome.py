"""What a phase answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nightly.record import Problem


@dataclass(frozen=True)
class Outcome:
    """What a phase did (`counts`, plain JSON values) and what went wrong; an error among the problems fails it.

    `seconds` is given by work that did several phases at once; otherwise the night measures it.
    """

    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seconds: float | None = None
