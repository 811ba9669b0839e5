"""The entrance for every request: it authenticates, answers from the cache where it can, and writes the log line."""

from __future__ import annotations

import asyncio
import traceback
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import psycopg
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Access, Caller
from api.answers import Asked, Shelf
from api.forms import BrokenOff
from api.freshness import Freshness, State
from api.incoming import Incoming, log
from api.problems import Problem, Unauthorized, Unavailable


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
        scope.setdefault("state", {})
        # taken out, so that no circle of references is left for the garbage collector to find
        incoming: Incoming = scope["state"].pop("incoming", None) or Incoming(scope)
        extra = incoming.headers_of_answer(self._access.origins)
        seen: dict[str, Any] = {"status": 500, "bytes": 0}

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message = {**message, "headers": [*message["headers"], *extra]}
            elif message["type"] == "http.response.body":
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            seen["how"] = await self._answer(incoming, receive, send_marked)
        except Problem as problem:
            await problem.response()(scope, receive, send_marked)
        except BrokenOff:
            # The server closes the connection, so the client sees that the body is not complete.
            seen["how"] = "broken off"
        except psycopg.OperationalError:
            await Unavailable().response()(scope, receive, send_marked)
        except Exception as error:
            trace = "".join(traceback.format_exception(error, limit=-4))
            told = {"request": incoming.request_id, "path": scope["path"], "error": trace}
            log.error("request failed", extra={"fields": told})
            detail = f"something went wrong here: the log has it under request {incoming.request_id}"
            await Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()(scope, receive, send_marked)
        finally:
            asked: Asked | None = scope["state"].get("asked")
            incoming.write_line(seen["status"], seen["bytes"], seen.get("how"), asked.caller if asked else None)

    async def _answer(self, incoming: Incoming, receive: Receive, send: Send) -> str | None:
        scope, headers = incoming.scope, incoming.headers
        if scope["method"] == "OPTIONS" and headers.get("origin") in self._access.origins:
            await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return None
        if incoming.is_open_to_all:
            scope["state"]["asked"] = Asked(Caller(), State(None, None, False))
            await self._app(scope, receive, send)
            return None
        state = await (asyncio.shield(incoming.state) if incoming.state else self._freshness.state())
        try:
            caller = await self._access.admit(headers, incoming.cookies, state)
        except Unauthorized:
            if scope["path"].startswith("/api/") or "text/html" not in headers.get("accept", ""):
                raise
            await RedirectResponse(f"/login?next={quote(_written(scope), safe='/')}", 303)(scope, receive, send)
            return None
        asked = scope["state"]["asked"] = incoming.asked(caller, state)
        if scope["method"] == "GET" and (kept := self._shelf.find(asked.key, state.version)):
            await kept.send(send, headers.get("if-none-match", ""))
            return "kept"
        await self._app(scope, receive, send)
        return None


def _written(scope: Scope) -> str:
    """The path and the query as they were sent."""
    path, query = (scope.get("raw_path") or quote(scope["path"]).encode(), scope["query_string"])
    return (path + b"?" + query if query else path).decode("latin-1")


_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"Authorization, If-None-Match, Accept"),
    (b"access-control-max-age", b"600"),
]
