"""The connection of a run: it holds the run lock and writes the ledger, and is made anew when it was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import psycopg

from warehouse.errors import UserError
from warehouse.locks import run_lock

if TYPE_CHECKING:
    from warehouse.database import Database

# A server that restarts is back within this; then the run goes on, with whatever its phases lost told as their errors.
RECONNECT_SECONDS = 120

P = ParamSpec("P")
T = TypeVar("T")


class RunConnection:
    """See the module; made by `hold_run_lock`."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._held = ExitStack()
        self.conn = self._connect()

    def do(self, work: Callable[Concatenate[psycopg.Connection[Any], P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` with the connection; where that turns out to be lost, once more with a new one.

        Raises:
            UserError: the server did not come back, or another run has taken the lock in the meantime.
        """
        try:
            return work(self.conn, *args, **kwargs)
        except psycopg.OperationalError:
            if not self.conn.broken:
                raise
        self._reconnect()
        return work(self.conn, *args, **kwargs)

    def close(self) -> None:
        """Give the lock back, and the connection."""
        self._held.close()

    def _connect(self) -> psycopg.Connection[Any]:
        with ExitStack() as held:
            conn = held.enter_context(self._database.connect(application_name="afterclose ledger"))
            held.enter_context(run_lock(conn, self._holder))
            self._held = held.pop_all()
        return conn

    def _reconnect(self) -> None:
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

        self._held.close()
        # Busy as well: the server may notice only after a while that our old connection is gone.
        patience = Retrying(
            retry=retry_if_exception_type(UserError),
            stop=stop_after_delay(RECONNECT_SECONDS),
            wait=wait_fixed(1),
            reraise=True,
        )
        self.conn = patience(self._connect)


@contextmanager
def hold_run_lock(database: Database, holder: str) -> Iterator[RunConnection]:
    """Connect and hold the lock of the database for the length of the block; raises Busy where another run has it."""
    connection = RunConnection(database, holder)
    try:
        yield connection
    finally:
        connection.close()
