"""What a request to the API costs, beside the same SQL without it; and how it bears a load, by day and during a night.

    python -m benchmarks.api [--portfolios 100] [--positions 10] [--seconds 60] [--rate N] [--json FILE]

Builds portfolios on an invented market in a temporary folder, runs nights, serves them with `run_nightly.py serve`, and
asks from this process. CPU is of the API and of PostgreSQL. The loop runs the statements of an endpoint in
one connection of psycopg and fetches the rows; pgbench runs the same ones. Ends with 1 where an answer was an error or
mixed two sessions, or memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg
import uvloop
from psycopg import sql

from api.access import Caller
from api.asking import Ask, find_portfolio, find_session
from api.endpoints import ENDPOINTS
from benchmarks.bench import Bench, open_bench
from benchmarks.books import write_books
from benchmarks.http_load import HttpAnswer, Load, Target, ask, run_load
from benchmarks.market import invent_market, write_market
from benchmarks.scenarios import HISTORY_SESSIONS
from benchmarks.wrk import run_wrk
from warehouse.settings import PROJECT_ROOT

CONNECTIONS = 8
SYMBOLS = 200
MEASURED_SECONDS = 5.0
WARM_SECONDS = 1.0
WRK_SECONDS = 20.0
# the largest growth of private memory between a third of the load and its end
MOST_GROWTH = 1.1
KINDS = {"snapshot": ("portfolio_snapshot", ""), "factors": ("portfolio_factors", "/factors")}


@dataclass(frozen=True)
class Cost:
    """What requests, or the loop, or pgbench came to."""

    what: str
    how: str
    per_second: float
    server_ms: float | None
    postgres_ms: float | None
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Processes:
    """The API and PostgreSQL, as the system sees them."""

    api: psutil.Process
    postmaster: psutil.Process

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU of both so far."""
        backends = [self.postmaster, *self.postmaster.children(recursive=True)]
        return _seconds(self.api), sum(_seconds(each) for each in backends)

    def bytes(self) -> int:
        """The API's private memory."""
        return self.api.memory_full_info().uss


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # a backend that has ended is among its parent's children
    return times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


@contextmanager
def served(bench: Bench) -> Iterator[tuple[str, Processes]]:
    """Serve the bench's database: the address, and the processes."""
    log = bench.home / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "run_nightly.py", "serve", "--port", "0"],
            cwd=PROJECT_ROOT,
            env=bench.environment,
            stderr=said,
        )
        try:
            deadline = time.monotonic() + 60
            while not (text := log.read_text()).startswith("http"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"`serve` did not start: {text}")
                time.sleep(0.1)
            postmaster = int((bench.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            yield text.split("/  ")[0], Processes(psutil.Process(process.pid), psutil.Process(postmaster))
        finally:
            process.terminate()
            process.wait(20)


def paths(portfolios: list[str], suffix: str) -> list[str]:
    """One address of each portfolio."""
    return [f"/api/v1/portfolios/{name}{suffix}" for name in portfolios]


def for_seconds(seconds: float) -> Callable[[Load], bool]:
    """Goes on for so long."""
    end = time.perf_counter() + seconds
    return lambda _: time.perf_counter() < end


async def measure_requests(
    url: str, processes: Processes, what: str, how: str, targets: Iterator[Target], expected: int
) -> Cost:
    """Requests over all connections for some seconds."""
    await run_load(url, targets, connections=CONNECTIONS, goes_on=for_seconds(WARM_SECONDS))
    before = processes.cpu()
    load = await run_load(url, targets, connections=CONNECTIONS, goes_on=for_seconds(MEASURED_SECONDS))
    after = processes.cpu()
    if set(load.statuses) != {expected}:
        raise SystemExit(f"{what}, {how}: {dict(load.statuses)}")
    server, postgres = ((now - then) * 1000 / load.count for then, now in zip(before, after, strict=True))
    return Cost(what, how, load.per_second, server, postgres, load.quantile(50), load.quantile(99))


async def measure_kind(url: str, processes: Processes, what: str, addresses: list[str]) -> list[Cost]:
    """An endpoint uncached, cached and unchanged."""
    tags = {path: (await ask(url, Target(path))).headers["etag"] for path in addresses}
    numbers, round_ = itertools.count(), itertools.cycle(addresses)
    # Accept gets a parameter without a meaning, so that nobody has made the same request before.
    fresh = (Target(path, {"Accept": f"application/json;n={next(numbers)}"}) for path in round_)
    kept = (Target(path) for path in itertools.cycle(addresses))
    same = (Target(path, {"If-None-Match": tags[path]}) for path in itertools.cycle(addresses))
    return [
        await measure_requests(url, processes, what, "uncached", fresh, 200),
        await measure_requests(url, processes, what, "cached", kept, 200),
        await measure_requests(url, processes, what, "304", same, 304),
    ]


class Recording(psycopg.Cursor[Any]):
    """Keeps the statements that go through it, with their values."""

    statements: tuple[str, ...] = ()

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Keep and run."""
        text = query.as_string(self) if isinstance(query, sql.Composable) else query
        filled = psycopg.ClientCursor(self.connection).mogrify(text, params)
        Recording.statements = (*Recording.statements, filled)
        return super().execute(query, params, **more)


def statements_of(url: str, endpoint: str, portfolio: str) -> tuple[str, ...]:
    """What an endpoint asks the database for one portfolio."""
    (found,) = (each for each in ENDPOINTS if each.name == endpoint)
    with psycopg.connect(url, cursor_factory=Recording) as conn:
        Recording.statements = ()
        of = find_portfolio(conn, portfolio, Caller())
        found.reads(Ask(conn, found.query(), Caller(), of.version, of, find_session(conn, of, "latest")))
        return tuple(each for each in Recording.statements if each.lstrip().lower().startswith(("select", "with")))


def measure_loop(url: str, processes: Processes, what: str, statements: tuple[str, ...]) -> Cost:
    """The statements in one connection, rows fetched, as fast as it goes."""
    took: list[float] = []
    with psycopg.connect(url, autocommit=True) as conn:
        before, began, own = processes.cpu()[1], time.perf_counter(), time.process_time()
        while time.perf_counter() < began + MEASURED_SECONDS:
            start = time.perf_counter()
            with conn.transaction():
                for statement in statements:
                    conn.execute(statement.encode()).fetchall()
            took.append((time.perf_counter() - start) * 1000)
        seconds, own = time.perf_counter() - began, time.process_time() - own
        postgres = processes.cpu()[1] - before
    cut = statistics.quantiles(took, n=100, method="inclusive")
    n = len(took)
    return Cost(what, "psycopg loop", n / seconds, own * 1000 / n, postgres * 1000 / n, cut[49], cut[98])


async def measure_bare(url: str, processes: Processes) -> Cost:
    """`select 1` over as many connections as the load has, from one process: what such a load costs at the least."""
    took: list[float] = []
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(CONNECTIONS)]
    before, own, began = processes.cpu()[1], time.process_time(), time.perf_counter()

    async def keep_asking(conn: psycopg.AsyncConnection[Any]) -> None:
        while time.perf_counter() < began + MEASURED_SECONDS:
            start = time.perf_counter()
            await (await conn.execute("select 1")).fetchall()
            took.append((time.perf_counter() - start) * 1000)
        await conn.close()

    await asyncio.gather(*map(keep_asking, connections))
    seconds, own, postgres = time.perf_counter() - began, time.process_time() - own, processes.cpu()[1] - before
    cut, n = statistics.quantiles(took, n=100, method="inclusive"), len(took)
    what = f"{CONNECTIONS} connections"
    return Cost("select 1", what, n / seconds, own * 1000 / n, postgres * 1000 / n, cut[49], cut[98])


def measure_pgbench(
    url: str, processes: Processes, what: str, statements: tuple[str, ...], folder: Path
) -> Cost | None:
    """The same by pgbench over as many connections; None where it is not installed."""
    if shutil.which("pgbench") is None:
        return None
    script = folder / "pgbench.sql"
    escaped = (" ".join(statement.split()) for statement in statements)
    script.write_text("begin;\n" + "".join(f"{each};\n" for each in escaped) + "commit;\n")
    before = processes.cpu()[1]
    done = subprocess.run(
        ["pgbench", "-n", "-c", str(CONNECTIONS), "-j", "1", "-T", str(int(MEASURED_SECONDS)), "-f", str(script), url],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"pgbench: {done.stderr}")
    postgres = processes.cpu()[1] - before
    lines = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    per_second = float(lines["tps"].split()[0])
    latency = float(lines["latency average"].split()[0])
    return Cost(what, "pgbench", per_second, None, postgres * 1000 / (per_second * MEASURED_SECONDS), latency)


class Sessions:
    """Looks at answers: one session in each, and never an earlier one after a later one."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self._known: set[tuple[str, str]] = set()

    def __call__(self, target: Target, answer: HttpAnswer) -> str | None:
        """What is wrong with an answer; None where nothing is."""
        if answer.status != 200:
            return f"status {answer.status}"
        key = (target.path, answer.headers["etag"])
        if key in self._known:
            return None
        self._known.add(key)
        body = json.loads(answer.body)
        as_of, data = body["as_of"], body["data"]
        earlier = self.seen.get(target.path, "")
        self.seen[target.path] = max(as_of, earlier)
        if as_of < earlier:
            return f"back from {earlier} to {as_of}"
        if "status" in data:
            days = {as_of, data["snapshot"]["snapshot_date"], data["status"]["published_to"]}
            if len(days) > 1 or data["risk"] is None or not data["sectors"]:
                return f"sessions are mixed: {sorted(days)}"
        return None if answer.headers["etag"] == f'"{body["version"]}"' else "another version's tag"


async def bear(
    url: str, processes: Processes, addresses: list[str], goes_on: Callable[[Load], bool], rate: float | None
) -> tuple[Load, list[int], Sessions]:
    """Ask for all addresses in turn over all connections; the load, samples of memory, and the sessions seen."""
    sessions, memory = Sessions(), []

    async def sample() -> None:
        while True:
            memory.append(processes.bytes())
            await asyncio.sleep(1)

    await run_load(
        url, (Target(each) for each in addresses), connections=1, goes_on=lambda load: load.count < len(addresses)
    )
    sampling = asyncio.create_task(sample())
    try:
        targets = (Target(each) for each in itertools.cycle(addresses))
        load = await run_load(url, targets, connections=CONNECTIONS, goes_on=goes_on, look=sessions, per_second=rate)
    finally:
        sampling.cancel()
    return load, memory, sessions


def told(name: str, load: Load, memory: list[int]) -> dict[str, Any]:
    """A load in plain values."""
    return {
        "load": name,
        "requests": load.count,
        "per_second": load.per_second,
        "p50_ms": load.quantile(50),
        "p99_ms": load.quantile(99),
        "client_ms": load.cpu_seconds * 1000 / load.count,
        "statuses": dict(load.statuses),
        "problems": dict(load.problems),
        "megabytes": [round(memory[place] / 2**20, 1) for place in (0, len(memory) // 3, -1)],
    }


def run(
    portfolios: int, positions: int, seconds: float, rate: float | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Build, serve and measure."""
    with tempfile.TemporaryDirectory(prefix="afterclose-api-") as folder:
        home = Path(folder).resolve()
        say("building the market and the books")
        market = invent_market(SYMBOLS, HISTORY_SESSIONS + 2, 1)
        write_market(market, home / "market")
        write_books(market, portfolios, positions, HISTORY_SESSIONS, 1, home / "books")
        first, second = market.sessions[HISTORY_SESSIONS:]
        with open_bench(home / "home", home / "market") as bench:
            bench.measure("load", "load", str(home / "books"))
            say("the first night")
            bench.measure("prices", "backfill", "--phase", "1", "--start", str(first), "--end", str(second), "--json")
            bench.measure("first night", "run", "--date", str(first), "--from-phase", "2", "--json")
            names = [name for (name,) in bench.query("select name from analytics.portfolios order by name")]
            # the client shares the machine with what it measures, so it has to be cheap
            quick = asyncio.Runner(loop_factory=uvloop.new_event_loop)
            with served(bench) as (url, processes), quick as runner:
                return runner.run(_measure(bench, url, processes, names, second, seconds, rate, home, say))


async def _measure(
    bench: Bench,
    url: str,
    processes: Processes,
    names: list[str],
    next_session: date,
    seconds: float,
    rate: float | None,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    costs: list[Cost] = []
    one = ("select 1",)
    costs.append(measure_loop(bench.database.url, processes, "select 1", one))
    costs.append(await measure_bare(bench.database.url, processes))
    for what, (endpoint, suffix) in KINDS.items():
        say(f"requests: {what}")
        costs += await measure_kind(url, processes, what, paths(names, suffix))
        statements = statements_of(bench.database.url, endpoint, names[0])
        costs.append(measure_loop(bench.database.url, processes, what, statements))
        if by_pgbench := measure_pgbench(bench.database.url, processes, what, statements, folder):
            costs.append(by_pgbench)
    addresses = [path for suffix in ("", "/factors", "/stress-tests") for path in paths(names, suffix)]
    say(f"a load of {CONNECTIONS} connections for {seconds:g} s")
    load, memory, _ = await bear(url, processes, addresses, for_seconds(seconds), rate)
    loads = [told("by day", load, memory)]
    by_wrk = run_wrk(url, addresses, connections=CONNECTIONS, seconds=max(min(seconds, WRK_SECONDS), 1), folder=folder)
    say("the same during a night")
    night = subprocess.Popen(
        [sys.executable, "run_nightly.py", "run", "--date", str(next_session), "--from-phase", "2", "--json"],
        cwd=PROJECT_ROOT,
        env=bench.environment,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "night.log").open("w"),
    )
    until, during = for_seconds(max(seconds, 1)), 0

    def goes_on(load: Load) -> bool:
        nonlocal during
        if night.poll() is None:
            during = load.count
        # every address is asked for once more after the night has ended
        return until(load) or load.count < during + 2 * len(addresses)

    load, memory, sessions = await bear(url, processes, addresses, goes_on, rate)
    if night.returncode:
        raise SystemExit(f"the night failed: {(folder / 'night.log').read_text()}")
    if set(sessions.seen.values()) != {str(next_session)}:
        load.problems["the night's session was never seen"] += 1
    loads.append(told("during a night", load, memory))
    return {"costs": [asdict(each) for each in costs], "loads": loads, "wrk": by_wrk and asdict(by_wrk)}


def failures(results: dict[str, Any]) -> list[str]:
    """What must not happen under any load."""
    found = [f"{load['load']}: {each}" for load in results["loads"] for each in load["problems"]]
    if (wrk := results.get("wrk")) and wrk["errors"]:
        found.append(f"wrk: {wrk['errors']} errors")
    for load in results["loads"]:
        _, third, end = load["megabytes"]
        if end > third * MOST_GROWTH:
            found.append(f"{load['load']}: memory grew from {third} to {end} MB")
    return found


def show(results: dict[str, Any]) -> None:
    """Print what was measured."""
    print(f"{'':<10} {'':<13} {'req/s':>8} {'CPU ms':>8} {'PG ms':>8} {'p50 ms':>8} {'p99 ms':>8}")
    for each in results["costs"]:
        numbers = (each[name] for name in ("per_second", "server_ms", "postgres_ms", "p50_ms", "p99_ms"))
        print(f"{each['what']:<10} {each['how']:<13}", *(f"{'' if n is None else f'{n:.2f}':>8}" for n in numbers))
    for each in results["loads"]:
        print(
            f"{each['load']}: {each['requests']:,} requests, {each['per_second']:.0f}/s, p50 {each['p50_ms']:.1f} ms,"
            f" p99 {each['p99_ms']:.1f} ms, {each['statuses']}, the client's CPU {each['client_ms']:.2f} ms,"
            f" MB at first, a third and the end: {each['megabytes']}"
        )
    p99s = {"p99 by day": results["loads"][0]["p99_ms"]}
    if wrk := results["wrk"]:
        p99s["p99 of wrk"] = wrk["p99_ms"]
        print(
            f"by wrk: {wrk['requests']:,} requests, {wrk['requests'] / wrk['seconds']:.0f}/s,"
            f" p50 {wrk['p50_ms']:.2f} ms, p99 {wrk['p99_ms']:.2f} ms, {wrk['errors']} errors"
        )
    for bare, (name, p99) in itertools.product(
        (each for each in results["costs"] if each["what"] == "select 1"), p99s.items()
    ):
        print(f"{name} is {p99 / bare['p50_ms']:.1f} times the median of `select 1`, {bare['how']}")


def main() -> None:
    """Measure, print, and fail where something must not have happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portfolios", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, help="Requests a second under load; as many as go without it.")
    parser.add_argument("--json", type=Path, help="Write the results here.")
    given = parser.parse_args()
    results = run(
        given.portfolios, given.positions, given.seconds, given.rate, lambda text: print(text, file=sys.stderr)
    )
    show(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    if problems := failures(results):
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
