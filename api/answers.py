"""Answers as bytes, and a cache that keeps them until the data that they were made from change."""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from fastapi import Request, Response
from starlette.types import Send

from api.access import Caller
from api.freshness import State
from api.reader import Reader

MOST_BYTES = 64 * 2**20
_WORTH_GZIP = 1024
GZIP_LEVEL = 5
# bytes of an answer beside its body: its key, its headers, the objects around them
_BESIDE_BYTES = 2048

# Callers must revalidate their copy each time, and shared caches must not keep any.
KEPT_BY_TAG = {
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Authorization, Cookie, Accept-Encoding",
}

_VERSION = "select version from analytics.data_version"


@dataclass(frozen=True)
class Answer:
    """A body with its media type and entity tag.

    An answer without a tag is sent whole each time. One that changes without a change of data must not be cached.
    """

    body: bytes
    media_type: str
    etag: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    keep: bool = True

    @classmethod
    def of_json(cls, body: bytes, *, keep: bool = True) -> Answer:
        """JSON that does not depend on a version of the data: its tag is a digest of the body."""
        return cls(body, "application/json", hashlib.sha256(body).hexdigest()[:32], keep=keep)


@dataclass(frozen=True)
class Kept:
    """An answer as it is sent, gzipped or not, with the version of all data that it was made from."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    version: str | None
    etag: str

    async def send(self, send: Send, asked_for: str) -> None:
        """Send the answer, or 304 where the caller has it already."""
        if self._is_known(asked_for):
            await send({"type": "http.response.start", "status": 304, "headers": self._headers_of_304})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            await send({"type": "http.response.body", "body": self.body})

    def written(self, asked_for: str) -> tuple[int, bytes, bytes]:
        """The same as bytes: the status, the lines of the headers, and the body."""
        if self._is_known(asked_for):
            return 304, self._head_of_304, b""
        return self.status, self._head, self.body

    def _is_known(self, asked_for: str) -> bool:
        return bool(self.etag) and has_tag(asked_for, self.etag)

    @property
    def _headers_of_304(self) -> list[tuple[bytes, bytes]]:
        return [header for header in self.headers if header[0] not in (b"content-length", b"content-encoding")]

    @cached_property
    def _head(self) -> bytes:
        return head_of(self.headers)

    @cached_property
    def _head_of_304(self) -> bytes:
        return head_of(self._headers_of_304)


def head_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines of headers."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class KeptResponse(Response):
    """A cached answer as a response of the framework."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(status_code=kept.status)
        self.kept = kept

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Send it."""
        asked_for = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
        await self.kept.send(send, asked_for)


def pack(answer: Answer, *, gzipped: bool, version: str | None) -> Kept:
    """An answer ready to be sent."""
    body = answer.body
    headers = {
        "content-type": answer.media_type,
        **{name.lower(): value for name, value in KEPT_BY_TAG.items()},
        **dict(answer.headers),
    }
    if not answer.etag:
        headers["cache-control"] = "no-store"
    if answer.etag:
        headers["etag"] = f'"{answer.etag}"'
    if gzipped and len(body) >= _WORTH_GZIP:
        body = gzip.compress(body, GZIP_LEVEL, mtime=0)
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Kept(200, encoded, body, version, answer.etag)


def has_tag(asked_for: str, etag: str) -> bool:
    """Whether If-None-Match names a tag; weak tags count, because proxies that compress make them weak."""
    if not asked_for:
        return False
    tags = [each.strip().removeprefix("W/") for each in asked_for.split(",")]
    return "*" in tags or f'"{etag}"' in tags


@dataclass
class Shelf:
    """The cached answers, the least recently used first."""

    most_bytes: int = MOST_BYTES
    _version: str | None = None
    _kept: OrderedDict[tuple[Any, ...], Kept] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def find(self, key: tuple[Any, ...], version: str | None) -> Kept | None:
        """The answer for a key, if it was made from this version of the data."""
        kept = self._kept.get(key)
        if kept is None or version is None or kept.version != version:
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, key: tuple[Any, ...], kept: Kept) -> None:
        """Keep an answer, and drop others where there is no room."""
        if kept.version is None or not kept.etag or len(kept.body) > self.most_bytes // 8:
            return
        if kept.version != self._version:
            # an answer from another version will never be sent again
            self._kept.clear()
            self._bytes, self._version = 0, kept.version
        self._remove(key)
        self._kept[key] = kept
        self._bytes += len(kept.body) + _BESIDE_BYTES
        while self._bytes > self.most_bytes:
            self._remove(next(iter(self._kept)))

    def _remove(self, key: tuple[Any, ...]) -> None:
        if kept := self._kept.pop(key, None):
            self._bytes -= len(kept.body) + _BESIDE_BYTES


@dataclass(frozen=True)
class Asked:
    """The gate's knowledge of a request, handed on with it."""

    caller: Caller
    state: State
    key: tuple[Any, ...] = ()
    gzipped: bool = False
    signed_in: bool = False


Make = Callable[[psycopg.Connection[Any]], Answer]


@dataclass(frozen=True)
class Answers:
    """Makes answers from the database and caches them, for routes and pages."""

    reader: Reader
    shelf: Shelf

    async def make(self, request: Request, make: Make) -> Response:
        """Call `make` in a thread, in one transaction that sees one moment, and cache its answer.

        The answer's tag has to change with everything that changes its body, as the version of a portfolio does.
        """
        asked: Asked = request.state.asked

        def read(conn: psycopg.Connection[Any]) -> Kept:
            row = conn.execute(_VERSION).fetchone()
            answer = make(conn)
            return pack(answer, gzipped=asked.gzipped, version=row[0] if row and answer.keep else None)

        kept = await self.reader.run(read, (asked.key, asked.state.version))
        self.shelf.keep(asked.key, kept)
        return KeptResponse(kept)


def caller_of(request: Request) -> Caller:
    """The caller of a request."""
    return request.state.asked.caller


def answers_of(request: Request) -> Answers:
    """The maker of this app's answers."""
    return request.app.state.answers
