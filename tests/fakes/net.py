"""A loopback internet: one port of 127.0.0.1 that answers for any host, so that real HTTP clients run unmodified.

The port is an HTTP proxy that ends TLS itself (`HTTPS_PROXY`), a TLS server and a plain HTTP server at once. What a
host says is up to the app mounted for it; a script of faults comes before the apps. Everything asked is in `log`.
"""

import json
import re
import socket
import socketserver
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

JSON = "application/json;charset=utf-8"
SAMPLES = Path(__file__).parent / "samples"
_HOSTS = (
    "*.yahoo.com",
    "*.finance.yahoo.com",
    "financialmodelingprep.com",
    "api.polygon.io",
    "api.massive.com",
    "localhost",
    "127.0.0.1",
)
_CONTENT_TYPES = {".json": JSON, ".html": "text/html;charset=utf-8", ".txt": "text/html;charset=utf-8"}


@dataclass
class Request:
    """What a client asked; `query` holds all values of each parameter, header names are in lower case."""

    method: str
    host: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def arg(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass
class Reply:
    """What is sent back: `body` is bytes, text, or anything that JSON can hold; `drop` closes the socket instead."""

    status: int = 200
    body: object = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    drop: bool = False

    def raw(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


App = Callable[[Request], Reply]


def sample(name: str) -> Reply:
    """Return a reply that a provider has really given: `name` is that of a file in samples, NAME.STATUS.SUFFIX.

    FMP sends its plain texts as JSON, the others say what they send.
    """
    path = SAMPLES / name
    lies = name.startswith("fmp_") and path.suffix == ".txt"
    return Reply(int(name.split(".")[1]), path.read_bytes(), JSON if lies else _CONTENT_TYPES[path.suffix])


@dataclass
class Fault:
    """Something that goes wrong: for requests whose host and path match, after the first `after`, `times` times."""

    host: re.Pattern[str]
    path: re.Pattern[str]
    reply: Reply | App
    times: float
    after: int = 0

    def strikes(self, request: Request) -> bool:
        """Say whether it is this request's turn, and count it."""
        if self.times <= 0 or not self.host.search(request.host) or not self.path.search(request.path):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


class FakeNet:
    """The server; `with FakeNet(folder) as net` runs it, and leaves the certificate of its authority in `folder`."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "fake-net-ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*_HOSTS).configure_cert(self._tls)
        self._lock = threading.Lock()
        self._apps: list[tuple[re.Pattern[str], App]] = []
        self._faults: list[Fault] = []
        self.log: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"net": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeNet":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def mount(self, host: str, app: App) -> None:
        """Let `app` answer for the hosts that match a regular expression."""
        self._apps.append((re.compile(host), app))

    def fault(
        self,
        path: str = ".",
        host: str = ".",
        *,
        times: float = 1,
        after: int = 0,
        reply: Reply | App | None = None,
        **fields: object,
    ) -> Fault:
        """Script a fault: `reply` (a Reply, or what makes one of a request), or a Reply of the `fields`.

        `times=math.inf` makes it last; `times = 0` on the fault that is returned ends it.
        """
        fault = Fault(re.compile(host), re.compile(path), reply or Reply(**fields), times, after)
        with self._lock:
            self._faults.append(fault)
        return fault

    def reset(self) -> None:
        """Forget apps, faults and what was asked."""
        with self._lock:
            self._apps.clear()
            self._faults.clear()
            self.log.clear()

    def requests(self, path: str = ".", host: str = ".") -> list[Request]:
        """Return what was asked of the hosts and paths that match the regular expressions."""
        with self._lock:
            return [asked for asked in self.log if re.search(path, asked.path) and re.search(host, asked.host)]

    def count(self, path: str = ".", host: str = ".") -> int:
        """Return how many requests match."""
        return len(self.requests(path, host))

    def paths(self, path: str = ".", host: str = ".") -> Counter[str]:
        """Return how often each path was asked, of those that match: with a symbol in the path, requests a symbol."""
        return Counter(asked.path for asked in self.requests(path, host))

    def env(self) -> dict[str, str]:
        """Return the variables that send curl, requests and httpx here, in this process or in one that it starts."""
        proxy = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.url)
        trust = dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), self.ca_file)
        return proxy | trust | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

    def answer(self, request: Request) -> Reply:
        """Write down the request and find its answer."""
        with self._lock:
            self.log.append(request)
            fault = next((fault for fault in self._faults if fault.strikes(request)), None)
            apps = list(self._apps)
        if fault:
            return fault.reply(request) if callable(fault.reply) else fault.reply
        for host, app in apps:
            if host.search(request.host):
                return app(request)
        return Reply(502, {"error": f"nobody is at home at {request.host}"})


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away in the middle of a request, and are meant to."""


class _Handler(BaseHTTPRequestHandler):
    net: FakeNet
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are sent in two pieces

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        self.request.settimeout(30)
        first_byte = self.request.recv(1, socket.MSG_PEEK)
        if first_byte == b"\x16":  # a TLS handshake
            self.request = self._with_tls(self.request)
        super().setup()

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True

    def do_CONNECT(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        self.connection = self.request = self._with_tls(self.connection)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urllib.parse.urlsplit(self.path)
        host = target.hostname or self.headers.get("Host", "").split(":")[0]
        query = urllib.parse.parse_qs(target.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.net.answer(Request(self.command, host, urllib.parse.unquote(target.path), query, headers, body))
        time.sleep(reply.delay)
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        raw = reply.raw()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_GET  # noqa: N815 - the base class asks for this name

    def _with_tls(self, connection: socket.socket) -> ssl.SSLSocket:
        return self.net._tls.wrap_socket(connection, server_side=True)
