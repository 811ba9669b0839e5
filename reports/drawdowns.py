"""The falls of a portfolio from one peak of its linked returns to the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reports.history import History


@dataclass(frozen=True)
class Fall:
    """One fall: its depth (a negative decimal), and the closes of the peak, of the low and of the recovery.

    `start` is None where the peak is the close before the first session. `end` is None while the fall lasts.
    """

    depth: float
    start: date | None
    trough: date
    end: date | None


def falls(history: History) -> list[Fall]:
    """Every fall since inception, the deepest first; a session without a return counts as no change."""
    found: list[Fall] = []
    peak, start = 1.0, None
    depth, trough = 0.0, None
    for day, grown in zip(history.days, history.own_growth(), strict=True):
        level = 1 + grown
        if level >= peak:
            if trough is not None:
                found.append(Fall(depth, start, trough, day))
            peak, start, depth, trough = level, day, 0.0, None
        elif level / peak - 1 < depth:
            depth, trough = level / peak - 1, day
    if trough is not None:
        found.append(Fall(depth, start, trough, None))
    return sorted(found, key=lambda fall: fall.depth)
