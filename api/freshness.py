"""Asks the database for every request whether anything has changed; waiting requests share one question.

A cached answer is sent only while its version is the current one. So nobody who has seen a change committed gets an
answer from before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from api.access import Caller
from api.problems import Unavailable

T = TypeVar("T")

_STATE = """
select data_version.version, tokens.version, tokens.has_tokens
from analytics.data_version
cross join analytics.api_tokens_version() as tokens
"""
# Before the first night the view does not exist.
_STATE_BEFORE = """
select null, tokens.version, tokens.has_tokens from analytics.api_tokens_version() as tokens
"""
_ASK_SECONDS = 5.0
MAY_NOT_READ = (
    "the login that AFTERCLOSE_API_DATABASE_URL names may not read schema analytics:"
    " `grant afterclose_reader to` it lets it"
)
_MOST_TOKENS = 10_000


@dataclass(frozen=True)
class State:
    """The database at one moment: the `version` of all data, None before any night, and that of the `tokens`."""

    version: str | None
    tokens: UUID | None
    has_tokens: bool


class Freshness:
    """Asks on a connection of its own, which `connect` opens, and opens again when it is lost."""

    def __init__(self, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
        self._connect = connect
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._waiting: asyncio.Future[State] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._callers: dict[bytes, Caller | None] = {}
        self._callers_of: UUID | None = None

    async def state(self) -> State:
        """The state at some moment after this call; raises Unavailable."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._waiting)

    async def caller(self, digest: bytes, state: State) -> Caller | None:
        """The holder of a token; None for a token that is not valid. Raises Unavailable."""
        if self._callers_of != state.tokens or len(self._callers) >= _MOST_TOKENS:
            self._callers, self._callers_of = {}, state.tokens
        if digest not in self._callers:
            found = await self._fetch("select name, portfolio_ids, expires_at from analytics.api_token(%s)", [digest])
            callers = [Caller(name, None if ids is None else frozenset(ids), expires) for name, ids, expires in found]
            self._callers[digest] = next(iter(callers), None)
        return self._callers[digest]

    async def close(self) -> None:
        """Close the connection."""
        if self._conn:
            await self._conn.close()

    async def _ask(self) -> None:
        while self._waiting is not None:
            asked, self._waiting = self._waiting, None
            try:
                ((version, tokens, has_tokens),) = await self._fetch(_STATE, [])
                result = State(version, tokens, has_tokens)
            except BaseException as error:
                # whatever the error is, those who wait have to see it
                if not asked.done():
                    asked.set_exception(error if isinstance(error, Exception) else Unavailable())
                    asked.exception()  # perhaps nobody waits any longer
                if not isinstance(error, Exception):
                    raise
            else:
                if not asked.done():
                    asked.set_result(result)

    async def _fetch(self, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        async with self._lock:
            for attempt in (1, 2):
                try:
                    async with asyncio.timeout(_ASK_SECONDS):
                        if self._conn is None or self._conn.closed:
                            self._conn = await self._connect()
                        cursor = await self._conn.execute(query.encode(), parameters)
                        return await cursor.fetchall()
                except psycopg.errors.UndefinedTable:
                    query = _STATE_BEFORE
                except psycopg.errors.InsufficientPrivilege:
                    raise Unavailable(MAY_NOT_READ) from None
                except (psycopg.Error, OSError, TimeoutError):
                    await self._drop()
                    if attempt == 2:
                        raise Unavailable from None
        raise Unavailable

    async def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn:
            await conn.close()
