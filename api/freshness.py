"""Asks the database for every request whether anything has changed; waiting requests share one question.

A cached answer is sent only while its version is the current one. So nobody who has seen a change committed gets an
answer from before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from api.access import Caller
from api.prepared import Prepared
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
    tokens: str | None
    has_tokens: bool


class Freshness:
    """Asks on a connection of its own, which `connect` opens, and opens again when it is lost."""

    def __init__(self, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
        self._connect = connect
        self._line: Prepared | None = None
        self._lock = asyncio.Lock()
        self._waiting: asyncio.Future[State] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._callers: dict[bytes, Caller | None] = {}
        self._callers_of: str | None = None

    async def state(self) -> State:
        """The state at some moment after this call; raises Unavailable."""
        return await asyncio.shield(self.ask())

    def ask(self) -> asyncio.Future[State]:
        """The same as a future, which many share: nobody may cancel it."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
        return self._waiting

    def known_caller(self, digest: bytes, state: State) -> Caller | None:
        """The holder of a token that has been looked up since tokens last changed; None for any other."""
        return self._callers.get(digest) if self._callers_of == state.tokens else None

    async def caller(self, digest: bytes, state: State) -> Caller | None:
        """The holder of a token; None for a token that is not valid. Raises Unavailable."""
        if self._callers_of != state.tokens or len(self._callers) >= _MOST_TOKENS:
            self._callers, self._callers_of = {}, state.tokens
        if digest not in self._callers:
            self._callers[digest] = await self._on_line(lambda line: _look_up(line, digest))
        return self._callers[digest]

    async def close(self) -> None:
        """Close the connection."""
        if self._line:
            await self._line.conn.close()

    async def _ask(self) -> None:
        while self._waiting is not None:
            asked, self._waiting = self._waiting, None
            try:
                result = await self._on_line(_read_state)
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

    async def _on_line(self, read: Callable[[Prepared], Awaitable[T]]) -> T:
        async with self._lock:
            for attempt in (1, 2):
                try:
                    async with asyncio.timeout(_ASK_SECONDS):
                        if self._line is None or self._line.conn.closed:
                            self._line = Prepared(await self._connect())
                        return await read(self._line)
                except psycopg.errors.InsufficientPrivilege:
                    raise Unavailable(MAY_NOT_READ) from None
                except (psycopg.Error, OSError, TimeoutError):
                    await self._drop()
                    if attempt == 2:
                        raise Unavailable from None
        raise Unavailable

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line:
            await line.conn.close()


async def _read_state(line: Prepared) -> State:
    try:
        ((version, tokens, has_tokens),) = await line.fetch(_STATE)
    except psycopg.errors.UndefinedTable:
        ((version, tokens, has_tokens),) = await line.fetch(_STATE_BEFORE)
    return State(_text(version), _text(tokens), has_tokens == b"t")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


async def _look_up(line: Prepared, digest: bytes) -> Caller | None:
    cursor = await line.conn.execute("select name, portfolio_ids, expires_at from analytics.api_token(%s)", [digest])
    found = await cursor.fetchone()
    if found is None:
        return None
    name, ids, expires = found
    return Caller(name, None if ids is None else frozenset(ids), expires)
