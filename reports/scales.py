"""Where values fall on an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear map of values from `low` to `high` onto coordinates from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value; the middle where there is no span."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values (1, 2, 2.5 or 5 times a power of ten apart) that cover low to high, some `about` of them."""
    if high <= low:
        spread = abs(low) * 0.01 or 1.0
        low, high = low - spread, high + spread
    rough = (high - low) / max(about - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def resample(values: Sequence[float], places: int) -> list[float]:
    """A line through values, equally spaced, read off at so many places."""
    if len(values) == 1 or places == 1:
        return [values[-1]] * places
    line: list[float] = []
    for place in range(places):
        position = place * (len(values) - 1) / (places - 1)
        before = min(int(position), len(values) - 2)
        share = position - before
        line.append(values[before] * (1 - share) + values[before + 1] * share)
    return line
