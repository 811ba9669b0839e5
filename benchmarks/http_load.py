"""Many requests over a few connections that stay open, each sent when the answer before it is there."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class Target:
    """What to ask for."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def written(self, host: str) -> bytes:
        """The request as it is sent."""
        lines = [
            f"GET {quote(self.path, safe='/?&=%-._~')} HTTP/1.1",
            f"Host: {host}",
            *map(": ".join, self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class HttpAnswer:
    """What came back; `headers` have names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Load:
    """What requests cost: seconds in all, milliseconds of each, how many of each status, and what went wrong.

    `cpu_seconds` are the client's own.
    """

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0

    @property
    def count(self) -> int:
        """How many answers there were."""
        return len(self.milliseconds)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.count / self.seconds

    def quantile(self, percent: int) -> float:
        """Milliseconds that so many percent of the answers took at most."""
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


Look = Callable[[Target, HttpAnswer], str | None]


async def run_load(
    url: str,
    targets: Iterator[Target],
    *,
    connections: int,
    goes_on: Callable[[Load], bool],
    look: Look | None = None,
    per_second: float | None = None,
) -> Load:
    """Ask for one target after another until `goes_on` says no; `look` says what is wrong with an answer.

    With `per_second` requests begin at that rate in all; a wait for a free connection counts as time of the request.
    """
    load, host = Load(), urlsplit(url).netloc
    began, own = time.perf_counter(), time.process_time()
    starts = None if per_second is None else (began + place / per_second for place in itertools.count())

    async def keep_asking() -> None:
        reader, writer = await asyncio.open_connection(*host.split(":"))
        try:
            while goes_on(load):
                target = next(targets)
                start = time.perf_counter() if starts is None else next(starts)
                if (early := start - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                writer.write(target.written(host))
                answer = await _read(reader)
                load.milliseconds.append((time.perf_counter() - start) * 1000)
                load.statuses[answer.status] += 1
                if look and (problem := look(target, answer)):
                    load.problems[problem] += 1
        finally:
            writer.close()

    await asyncio.gather(*(keep_asking() for _ in range(connections)))
    load.seconds, load.cpu_seconds = time.perf_counter() - began, time.process_time() - own
    return load


async def ask(url: str, target: Target) -> HttpAnswer:
    """One answer."""
    host = urlsplit(url).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write(target.written(host))
        return await _read(reader)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> HttpAnswer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return HttpAnswer(int(first.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0))))
