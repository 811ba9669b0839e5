"""The entrance for every request: it authenticates, answers from the cache where it can, and writes the log line."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import psycopg
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.accept import takes_gzip
from api.access import COOKIE, Access, Caller, cookies_of
from api.answers import Asked, Shelf
from api.forms import BrokenOff
from api.freshness import Freshness, State
from api.paths import keep_slashes, name_of
from api.problems import Problem, Unauthorized, Unavailable

OPEN_TO_ALL = frozenset({"/healthz", "/readyz", "/login"})
STATIC = "/static/"

log = logging.getLogger("afterclose.api")


class Gate:
    """Middleware around everything."""

    def __init__(self, app: ASGIApp, *, access: Access, freshness: Freshness, shelf: Shelf) -> None:
        self._app = app
        self._access = access
        self._freshness = freshness
        self._shelf = shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, request_id = time.perf_counter(), secrets.token_hex(6)
        headers = fold_headers(scope)
        extra = [(b"x-request-id", request_id.encode()), *_SAFETY, *self._cross_origin(headers)]
        seen: dict[str, Any] = {"status": 500, "bytes": 0}

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message = {**message, "headers": [*message["headers"], *extra]}
            elif message["type"] == "http.response.body":
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        scope.setdefault("state", {})
        keep_slashes(scope)
        try:
            seen["how"] = await self._answer(scope, receive, send_marked, headers)
        except Problem as problem:
            await problem.response()(scope, receive, send_marked)
        except BrokenOff:
            # The server closes the connection, so the client sees that the body is not complete.
            seen["how"] = "broken off"
        except psycopg.OperationalError:
            await Unavailable().response()(scope, receive, send_marked)
        except Exception as error:
            trace = "".join(traceback.format_exception(error, limit=-4))
            told = {"request": request_id, "path": scope["path"], "error": trace}
            log.error("request failed", extra={"fields": told})
            detail = f"something went wrong here: the log has it under request {request_id}"
            await Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()(scope, receive, send_marked)
        finally:
            asked: Asked | None = scope["state"].get("asked")
            fields = {
                "request": request_id,
                "method": scope["method"],
                "path": name_of(scope["path"]),
                "status": seen["status"],
                "ms": round((time.perf_counter() - began) * 1000, 2),
                "bytes": seen["bytes"],
                "how": seen.get("how"),
                "caller": asked.caller.name if asked and asked.caller.name else None,
            }
            log.info("request", extra={"fields": fields})

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]) -> str | None:
        path = scope["path"]
        if scope["method"] == "OPTIONS" and headers.get("origin") in self._access.origins:
            await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return None
        if path in OPEN_TO_ALL or path.startswith(STATIC):
            scope["state"]["asked"] = Asked(Caller(), State(None, None, False))
            await self._app(scope, receive, send)
            return None
        state = await self._freshness.state()
        try:
            cookies = cookies_of(headers)
            caller = await self._access.admit(headers, cookies, state)
        except Unauthorized:
            if path.startswith("/api/") or "text/html" not in headers.get("accept", ""):
                raise
            await RedirectResponse(f"/login?next={quote(_written(scope), safe='/')}", 303)(scope, receive, send)
            return None
        gzipped = takes_gzip(headers.get("accept-encoding", ""))
        query = scope["query_string"]
        signed_in = COOKIE in cookies
        key = (path, query, headers.get("accept", ""), gzipped, caller.portfolio_ids, signed_in)
        scope["state"]["asked"] = Asked(caller, state, key, gzipped, signed_in)
        if scope["method"] == "GET" and (kept := self._shelf.find(key, state.version)):
            await kept.send(send, headers.get("if-none-match", ""))
            return "kept"
        await self._app(scope, receive, send)
        return None

    def _cross_origin(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        if not self._access.origins:
            return []
        origin = headers.get("origin")
        vary = (b"vary", b"Origin")
        if origin is None or origin not in self._access.origins:
            return [vary]
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"ETag, X-Request-Id, Retry-After, Link"),
            vary,
        ]


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


def _written(scope: Scope) -> str:
    """The path and the query as they were sent."""
    path, query = (scope.get("raw_path") or quote(scope["path"]).encode(), scope["query_string"])
    return (path + b"?" + query if query else path).decode("latin-1")


_SAFETY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"Authorization, If-None-Match, Accept"),
    (b"access-control-max-age", b"600"),
]
