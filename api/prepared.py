"""Statements that are asked over and over, prepared once for each connection and asked through libpq alone.

Every request asks the database one small question. A cursor of psycopg takes five times the processor for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Row = tuple[bytes | None, ...]

_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Prepared:
    """The prepared statements of a connection, which nobody else may use while one is asked."""

    def __init__(self, conn: psycopg.AsyncConnection[Any]) -> None:
        self.conn = conn
        self._names: dict[str, bytes] = {}

    async def fetch(self, query: str) -> list[Row]:
        """The rows of a query without parameters, as PostgreSQL's texts; raises psycopg's errors."""
        pgconn = self.conn.pgconn
        name = self._names.get(query)
        if name is None:
            name = f"asked_{len(self._names)}".encode()
            pgconn.send_prepare(name, query.encode())
            await self._result()
            self._names[query] = name
        pgconn.send_query_prepared(name, [])
        result = await self._result()
        columns = range(result.nfields)
        return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]

    async def _result(self) -> PGresult:
        """The result of what has been sent."""
        pgconn, loop = self.conn.pgconn, asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        results: list[PGresult] = []

        def read() -> None:
            try:
                pgconn.consume_input()
                while not pgconn.is_busy():
                    if (result := pgconn.get_result()) is None:
                        if not ended.done():
                            ended.set_result(None)
                        return
                    results.append(result)
            except psycopg.Error as error:
                if not ended.done():
                    ended.set_exception(error)

        # what is sent is far smaller than a socket's buffer, which is empty: it has gone at once
        if pgconn.flush():
            raise psycopg.OperationalError("the connection takes no bytes")
        socket = pgconn.socket
        loop.add_reader(socket, read)
        try:
            await ended
        finally:
            loop.remove_reader(socket)
        for result in results:
            if result.status not in _GOOD:
                sqlstate = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
                raise _error_of(sqlstate)(result.get_error_message())
        return results[-1]


def _error_of(sqlstate: str) -> type[psycopg.Error]:
    try:
        return psycopg.errors.lookup(sqlstate)
    except KeyError:
        return psycopg.DatabaseError
