"""What one command costs: time, CPU and memory of its process and of PostgreSQL, statements, rows, bytes.

A command is cut into spans at the moments that its ledger entry names: the start, each piece of work, the end.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import sqlparse

OWN_NAME = "benchmarks"
SAMPLE_SECONDS = 0.1

_ENTRY = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC \[\d+\] (?P<name>(?:(?! [A-Z]+:  ).)*) "
    r"LOG:  (?:statement|execute [^:]*): (?P<text>.*(?:\n\t.*)*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Span:
    """A part of a command. CPU is in seconds; peaks are bytes of private memory while it lasted."""

    name: str
    seconds: float
    python_cpu: float
    postgres_cpu: float
    python_peak: int
    postgres_peak: int
    statements: int


@dataclass(frozen=True)
class Measurement:
    """What a command cost, as a whole and by span.

    `parts` are seconds of start-up (imports, parsing, start and end of the process), of dbt, and of everything else.
    `rows` counts rows inserted, updated and deleted by table; `statements_of` statements by application name.
    """

    scenario: str
    command: str
    seconds: float
    parts: Mapping[str, float]
    spans: Sequence[Span]
    statements: int
    statements_of: Mapping[str, int]
    rows: Mapping[str, int]
    wal_bytes: int
    growth_bytes: int


@dataclass(frozen=True)
class _Sample:
    time: float
    python_cpu: float
    python_bytes: int
    postgres_cpu: float
    postgres_bytes: int


class Sampler:
    """Looks at a process and at the server, every tenth of a second."""

    def __init__(self, postmaster: int):
        self._postmaster = psutil.Process(postmaster)
        self._samples: list[_Sample] = []

    @contextmanager
    def watch(self, pid: int) -> Iterator[None]:
        """Sample while the block runs."""
        done = threading.Event()
        process = psutil.Process(pid)

        def look() -> None:
            while not done.wait(SAMPLE_SECONDS):
                self._look(process)

        self._look(process)
        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self._look(process)

    def finish(self, python_cpu: float) -> None:
        """Take a last look at the server, once the process has ended with so many seconds of CPU."""
        cpu, private = self._server()
        self._samples.append(_Sample(time.time(), python_cpu, 0, cpu, private))

    def cpu_between(self, start: float, end: float) -> tuple[float, float]:
        """Seconds of CPU of the process and of the server between two moments."""
        (python_then, postgres_then), (python_now, postgres_now) = self._cpu_at(start), self._cpu_at(end)
        return python_now - python_then, postgres_now - postgres_then

    def peaks_between(self, start: float, end: float) -> tuple[int, int]:
        """Most memory that the process and the server had between two moments, bytes; what they began with counts."""
        times = [sample.time for sample in self._samples]
        within = self._samples[max(bisect_left(times, start) - 1, 0) : bisect_right(times, end)]
        return max(sample.python_bytes for sample in within), max(sample.postgres_bytes for sample in within)

    def _cpu_at(self, moment: float) -> tuple[float, float]:
        times = [sample.time for sample in self._samples]
        after = min(max(bisect_left(times, moment), 1), len(times) - 1)
        one, other = self._samples[after - 1], self._samples[after]
        share = min(max((moment - one.time) / max(other.time - one.time, 1e-9), 0.0), 1.0)
        return (
            one.python_cpu + share * (other.python_cpu - one.python_cpu),
            one.postgres_cpu + share * (other.postgres_cpu - one.postgres_cpu),
        )

    def _look(self, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):
            with process.oneshot():
                used, memory = process.cpu_times(), _private(process)
            self._samples.append(_Sample(time.time(), used.user + used.system, memory, *self._server()))

    def _server(self) -> tuple[float, int]:
        """CPU of the postmaster, of its processes that live, and of those that it has buried; and private bytes."""
        used = self._postmaster.cpu_times()
        cpu = used.user + used.system + used.children_user + used.children_system
        private = _private(self._postmaster)
        for child in self._postmaster.children():
            with suppress(psutil.NoSuchProcess), child.oneshot():
                used = child.cpu_times()
                cpu += used.user + used.system
                private += _private(child)
        return cpu, private


def _private(process: psutil.Process) -> int:
    """What a process has in memory for itself: shared_buffers, which all backends map, are left out."""
    memory = process.memory_info()
    return memory.rss - getattr(memory, "shared", 0)


@dataclass(frozen=True)
class Statement:
    """One statement as the server's log has it."""

    time: float
    application: str
    count: int


def read_statements(log: Path, offset: int) -> list[Statement]:
    """The statements that the server has logged since it had written so many bytes, but for the benchmark's own.

    Several in one message count as so many.
    """
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace")
    return [
        Statement(
            datetime.fromisoformat(entry["time"]).replace(tzinfo=UTC).timestamp(),
            entry["name"],
            max(sum(1 for part in sqlparse.split(entry["text"]) if part.strip(" ;\n\t")), 1),
        )
        for entry in _ENTRY.finditer(text)
        if entry["name"] != OWN_NAME
    ]


@dataclass(frozen=True)
class Totals:
    """What the server has counted so far."""

    wal: int
    size: int
    rows: Mapping[tuple[int, str], int] = field(default_factory=dict)


def read_totals(conn: psycopg.Connection) -> Totals:
    """Read the server's counters of this database."""
    wal, size = conn.execute(
        "select (pg_current_wal_insert_lsn() - '0/0')::bigint, pg_database_size(current_database())"
    ).fetchone()
    tables = conn.execute(
        "select relid, schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables"
    )
    return Totals(wal, size, {(relation, name): count for relation, name, count in tables})


def rows_between(before: Totals, after: Totals) -> dict[str, int]:
    """Rows written by table, most first; of a table that was made anew, all there are."""
    written: Counter[str] = Counter()
    for table, count in after.rows.items():
        written[table[1]] += count - before.rows.get(table, 0)
    return {name: count for name, count in written.most_common() if count}


def cut_spans(
    sampler: Sampler, statements: Sequence[Statement], borders: Sequence[tuple[str, float]], end: float
) -> list[Span]:
    """The spans that begin at these moments, each up to the next."""
    spans = []
    moments = [*(moment for _, moment in borders), end]
    for (name, start), stop in zip(borders, moments[1:], strict=True):
        first, last = name == borders[0][0], stop == end
        counted = sum(each.count for each in statements if (first or each.time >= start) and (last or each.time < stop))
        spans.append(
            Span(
                name,
                stop - start,
                *sampler.cpu_between(start, stop),
                *sampler.peaks_between(start, stop),
                counted,
            )
        )
    return spans
