"""A warehouse for benchmarks: a home of its own, whose server is held open while commands run as ordinary processes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.measure import (
    OWN_NAME,
    Measurement,
    Sampler,
    cut_spans,
    read_statements,
    read_totals,
    rows_between,
)
from warehouse.database import DEFAULT_NAME, Database, create_if_missing, libpq_url
from warehouse.server import EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

MARK = "benchmark_mark"
_DBT_PHASES = frozenset({"2", "2.5", "2.75"})


class CommandFailed(Exception):  # noqa: N818
    """A command of the project ended with another status than 0; the message is what it printed."""


@dataclass
class Bench:
    """The warehouse in `home`, on a server that logs every statement."""

    home: Path
    market: Path
    version: int
    parameters: Mapping[str, str]
    workers: int = 1

    @property
    def database(self) -> Database:
        """The database that the commands work on."""
        return Database(libpq_url({**self.parameters, "dbname": DEFAULT_NAME}), embedded=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command of the project work in this home, whatever is set around us."""
        ours = {field.alias: "" for field in Settings.model_fields.values() if field.alias}
        rest = {name: value for name, value in os.environ.items() if not name.startswith("PG") and name not in ours}
        return {
            **rest,
            **ours,
            "AFTERCLOSE_HOME": str(self.home),
            "AFTERCLOSE_PROVIDERS": f"files:{self.market}",
            "AFTERCLOSE_POSTGRES_VERSION": str(self.version),
            "AFTERCLOSE_WORKERS": str(self.workers),
        }

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.database.connect(OWN_NAME) as conn:
            cursor = conn.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def measure(self, scenario: str, *arguments: str) -> Measurement:
        """Run `python run_nightly.py …`, which has to succeed, and say what it cost."""
        return self.measure_process(scenario, ["run_nightly.py", *arguments], shown=" ".join(arguments))

    def measure_process(self, scenario: str, arguments: Sequence[str], shown: str) -> Measurement:
        """Run Python with these arguments in the project's root, and say what it cost."""
        log = self.home / "postgres" / "server.log"
        sampler = Sampler(int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]))
        with self.database.connect(OWN_NAME) as conn:
            before, offset = read_totals(conn), log.stat().st_size
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.time()
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if arguments[0] != "run_nightly.py" else subprocess.PIPE,
                text=True,
            )
            with sampler.watch(process.pid):
                out, err = process.communicate()
            end = time.time()
            if process.returncode:
                raise CommandFailed(f"{shown} ended with {process.returncode}:\n{out}{err or ''}")
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            _wait_for_others_to_leave(conn)
            sampler.finish(used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime)
            after = read_totals(conn)
            summary = _summary(out)
            statements = read_statements(log, offset)
            borders = _borders(conn, summary, start) if summary else [("all", start)]
        of_application: Counter[str] = Counter()
        for each in statements:
            of_application[each.application] += each.count
        return Measurement(
            scenario=scenario,
            command=shown,
            seconds=end - start,
            parts=_parts(summary, end - start),
            spans=cut_spans(sampler, statements, borders, end),
            statements=sum(of_application.values()),
            statements_of=dict(of_application.most_common()),
            rows=rows_between(before, after),
            wal_bytes=after.wal - before.wal,
            growth_bytes=after.size - before.size,
        )

    def mark(self) -> None:
        """Remember the database as it is, to come back to."""
        self._remake(MARK, DEFAULT_NAME)

    def rewind(self) -> None:
        """Bring the database back to the mark."""
        self._remake(DEFAULT_NAME, MARK)

    def drop_mark(self) -> None:
        """Forget the mark."""
        with self._maintenance() as conn:
            conn.execute(f"drop database if exists {MARK}")

    def _remake(self, name: str, template: str) -> None:
        with self._maintenance() as conn:
            conn.execute(f"drop database if exists {name}")
            conn.execute(f"create database {name} template {template} strategy file_copy")

    def _maintenance(self) -> psycopg.Connection:
        return Database(libpq_url({**self.parameters, "dbname": "postgres"}), embedded=True).connect(OWN_NAME)


@contextmanager
def open_bench(home: Path, market: Path, workers: int = 1) -> Iterator[Bench]:
    """Start a server in `home` and keep it for the length of the block."""
    version = Settings(_env_file=None).postgres_version
    with EmbeddedServer(home, version, {"log_statement": "all"}).running() as parameters:
        create_if_missing(parameters, DEFAULT_NAME)
        yield Bench(home, market, version, parameters, workers)


def _summary(out: str) -> dict[str, Any] | None:
    """The JSON that a night prints; None for a command that prints other things."""
    try:
        summary = json.loads(out)
    except json.JSONDecodeError:
        return None
    return summary if isinstance(summary, dict) and "phases" in summary else None


def _borders(conn: psycopg.Connection, summary: Mapping[str, Any], start: float) -> list[tuple[str, float]]:
    """When each span of a night began: its start, its pieces of work (dbt's phases are one), its end."""
    phases = conn.execute(
        "select phase, extract(epoch from started_at)::float8 from ops.batch_phases where run_id = %s"
        " order by started_at, phase::numeric",
        (summary["run_id"],),
    ).fetchall()
    borders = [("start", start)]
    for phase, began in phases:
        if phase in _DBT_PHASES and borders[-1][0].startswith("dbt"):
            borders[-1] = (f"{borders[-1][0]}, {phase}", borders[-1][1])
        else:
            borders.append((f"dbt {phase}" if phase in _DBT_PHASES else f"phase {phase}", began))
    return [*borders, ("end", datetime.fromisoformat(summary["finished_at"]).timestamp())]


def _parts(summary: Mapping[str, Any] | None, seconds: float) -> dict[str, float]:
    """Seconds of start-up, of dbt and of own work; together all there are."""
    if summary is None:
        return {"own": seconds}
    started, finished = (datetime.fromisoformat(summary[name]) for name in ("started_at", "finished_at"))
    inside = (finished - started).total_seconds()
    start_up = sum(phase["start_up_seconds"] for phase in summary["phases"])
    dbt = sum(
        phase["seconds"] - phase["start_up_seconds"] for phase in summary["phases"] if phase["phase"] in _DBT_PHASES
    )
    return {"start_up": seconds - inside + start_up, "dbt": dbt, "own": inside - start_up - dbt}


def _wait_for_others_to_leave(conn: psycopg.Connection, patience: float = 10.0) -> None:
    """Wait until the backends of a process that has ended are gone: what they counted is known then."""
    deadline = time.monotonic() + patience
    others = (
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        " and datname = current_database()"
    )
    while conn.execute(others).fetchone()[0] and time.monotonic() < deadline:
        time.sleep(0.05)
