"""Many symbols asked of Yahoo by a few threads, those that failed for a while asked again, none of them lost."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ingest.providers.base import Answer, Outcome, Usage
from ingest.providers.http import SourceError
from ingest.providers.limits import CircuitBreaker, Deadline, RateLimiter

if TYPE_CHECKING:
    import yfinance

    from ingest.providers.yahoo_session import YahooSession

T = TypeVar("T")

# After this many symbols in a row without an answer, the rest waits for the next round.
_OUTAGE = 10


class YahooPace(NamedTuple):
    """How patient a client is. Waits double from one to the next, with jitter."""

    workers: int = 4
    rounds: int = 3  # how often a symbol is asked before it counts as out of reach
    timeout_seconds: float = 20.0
    backoff_seconds: float = 5.0  # before the second round
    limited_seconds: float = 20.0  # after a 429 that does not say how long


class YahooClient:
    """Yahoo by way of yfinance. One is in use at a time in a process: yfinance has one session for all."""

    def __init__(self, per_minute: float, deadline: Deadline, pace: YahooPace | None = None) -> None:
        """Prepare, without importing yfinance; `per_minute` requests at most, none after the deadline."""
        self.usage = Usage()
        self._pace = pace or YahooPace()
        self._deadline = deadline
        self._limiter = RateLimiter(per_minute)
        self._told = False

    @cached_property
    def session(self) -> "YahooSession":
        """The session of all its requests."""
        from ingest.providers.yahoo_session import YahooSession

        return YahooSession(
            self._limiter,
            self._deadline,
            self.usage,
            timeout_seconds=self._pace.timeout_seconds,
            limited_seconds=self._pace.limited_seconds,
        )

    def ask_each(
        self, yahoo_symbols: Sequence[str], ask: Callable[["yfinance.Ticker"], T]
    ) -> tuple[dict[str, T], dict[str, Answer]]:
        """Call `ask` with a yfinance.Ticker for each symbol in Yahoo's spelling.

        Returns what it returned, and for every other symbol the answer: what `ask` raised, as `trouble` reads it.
        `ask` is called in threads, and again after failures that may pass. It may raise SourceError itself.

        Raises:
            UserError: the installed yfinance is not one that this works with.
        """
        results: dict[str, T] = {}
        failures: dict[str, SourceError] = {}
        pending = list(dict.fromkeys(yahoo_symbols))
        for number in range(self._pace.rounds):
            if number and not self._wait(number):
                break
            self.session.take_over()
            found, failed = self._round(pending, ask, again=number > 0)
            results |= found
            # A symbol that did not get its turn in a later round keeps the reason why it needed one.
            failures |= {
                symbol: error
                for symbol, error in failed.items()
                if symbol not in failures or error.outcome != Outcome.NOT_ASKED
            }
            pending = [symbol for symbol in pending if symbol in failed and failed[symbol].again]
            if not pending or self.session.left_alone:
                break
        return results, {symbol: error.answer for symbol, error in failures.items() if symbol not in results}

    def problems(self) -> list[str]:
        """Return why Yahoo is left alone for the rest of the run, once."""
        reason = None if self._told else self.session.left_alone
        self._told = self._told or reason is not None
        return [f"not asked again in this run: {reason}"] if reason else []

    def _wait(self, number: int) -> bool:
        """Wait before a later round; False where the deadline is nearer."""
        seconds = self._pace.backoff_seconds * 2 ** (number - 1) * random.uniform(0.5, 1.5)  # noqa: S311
        if seconds >= self._deadline.seconds_left:
            return False
        time.sleep(seconds)
        return True

    def _round(
        self, symbols: Sequence[str], ask: Callable[["yfinance.Ticker"], T], *, again: bool
    ) -> tuple[dict[str, T], dict[str, SourceError]]:
        from ingest.providers.yahoo_session import trouble

        results: dict[str, T] = {}
        failed: dict[str, SourceError] = {}
        outage = CircuitBreaker(_OUTAGE)
        lock = threading.Lock()

        def ask_one(symbol: str) -> None:
            if outage.is_open:
                failed[symbol] = SourceError(Outcome.NOT_ASKED, "nothing of Yahoo can be reached", again=True)
                return
            try:
                results[symbol] = ask(self.session.ticker(symbol))
            except Exception as error:
                failed[symbol] = trouble(error)
                if failed[symbol].outcome == Outcome.NOT_ASKED:
                    return
            if symbol in failed and failed[symbol].outcome == Outcome.UNREACHABLE:
                outage.refused()
            else:
                outage.answered()
            with lock:
                self.usage.retries += again

        with ThreadPoolExecutor(self._pace.workers, thread_name_prefix="yahoo") as pool:
            list(pool.map(ask_one, symbols))
        return results, failed
