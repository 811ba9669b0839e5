"""A request as it comes in: its headers, its caller and its key, the headers of its answer, and its line in the log."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Collection

from starlette.types import Scope

from api.accept import takes_gzip
from api.access import COOKIE, Caller, cookies_of
from api.answers import Asked
from api.freshness import State
from api.paths import keep_slashes, name_of

log = logging.getLogger("afterclose.api")

_OPEN_TO_ALL = frozenset({"/healthz", "/readyz", "/login"})
_STATIC = "/static/"
_SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_VARY = (b"vary", b"Origin")


class Incoming:
    """One request. `state` is of the database after it came in, once somebody has asked for that."""

    def __init__(self, scope: Scope) -> None:
        self.began = time.perf_counter()
        self.request_id = secrets.token_hex(6)
        self.headers = fold_headers(scope)
        self.cookies = cookies_of(self.headers)
        keep_slashes(scope)
        self.scope = scope
        self.state: asyncio.Future[State] | None = None

    @property
    def is_open_to_all(self) -> bool:
        """Whether its address is answered without a look at the caller."""
        path = self.scope["path"]
        return path in _OPEN_TO_ALL or path.startswith(_STATIC)

    def asked(self, caller: Caller, state: State) -> Asked:
        """The gate's knowledge of it; its key is everything that the bytes of an answer depend on, but the data."""
        scope, headers = self.scope, self.headers
        gzipped, signed_in = takes_gzip(headers.get("accept-encoding", "")), COOKIE in self.cookies
        accept = headers.get("accept", "")
        key = (scope["path"], scope["query_string"], accept, gzipped, caller.portfolio_ids, signed_in)
        return Asked(caller, state, key, gzipped, signed_in)

    def headers_of_answer(self, origins: Collection[str]) -> list[tuple[bytes, bytes]]:
        """The headers of its answer, whatever that is; web pages of these origins may read it."""
        extra = [(b"x-request-id", self.request_id.encode()), *_SAFETY]
        if not origins:
            return extra
        origin = self.headers.get("origin")
        if origin is not None and origin in origins:
            extra.append((b"access-control-allow-origin", origin.encode("latin-1")))
            extra.append((b"access-control-expose-headers", b"ETag, X-Request-Id, Retry-After, Link"))
        return [*extra, _VARY]

    def write_line(self, status: int, size: int, how: str | None, caller: Caller | None) -> None:
        """Write its line in the log: it was answered with so many bytes."""
        fields = {
            "request": self.request_id,
            "method": self.scope["method"],
            "path": name_of(self.scope["path"]),
            "status": status,
            "ms": round((time.perf_counter() - self.began) * 1000, 2),
            "bytes": size,
            "how": how,
            "caller": caller.name if caller and caller.name else None,
        }
        log.info("request", extra={"fields": fields})


def fold_headers(scope: Scope) -> dict[str, str]:
    """The headers by name. Several lines of one header become one, here and for the code behind us.

    Otherwise an answer made for the first line could be cached as the answer for the last (RFC 9110, 5.3). Two values
    of a header that can have only one, such as Host, become a value that means nothing.
    """
    given: list[tuple[bytes, bytes]] = scope["headers"]
    folded: dict[bytes, bytes] = {}
    for name, value in given:
        joint = b"; " if name == b"cookie" else b", "
        folded[name] = folded[name] + joint + value if name in folded else value
    if len(folded) < len(given):
        scope["headers"] = list(folded.items())
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in folded.items()}
