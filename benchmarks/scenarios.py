"""What is measured, in order: the prices, nights, reruns, a backfill; and the yardstick beside the night."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bench import Bench, open_bench
from benchmarks.books import write_books
from benchmarks.market import cut_market, invent_market, write_market
from benchmarks.measure import Measurement

# The longest window of the analytics needs 253 sessions. A night loads this many before its first session.
HISTORY_SESSIONS = 400
# The first night builds everything, the second warms up, the third is measured.
NIGHTS = 3


@dataclass(frozen=True)
class Size:
    """How large the benchmark is.

    `sessions` is what the backfill spans, `loop` how many portfolios the pandas loop goes over, `market` where the
    prices come from, and `workers` how many processes compute risk.
    """

    portfolios: int
    positions: int
    symbols: int
    sessions: int
    seed: int
    loop: int
    market: str = "invented"
    workers: int = 1


@dataclass
class Results:
    """Everything that was measured, in plain values but for the measurements."""

    size: Size
    machine: dict[str, Any] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    yardstick: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)

    def of(self, scenario: str) -> Measurement:
        """The measurement of a scenario."""
        return next(each for each in self.measurements if each.scenario == scenario)

    def as_json(self) -> dict[str, Any]:
        """In plain JSON values."""
        return asdict(self)


def run_scenarios(size: Size, market: Path | None, keep: Path | None, say: Callable[[str], None]) -> Results:
    """Build the market and the books, run everything, and say what it cost."""
    results = Results(size)
    with _home(keep) as home:
        say("building the market and the books")
        n_sessions = HISTORY_SESSIONS + NIGHTS + size.sessions
        if market:
            made = cut_market(market, size.symbols, n_sessions)
        else:
            made = invent_market(size.symbols, n_sessions, size.seed)
        write_market(made, home / "market")
        write_books(made, size.portfolios, size.positions, HISTORY_SESSIONS, size.seed, home / "books")
        first, warm, night = (day.isoformat() for day in made.sessions[HISTORY_SESSIONS : HISTORY_SESSIONS + NIGHTS])
        last = made.sessions[-1].isoformat()

        with open_bench(home / "home", home / "market", size.workers) as bench:
            results.machine = _machine(bench)

            def measure(scenario: str, *arguments: str) -> None:
                say(scenario)
                results.measurements.append(bench.measure(scenario, *arguments))

            measure("load", "load", str(home / "books"))
            measure("prices", "backfill", "--phase", "1", "--start", first, "--end", last, "--json")
            measure("first night", "run", "--date", first, "--from-phase", "2", "--json")
            measure("warm-up", "run", "--date", warm, "--from-phase", "2", "--json")
            measure("night", "run", "--date", night, "--from-phase", "2", "--json")
            if size.loop:
                say("the pandas loop")
                results.yardstick = _yardstick(bench, results, night)
            measure("night, nothing new", "run", "--date", night, "--from-phase", "2", "--json")
            measure("analytics, nothing new", "analytics", "--date", night, "--json")
            measure("analytics again", "analytics", "--date", night, "--force", "--json")
            if size.sessions:
                start = made.sessions[HISTORY_SESSIONS + NIGHTS].isoformat()
                dbt = [word for number in ("2", "2.5", "2.75") for word in ("--phase", number)]
                bench.mark()
                measure("backfill of P&L", "backfill", "--end", last, *dbt, "--json")
                measure("analytics of the backfill", "analytics", "--start", start, "--end", last, "--json")
                bench.rewind()
                bench.drop_mark()
                measure("backfill with analytics", "backfill", "--end", last, "--from-phase", "2", "--json")
            results.tables = _tables(bench)
    return results


@contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="afterclose-benchmark-") as folder:
        yield Path(folder).resolve()


def _yardstick(bench: Bench, results: Results, night: str) -> dict[str, Any]:
    """The per-portfolio loop over the night just measured: its cost, and how far its numbers are from the stored."""
    size, found = results.size, bench.home / "yardstick.json"
    loop = bench.measure_process(
        "pandas loop", ["-m", "benchmarks.pandas_loop", bench.database.url, night, str(size.loop), str(found)], "loop"
    )
    measured = json.loads(found.read_text())
    night_cost = results.of("night")
    # The work of the loop grows with the number of portfolios, so a few of them give the time of all.
    times = size.portfolios / measured["portfolios"]
    return {
        "measurement": asdict(loop),
        **measured,
        "ratio_of_work": times * measured["seconds"] / max(night_cost.parts["dbt"] + night_cost.parts["own"], 1e-9),
        "ratio_of_statements": times * loop.statements / max(night_cost.statements, 1),
    }


def _machine(bench: Bench) -> dict[str, Any]:
    (version,) = bench.query("select current_setting('server_version')")[0]
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.system(),
        "python": platform.python_version(),
        "postgres": version,
        # if this is above the number of processors, other work was going on too
        "load_average_before": os.getloadavg()[0],
    }


def _tables(bench: Bench) -> dict[str, dict[str, int]]:
    """Rows and bytes of the largest tables at the end, indexes apart."""
    rows = bench.query(
        """
        select
            schemaname || '.' || relname, n_live_tup, pg_table_size(relid), pg_indexes_size(relid)
        from pg_stat_user_tables
        order by pg_total_relation_size(relid) desc
        limit 20
        """
    )
    return {name: {"rows": count, "bytes": size, "index_bytes": indexes} for name, count, size, indexes in rows}
