"""The API's access to the database: a few connections that can read schema `analytics` and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from api.problems import TooBusy, Unavailable
from reports.portfolios import MAY_BE_READER
from warehouse.migrate import READER

T = TypeVar("T")
Read = Callable[[psycopg.Connection[Any]], T]

CONNECTIONS = 4
# the number of requests that may wait for a connection
WAITING = 20
STATEMENT_SECONDS = 5
CONNECT_SECONDS = 5

# Errors that a rebuild or a restart of the server causes, without a fault of the reader: try once more, then give up.
_WORTH_ANOTHER_TRY = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UndefinedTable,  # of a relation that was replaced while we waited for it
    psycopg.errors.OperationalError,
)
_ONE_MOMENT = "set transaction isolation level repeatable read, read only"
_OPTIONS = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "default_transaction_read_only": "on",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}


def unavailable(error: BaseException) -> Unavailable | None:
    """The problem to report for a database error that may go away by itself; None for a fault of ours."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Unavailable("the database takes too long over this: ask for less, or later")
    if isinstance(error, psycopg.errors.UndefinedTable):
        return Unavailable(
            "nothing has been rolled on this database, or not by this version: `python run_nightly.py backfill` does it"
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout):
        return Unavailable()
    return None


class Reader:
    """A bounded pool of connections and threads, so that queries never block the event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=CONNECT_SECONDS,
            kwargs={"autocommit": True, "application_name": "afterclose api", "connect_timeout": CONNECT_SECONDS},
            configure=_restrict,
            name="afterclose-api",
        )
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="afterclose-api")
        self._present = 0
        self._under_way: dict[Hashable, asyncio.Future[Any]] = {}

    def open(self) -> None:
        """Begin to connect."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close(timeout=1)

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A new connection outside of the pool, with the same restrictions."""
        conn = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name="afterclose api", connect_timeout=CONNECT_SECONDS
        )
        try:
            for name, value in _OPTIONS.items():
                await conn.execute("select set_config(%s, %s, false)", [name, value])
            cursor = await conn.execute(MAY_BE_READER, [READER])
            row = await cursor.fetchone()
            if row and row[0]:
                await conn.execute(sql.SQL("set role {}").format(sql.Identifier(READER)))
        except BaseException:
            await conn.close()
            raise
        return conn

    async def run(self, read: Read[T], key: Hashable | None = None) -> T:
        """Call `read` in a thread, in a transaction that sees one moment; callers with equal keys share one call.

        Raises:
            TooBusy: too many are waiting already.
            Unavailable: the database cannot be reached, or takes too long.
        """
        if key is not None and (under_way := self._under_way.get(key)):
            return await asyncio.shield(under_way)
        if self._present >= CONNECTIONS + WAITING:
            raise TooBusy
        self._present += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self.read, read)
        work.add_done_callback(lambda _: self._leave(key))
        if key is not None:
            self._under_way[key] = work
        return await asyncio.shield(work)

    def read(self, read: Read[T]) -> T:
        """The same in the caller's own thread, without a limit."""
        for attempt in (1, 2):
            try:
                return self._attempt(read)
            except (psycopg.Error, PoolTimeout) as error:
                again = isinstance(error, _WORTH_ANOTHER_TRY) and not isinstance(error, psycopg.errors.QueryCanceled)
                if attempt == 1 and again:
                    self._check(error)
                elif problem := unavailable(error):
                    raise problem from None
                else:
                    raise
        raise Unavailable

    @contextmanager
    def lend(self, seconds: int) -> Generator[psycopg.Connection[Any]]:
        """A connection in such a transaction, for one long statement."""
        with self._pool.connection() as conn, conn.transaction():
            conn.execute(_ONE_MOMENT)
            conn.execute("select set_config('statement_timeout', %s, true)", [f"{seconds}s"])
            yield conn

    def _attempt(self, read: Read[T]) -> T:
        with self._pool.connection() as conn, conn.transaction():
            conn.execute(_ONE_MOMENT)
            return read(conn)

    def _check(self, error: Exception) -> None:
        """Replace the connections that a restart of the server has cut."""
        if isinstance(error, psycopg.OperationalError) and not isinstance(error, psycopg.errors.DeadlockDetected):
            with suppress(psycopg.Error, PoolTimeout):
                self._pool.check()

    def _leave(self, key: Hashable | None) -> None:
        self._present -= 1
        if key is not None:
            self._under_way.pop(key, None)


def _restrict(conn: psycopg.Connection[Any]) -> None:
    for name, value in _OPTIONS.items():
        conn.execute("select set_config(%s, %s, false)", [name, value])
    row = conn.execute(MAY_BE_READER, [READER]).fetchone()
    if row and row[0]:
        conn.execute(sql.SQL("set role {}").format(sql.Identifier(READER)))
