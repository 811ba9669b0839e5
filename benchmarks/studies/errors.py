"""How far a study's figures would be off with other books, other stocks and other quarters: the bootstrap.

Sessions (or months) are drawn in blocks, since neighbours are alike (circular block bootstrap of Politis and Romano
1992); books and stocks one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 200
QUARTER = 63


@dataclass(frozen=True)
class Figure:
    """A number, and its standard error by the bootstrap."""

    value: float
    error: float


def figure(
    statistic: Callable[..., float], *samples: Floats, block: int | None = QUARTER, seed: int = 1, draws: int = DRAWS
) -> Figure:
    """A statistic of samples (n_times, n_members) that belong together, and its standard error.

    Args:
        statistic: of the samples.
        samples: of one shape.
        block: neighbouring rows that are drawn together; None: the rows stay as they are, since there is one of a kind.
        seed: of the draws.
        draws: how many.
    """
    random = np.random.default_rng(seed)
    n_times, n_members = samples[0].shape
    found = []
    for _ in range(draws):
        rows = np.arange(n_times)
        if block:
            # of a short sample at least four
            together = min(block, max(n_times // 4, 1))
            starts = random.integers(0, n_times, -(-n_times // together))
            rows = ((starts[:, None] + np.arange(together)) % n_times).ravel()[:n_times]
        members = random.integers(0, n_members, n_members)
        found.append(statistic(*(sample[np.ix_(rows, members)] for sample in samples)))
    return Figure(float(statistic(*samples)), float(np.std(found, ddof=1)))
