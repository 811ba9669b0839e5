"""Worker processes, where a run has some: each computes units of its own, with its own connection.

Only the run decides what is due. A worker writes only while its run is alive: it holds the writers' lock of that run,
as every connection of a run does, and checks before each transaction that the run lock is still held. Work that a
worker does not finish, for whatever reason, is done again by the run itself.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg
from threadpoolctl import threadpool_limits

from python_models.definitions import Definitions, StressScenario
from python_models.fingerprints import method_fingerprint
from python_models.inputs import (
    Asked,
    Inputs,
    SessionInputs,
    cut_portfolios,
    read_inputs,
    read_portfolio_blocks,
    read_session_blocks,
)
from python_models.read import Size
from python_models.units import Done, compute_blocks
from warehouse.database import Database
from warehouse.errors import TakenOver, UserError
from warehouse.locks import run_is_going

# A late worker keeps the others waiting for a shorter time when it has few sessions.
_UNITS_A_WORKER = 3

_INSTALL = "install it with pip install 'afterclose[dask]'"


@dataclass(frozen=True)
class Unit:
    """The context that a worker gets with each unit: the database, and the version of the models."""

    database: Database
    method: str

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as a writer of the run.

        Raises:
            UserError: this process has another version of the models than the run.
            TakenOver: another run has begun.
        """
        if method_fingerprint() != self.method:
            raise UserError("this worker has another version of the risk models: install the version of the run there")
        return self.database.connect("afterclose worker")


@dataclass(frozen=True)
class Lost:
    """A part of the work that a worker did not finish, and the reason."""

    part: Any
    reason: str


@dataclass(frozen=True)
class Crew:
    """Workers: an executor, the number of units it does at once, and the run's database, to which they connect."""

    executor: Executor
    size: int
    database: Database

    def compute_sessions(
        self,
        asked: Asked,
        definitions: Definitions,
        scenarios: Sequence[StressScenario],
        sizes: Mapping[date, Size],
        finished: Callable[[int], None],
    ) -> tuple[Done, list[Lost]]:
        """Compute sessions. Each worker gets several groups of neighbouring ones.

        Args:
            asked: the request of the pass; each worker gets its share of the memory.
            definitions: the factors.
            scenarios: the stress scenarios.
            sizes: the sizes of the sessions, in order.
            finished: called after each unit with its number of sessions.
        """
        parts = cut(sizes, self.size * _UNITS_A_WORKER)
        work = partial(_compute_sessions, self._unit(), self._share(asked), definitions, scenarios)
        return _gather({self._send(work, part): part for part in parts}, finished=lambda part: finished(len(part)))

    def compute_portfolios(
        self, inputs: Inputs, session: SessionInputs, portfolios: Sequence[UUID], meanwhile: Callable[[], None]
    ) -> tuple[Done, list[Lost]]:
        """Compute the results of the portfolios of one session, and run `meanwhile` in this process.

        Each worker gets its portion of them, and the session with the statistics computed so far.
        """
        parts = cut_portfolios(portfolios, self.size)
        shared = replace(inputs, asked=self._share(inputs.asked))
        work = partial(_compute_portfolios, self._unit())
        futures = {self._send(work, shared.of(session.day, part), session, part): part for part in parts}
        return _gather(futures, meanwhile=meanwhile)

    def _send(self, work: Callable[..., Done], *arguments: Any) -> Future[Done]:
        """Have a worker do it. Once a worker has died, the crew accepts nothing more, and that work is lost too."""
        try:
            return self.executor.submit(work, *arguments)
        except BrokenExecutor as error:
            refused = Future[Done]()
            refused.set_exception(error)
            return refused

    def _unit(self) -> Unit:
        return Unit(self.database, method_fingerprint())

    def _share(self, asked: Asked) -> Asked:
        return replace(asked, memory_mb=max(asked.memory_mb // self.size, 1))


def _gather(
    futures: Mapping[Future[Done], Any],
    *,
    finished: Callable[[Any], None] = lambda part: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Done, list[Lost]]:
    """The finished and the lost parts of the work; if this process fails, no further part begins."""
    done, lost = Done(), list[Lost]()
    try:
        meanwhile()
        for future in as_completed(futures):
            try:
                done.add(future.result())
            except Exception as error:
                lost.append(Lost(futures[future], f"{type(error).__name__}: {error}".rstrip(": ")))
            else:
                finished(futures[future])
    finally:
        for future in futures:
            future.cancel()
    return done, lost


@contextmanager
def local_workers(count: int, database: Database) -> Generator[Crew]:
    """Start so many processes on this machine when they are needed. They end with the `with` block or this process."""
    context = get_context("spawn")
    # Only this process has the other end: it is closed when the block ends, or by the system when the process dies.
    line, ours = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=partial(_begin, line))
    try:
        yield Crew(executor, count, replace(database, server=None))
    finally:
        ours.close()
        executor.shutdown(wait=True, cancel_futures=True)
        line.close()


@contextmanager
def dask_workers(address: str, database: Database) -> Generator[Crew]:
    """Use the Dask cluster whose scheduler has this address, such as tcp://host:8786.

    Raises:
        UserError: Dask is not installed, the scheduler cannot be reached, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError(f"AFTERCLOSE_DASK is set, and Dask is not installed: {_INSTALL}, or unset it") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"AFTERCLOSE_DASK: no scheduler at {address}: {error}: start it, or unset it") from None
    with client:
        threads: dict[str, int] = client.nthreads()  # pyright: ignore[reportAssignmentType] # it is no coroutine here
        size = sum(threads.values())
        if not size:
            raise UserError(f"AFTERCLOSE_DASK: the scheduler at {address} has no workers: start some, or unset it")
        yield Crew(client.get_executor(pure=False, retries=0), size, replace(database, server=None))


def cut(sizes: Mapping[date, Size], parts: int) -> list[dict[date, Size]]:
    """Cut sessions, in order, into at most so many parts with about as many positions each."""
    total = sum(size.positions + 1 for size in sizes.values())
    cuts: list[dict[date, Size]] = [{} for _ in range(parts)]
    taken = 0
    for day, size in sizes.items():
        cuts[taken * parts // total][day] = size
        taken += size.positions + 1
    return [part for part in cuts if part]


def _compute_sessions(
    unit: Unit,
    asked: Asked,
    definitions: Definitions,
    scenarios: Sequence[StressScenario],
    sizes: dict[date, Size],
) -> Done:
    with unit.connect() as conn, threadpool_limits(limits=1, user_api="blas"):
        inputs = read_inputs(conn, asked, definitions, scenarios, sizes)
        return compute_blocks(conn, inputs, read_session_blocks(conn, inputs), check=_check_run)


def _compute_portfolios(unit: Unit, inputs: Inputs, session: SessionInputs, portfolios: Sequence[UUID]) -> Done:
    with unit.connect() as conn, threadpool_limits(limits=1, user_api="blas"):
        return compute_blocks(conn, inputs, read_portfolio_blocks(conn, inputs, session, portfolios), check=_check_run)


def _check_run(conn: psycopg.Connection[Any]) -> None:
    """Raise TakenOver where the worker's run has ended or lost its lock."""
    if not run_is_going(conn):
        raise TakenOver("the run that this work is for has ended")


def _begin(line: Any) -> None:
    """Make a new process end when the other end of the line, a connection of `multiprocessing`, is closed."""
    # Ctrl-C reaches the whole process group, but only the run decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_run() -> None:
        line.poll(None)
        os._exit(1)

    threading.Thread(target=end_with_run, name="end with the run", daemon=True).start()
