"""What keeps a run polite and finite: a deadline, a rate limit for each host, a breaker after repeated refusals."""

import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deadline:
    """A moment of `time.monotonic()` after which nothing new is asked."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def seconds_left(self) -> float:
        """How long there is, 0 when it has passed."""
        return max(0.0, self.at - time.monotonic())


@dataclass
class RateLimiter:
    """Evenly spaced turns, so many a minute and no burst, shared by the threads of one process."""

    per_minute: float
    _next_turn: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self, deadline: Deadline) -> bool:
        """Wait for the next turn and take it; False, at once, where it would come after the deadline."""
        with self._lock:
            turn = max(time.monotonic(), self._next_turn)
            if turn >= deadline.at:
                return False
            self._next_turn = turn + 60 / self.per_minute
        time.sleep(max(0.0, turn - time.monotonic()))
        return True

    def pause(self, seconds: float) -> None:
        """Give no turn for so long: what a source asked for with `Retry-After`."""
        with self._lock:
            self._next_turn = max(self._next_turn, time.monotonic() + seconds)


@dataclass
class CircuitBreaker:
    """Opens after so many refusals in a row, and stays open for the run: the rest is for the next source."""

    threshold: int = 3
    _refusals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether the source is to be left alone."""
        return self._refusals >= self.threshold

    def refused(self) -> None:
        """Count a refusal."""
        with self._lock:
            self._refusals += 1

    def answered(self) -> None:
        """Count an answer, which ends a row of refusals; an open breaker stays open."""
        with self._lock:
            if not self.is_open:
                self._refusals = 0
