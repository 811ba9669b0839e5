"""The HTTP server: uvicorn on uvloop and httptools, with limits on the size and the time of a request's head."""

from __future__ import annotations

import asyncio
import errno
import socket
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.counter import Counter
from api.problems import Problem
from warehouse.errors import UserError

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0


class Connection(HttpToolsProtocol):
    """A client's connection. Bytes that are not a request are answered with a problem, like any other error.

    The line and headers of a request have a limit of bytes and of seconds; beyond it the connection is closed.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._in_head = True
        self._head_bytes = 0
        self._piece_bytes = 0
        self._counter: Counter = cast("FastAPI", self.config.app).state.counter
        self._patience: asyncio.TimerHandle | None = None
        self._refusal = HTTPStatus.BAD_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, for a limited time."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of the request is too long."""
        self._piece_bytes = len(data)
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes:
            self._wait_for_head()
        # bytes after it in the same piece have been read already
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._stop_waiting()
        self._in_head = False
        if max(self._head_bytes, self._piece_bytes) > HEAD_BYTES:
            self._measure_head()
        super().on_headers_complete()

    def _measure_head(self) -> None:
        assert self.parser  # noqa: S101 (it is there while the connection is)
        line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n")
        if line + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) + 2 > HEAD_BYTES:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError(self._refusal)  # the parser makes a refusal of it

    def on_message_complete(self) -> None:
        """Get ready for the next request."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        """Let the counter answer, and the app where that cannot."""
        start = super()._start_asgi_task
        self._counter.serve(cycle, lambda: start(cycle, app))  # type: ignore[arg-type]

    def send_400_response(self, msg: str) -> None:
        """Refuse, and close the connection."""
        detail = {
            HTTPStatus.BAD_REQUEST: "this is no HTTP request that could be read",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"a request's line and headers may have {HEAD_BYTES:,} bytes",
        }[self._refusal]
        answer = Problem(self._refusal, detail, headers={"Connection": "close"}).response()
        lines = [f"HTTP/1.1 {self._refusal.value} {self._refusal.phrase}".encode()]
        lines += [b"%b: %b" % header for header in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    def _wait_for_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._patience = None
        answering = self.cycle  # none before the first request
        if answering and not answering.response_complete:
            self._wait_for_head()
        else:
            self.timeout_keep_alive_handler()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def make_server(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """A server that speaks HTTP for an app; it logs to `uvicorn`, and no accesses."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
            lifespan="on",
        )
    )


def bind(server: uvicorn.Server) -> socket.socket:
    """The socket that it will listen on; raises UserError where its address is taken or is none of this machine's."""
    host, port = server.config.host, server.config.port
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} of {host} is in use, perhaps by another `serve`: end that one, or name another with"
                " --port (0: a free one)"
            ) from None
        why = error.strerror or type(error).__name__
        raise UserError(
            f"nothing can be served at {host}, port {port} ({why}): name another --host or --port"
        ) from None
    # Head and body are sent separately. Without this option a client's delayed acknowledgement costs 40 ms each time.
    # An event loop sets the option only for sockets that it makes itself.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Whoever reads the address and connects at once waits in the queue until the server is ready, and is not refused.
    sock.listen(server.config.backlog)
    return sock
