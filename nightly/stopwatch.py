"""Measures what happens in several places, or deep inside something else."""

from __future__ import annotations

import time


class Stopwatch:
    """Runs inside its `with` blocks, and adds them up in `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
