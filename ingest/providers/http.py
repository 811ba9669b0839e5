"""JSON over HTTP from one source, politely: turns and a deadline, retries, a breaker, and a key that never leaves it.

The key travels in a header and nowhere else. What a source says is kept as text in errors and summaries, so a reply
that repeats the key has it taken out before anybody sees it, and errors of the libraries below, which hold the request
and sometimes quote its headers, are replaced and not chained.
"""

import json
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from ingest.providers.base import Answer, Outcome, Usage
from ingest.providers.limits import CircuitBreaker, Deadline, RateLimiter

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

_LONGEST_DETAIL = 200
_LARGEST_REPLY_BYTES = 64_000_000
# Fields of replies that hold a message for people.
_MESSAGES = ("error", "message", "Error Message")
_SERVER_TROUBLE = frozenset({408, 425, 499})


class SourceError(Exception):
    """Why a source gave no data: what a provider answers for the symbol, in one line without any secret."""

    def __init__(
        self, outcome: Outcome, detail: str, *, again: bool = False, stop: bool = False, pause_seconds: float = 0.0
    ) -> None:
        """Say what happened.

        Args:
            outcome: how the source answered.
            detail: what a person should know about it.
            again: asking again may help.
            stop: the source is to be left alone for the rest of the run.
            pause_seconds: how long nothing may be asked, as the source said.
        """
        super().__init__(f"{outcome} ({detail})")
        self.outcome, self.detail = outcome, detail
        self.again, self.stop, self.pause_seconds = again, stop, pause_seconds

    @property
    def answer(self) -> Answer:
        """The same as an answer for one symbol."""
        return Answer(self.outcome, self.detail)


class ForeignHostError(SourceError):
    """A next page is on a host that is none of the source's; nothing was sent there."""


class Reply(NamedTuple):
    """What came back: `body` is the decoded JSON, numbers with a fraction as Decimal, None where it is no JSON."""

    status: int
    text: str
    body: Any

    @property
    def summary(self) -> str:
        """The reply in one short line: its status and what it says of itself."""
        fields = self.body if isinstance(self.body, dict) else {}
        told = next((fields[name] for name in _MESSAGES if isinstance(fields.get(name), str)), self.text)
        return f"{self.status} {one_line(told)}".rstrip()


class Pace(NamedTuple):
    """How patient a client is. Waits between attempts grow from `backoff_seconds`, doubled each time, with jitter."""

    attempts: int = 4
    timeout_seconds: float = 30.0
    reply_seconds: float = 120.0  # for a whole reply, however slowly it comes
    backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 30.0
    limited_seconds: float = 60.0  # after a refusal for too many requests that does not say how long


PATIENT = Pace()


def judge_status(reply: Reply) -> SourceError | None:
    """Return what is wrong with a reply by its status alone, None where it is JSON with status 200."""
    status, summary = reply.status, reply.summary
    if status == 200:
        if reply.body is not None:
            return None
        return SourceError(Outcome.UNREACHABLE, f"no JSON: {summary}", again=True)
    if status == 429:
        return SourceError(Outcome.RATE_LIMITED, summary, again=True)
    if status >= 500 or status in _SERVER_TROUBLE:
        return SourceError(Outcome.UNREACHABLE, summary, again=True)
    if status in (401, 402, 403):
        return SourceError(Outcome.REFUSED, summary, stop=status == 401)
    if status == 404:
        return SourceError(Outcome.NOT_FOUND, summary)
    return SourceError(Outcome.BAD_DATA, summary)


class JsonClient:
    """One source's HTTP API. Safe to share between threads, and meant to be: its limits are the key's."""

    def __init__(
        self,
        label: str,
        base_url: str,
        key: SecretStr,
        *,
        header: str,
        prefix: str = "",
        limiter: RateLimiter,
        deadline: Deadline,
        breaker: CircuitBreaker | None = None,
        usage: Usage | None = None,
        judge: Callable[[Reply], SourceError | None] = judge_status,
        other_hosts: frozenset[str] = frozenset(),
        pace: Pace = PATIENT,
    ) -> None:
        """Prepare, without a connection.

        Args:
            label: how messages call the source.
            base_url: what paths are put after.
            key: sent as `header: prefix + key` with every request.
            header: the name of that header.
            prefix: such as `Bearer `.
            limiter: gives each request its turn.
            deadline: nothing is asked after it.
            breaker: opens after repeated 429s, and after as many requests that failed with all their retries.
            usage: where requests and retries are counted.
            judge: says what is wrong with a reply.
            other_hosts: where `follow` may go beside the base's own, by https.
            pace: attempts and waits.
        """
        self.label = label
        self.usage = usage or Usage()
        self._base_url = base_url.rstrip("/")
        self._key = SecretStr(key.get_secret_value().strip())
        self._header, self._prefix = header, prefix
        self._limiter, self._deadline = limiter, deadline
        self._breaker = breaker or CircuitBreaker()
        self._judge, self._other_hosts, self._pace = judge, other_hosts, pace
        self._lock = threading.Lock()
        self._stopped = self._unusable()
        self._told = False

    def __repr__(self) -> str:
        return f"JsonClient({self.label!r})"

    def problems(self) -> list[str]:
        """Return why the source is left alone, once: later calls have nothing to add."""
        with self._lock:
            told, self._told = self._told, self._stopped is not None
        return [f"not asked again in this run: {self._stopped}"] if self._stopped and not told else []

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Reply:
        """Ask for a path under the base URL.

        Raises:
            SourceError: it gave no data; NOT_ASKED where no request was sent, after the deadline or a `stop`.
        """
        import httpx

        return self._ask(lambda: httpx.URL(f"{self._base_url}/{path.lstrip('/')}"), params)

    def follow(self, url: str) -> Reply:
        """Ask for the absolute URL of a next page, with the key, if it is one of this source's hosts.

        Raises:
            ForeignHostError: it is not.
            SourceError: as `get`.
        """
        return self._ask(lambda: self._trusted(url), None)

    def _ask(self, url: "Callable[[], httpx.URL]", params: Mapping[str, str | int] | None) -> Reply:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, SourceError) and error.again),
            stop=stop_after_attempt(self._pace.attempts) | self._out_of_time,
            wait=self._wait_seconds,
            # The pause delays the next turn of every thread, so waiting means waiting for the next turn.
            sleep=self._limiter.pause,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    return self._once(url, params, again=attempt.retry_state.attempt_number > 1)
        except SourceError as error:
            if error.outcome == Outcome.UNREACHABLE:
                self._refused(error)
            raise
        raise AssertionError("tenacity ends with a result or an error")

    def _once(self, url: "Callable[[], httpx.URL]", params: Mapping[str, str | int] | None, again: bool) -> Reply:
        """Take a turn and send one request.

        Raises:
            SourceError: there was no turn, or the reply is not what was asked for.
        """
        if self._stopped:
            raise SourceError(Outcome.NOT_ASKED, f"{self.label} is left alone in this run: {self._stopped}")
        target = url()
        if not self._limiter.wait(self._deadline):
            raise SourceError(Outcome.NOT_ASKED, "the run's time for fetching is over: queued for a later night")
        with self._lock:
            self.usage.requests += 1
            self.usage.retries += again
        reply, error, retry_after = self._send(target, params)
        error = error or (self._judge(reply) if reply else None)
        if error is None:
            self._breaker.answered()
            return reply
        if error.outcome == Outcome.RATE_LIMITED:
            error.pause_seconds = self._pace.limited_seconds if retry_after is None else retry_after
            self._refused(error)
        else:
            error.pause_seconds = retry_after or 0.0
            if error.outcome != Outcome.UNREACHABLE:
                self._breaker.answered()
        if error.again or error.outcome == Outcome.RATE_LIMITED:
            self._limiter.pause(error.pause_seconds)
        if error.stop:
            self._stopped = self._stopped or error.detail
        error.again = error.again and not self._stopped
        raise error

    def _send(
        self, url: "httpx.URL", params: Mapping[str, str | int] | None
    ) -> tuple[Reply | None, SourceError | None, float | None]:
        """Return the reply or what kept it from coming, and the seconds that the source asks to be left alone."""
        import httpx

        started = time.monotonic()
        try:
            with self._http.stream("GET", url, params=params) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() - started > self._pace.reply_seconds:
                        return None, self._unreachable("the reply took too long"), None
                    if len(content) > _LARGEST_REPLY_BYTES:
                        return None, SourceError(Outcome.BAD_DATA, "the reply is too large"), None
                if response.is_redirect:
                    host = one_line(response.next_request.url.host if response.next_request else "")
                    detail = f"{response.status_code} redirects to {host or 'nowhere'}, which is not followed"
                    return None, SourceError(Outcome.UNREACHABLE, detail), None
                text = bytes(content).decode("utf-8", errors="replace")
                text = text.replace(self._key.get_secret_value(), "[key]")
                retry_after = retry_after_seconds(response.headers.get("Retry-After"))
                return Reply(response.status_code, text, _decoded(text)), None, retry_after
        # The message of such an error may quote a header, so only its kind is reported.
        except httpx.TimeoutException:
            return None, self._unreachable("no answer in time"), None
        # OSError and ValueError: the settings of proxies and certificates in the environment cannot be used.
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError) as error:
            return None, self._unreachable(f"no connection: {type(error).__name__}"), None

    def _unreachable(self, detail: str) -> SourceError:
        return SourceError(Outcome.UNREACHABLE, detail, again=True)

    def _refused(self, error: SourceError) -> None:
        """Count a refusal; where that opens the breaker the source is left alone."""
        self._breaker.refused()
        if self._breaker.is_open:
            self._stopped = self._stopped or f"it keeps failing, last with: {error.answer}"

    def _wait_seconds(self, state: "RetryCallState") -> float:
        error = state.outcome.exception() if state.outcome else None
        doubled = self._pace.backoff_seconds * 2 ** (state.attempt_number - 1)
        backoff = min(self._pace.longest_backoff_seconds, doubled) * random.uniform(0.5, 1.5)  # noqa: S311
        return max(getattr(error, "pause_seconds", 0.0), backoff)

    def _out_of_time(self, state: "RetryCallState") -> bool:
        return state.upcoming_sleep >= self._deadline.seconds_left

    @cached_property
    def _http(self) -> "httpx.Client":
        import httpx

        # They log every request at INFO and DEBUG. What a night's log needs of that is in the summary.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return httpx.Client(
            headers={self._header: self._prefix + self._key.get_secret_value(), "Accept": "application/json"},
            timeout=self._pace.timeout_seconds,
            # httpx does not know that this header is a key, and would send it along when a redirect leads to another
            # host.
            follow_redirects=False,
        )

    def _unusable(self) -> str | None:
        """Say what is wrong with the key or the address, which would otherwise fail with a message that quotes it."""
        key = self._key.get_secret_value()
        if not (key and key.isascii() and key.isprintable()):
            return "its key is empty, or has characters that no HTTP header can carry"
        try:
            address = urlsplit(self._base_url)
            usable = address.scheme in ("http", "https") and address.hostname and address.port != 0
        except ValueError:
            usable = False
        return None if usable else "its address does not begin with https:// and the name of a host"

    def _trusted(self, url: str) -> "httpx.URL":
        import httpx

        base = httpx.URL(self._base_url)
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL:
            raise ForeignHostError(Outcome.BAD_DATA, "the next page has no readable address: not asked") from None
        ours = (target.scheme, target.host, target.port) == (base.scheme, base.host, base.port)
        allied = target.scheme == "https" and target.host in self._other_hosts and target.port is None
        # A name before the host (https://api.example.com@elsewhere) would replace the key's header.
        if target.userinfo or not (ours or allied):
            raise ForeignHostError(
                Outcome.BAD_DATA, f"the next page is on {one_line(target.host)}, not one of its hosts: not asked"
            )
        return target


def one_line(text: str) -> str:
    """Return a text from outside as one short printable line."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 10 * _LONGEST_DETAIL]).split())
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None


def retry_after_seconds(value: str | None) -> float | None:
    """Read a `Retry-After`: seconds, or an HTTP date; None where there is none that can be read."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
