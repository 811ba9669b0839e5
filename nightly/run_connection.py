"""The connection of a run: it holds the run lock and writes the ledger, and is made anew when it was lost.

It is idle while the phases work in connections of their own, and somebody may end it: the server, a proxy, an
administrator. A thread keeps it in use, and notices the loss. Whether this run may still write is told by the token of
its lock (warehouse/locks.py), in each connection that it writes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import psycopg

from warehouse.errors import TakenOver, UserError
from warehouse.locks import let_writers_in, run_lock

if TYPE_CHECKING:
    from warehouse.database import Database

# A server that restarts is back within this time. Then the run continues, and its phases report what they lost as their
# errors.
RECONNECT_SECONDS = 120
# Proxies end connections that have been idle for minutes.
HEARTBEAT_SECONDS = 20

P = ParamSpec("P")
T = TypeVar("T")


class RunConnection:
    """See the module; made by `hold_run_lock`."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._token: int | None = None
        self._held = ExitStack()
        self._renewing = RLock()
        self._ended = Event()
        self.conn = self._connect()
        self._heart = Thread(target=self._beat, name="the run lock is kept", daemon=True)
        self._heart.start()

    def call(self, work: Callable[Concatenate[psycopg.Connection[Any], P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` with the connection; if that turns out to be lost, call it once more with a new one.

        Raises:
            UserError: the server did not come back, or another run holds the lock.
            TakenOver: another run has held the lock in the meantime.
        """
        conn = self.conn
        try:
            return work(conn, *args, **kwargs)
        except psycopg.OperationalError:
            if not conn.broken:
                raise
        self._renew(conn, RECONNECT_SECONDS)
        return work(self.conn, *args, **kwargs)

    def let_writers_in(self) -> Database:
        """Return the database as this run's other connections need it, which may write from now on."""
        self._token = self.call(let_writers_in, self._holder)
        return replace(self._database, run_token=self._token)

    def close(self) -> None:
        """Give the lock back, and the connection."""
        self._ended.set()
        self._heart.join()
        self._held.close()

    def _connect(self) -> psycopg.Connection[Any]:
        with ExitStack() as held:
            conn = held.enter_context(self._database.connect(application_name="afterclose ledger"))
            held.enter_context(run_lock(conn, self._holder, token=self._token))
            self._held = held.pop_all()
        return conn

    def _renew(self, lost: psycopg.Connection[Any], patience_seconds: float) -> None:
        """Connect again, unless that has been done; an embedded server that died is started again."""
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            retry_if_not_exception_type,
            stop_after_delay,
            wait_fixed,
        )

        with self._renewing:
            if self.conn is not lost:
                return
            self._held.close()
            # Busy is expected as well: the server may not have noticed yet that our old connection is gone.
            patience = Retrying(
                retry=retry_if_exception_type(UserError) & retry_if_not_exception_type(TakenOver),
                stop=stop_after_delay(patience_seconds),
                wait=wait_fixed(1),
                reraise=True,
            )
            self.conn = patience(self._revive)

    def _revive(self) -> psycopg.Connection[Any]:
        self._database.revive()
        return self._connect()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            conn = self.conn
            try:
                conn.execute("select")
            except psycopg.Error:
                # If it cannot be restored now, the run notices when it needs the connection.
                if conn.broken:
                    with suppress(UserError, psycopg.Error):
                        self._renew(conn, patience_seconds=0)


@contextmanager
def hold_run_lock(database: Database, holder: str) -> Iterator[RunConnection]:
    """Connect and hold the lock of the database for the length of the block; raises Busy where another run has it."""
    connection = RunConnection(database, holder)
    try:
        yield connection
    finally:
        connection.close()
