"""HTTP on a socket: what no client library would send, what comes in one piece or in many, and who goes away."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api import forms, server
from api.app import Options, create_app
from api.server import HEAD_BYTES, bind, make_server
from api.tokens import add_token, revoke_token
from tests.api.conftest import PATIENCE_SECONDS, wait_until
from warehouse.database import Database
from warehouse.errors import UserError

LIST = "/api/v1/portfolios"
# how a body in chunks ends
END = b"\r\n0\r\n\r\n"
FEW_BYTES = 8192
LONG = "/api/v1/portfolios/Long%20Short%20Equity/positions/history?format=csv"


@contextmanager
def listening(database: Database, send_bytes: int | None = None) -> Iterator[int]:
    """Serve a database on a port of this machine, as `serve` does; the kernel takes so many bytes of what is sent."""
    serving = make_server(create_app(Options(database.url)))
    sock = bind(serving)
    if send_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: serving.started or not thread.is_alive())
        yield sock.getsockname()[1]
    finally:
        serving.should_exit = True
        thread.join(PATIENCE_SECONDS)
        sock.close()


@pytest.fixture(scope="module")
def port(sample: Database) -> Iterator[int]:
    with listening(sample) as port:
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)


def request(path: str = LIST, *headers: str, method: str = "GET", host: str = "Host: 127.0.0.1") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *filter(None, [host]), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def exchange(port: int, *pieces: bytes) -> bytes:
    with connect(port) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read(connection)


def read_one(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer on a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        assert part, "it was closed"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, body


def statuses(answers: bytes) -> list[int]:
    """Those of several answers."""
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /api/v1/portfolios HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET api/v1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /größe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        request(LIST, "Content-Length: many"),
        request(LIST, "Content-Length: -1"),
        request(LIST, "Content-Length: 5", "Transfer-Encoding: chunked"),
        request(LIST, "no colon"),
        request(LIST, "na me: x"),
        request(LIST, "X: a\0b"),
    ],
)
def test_what_is_no_request_is_refused_with_a_problem(port: int, sent: bytes):
    head, _, body = exchange(port, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head and b"connection: close" in head.lower()
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "begins",
    [
        [request(LIST, "X: ~")],
        [request(LIST + "?~")],
        [request(LIST, *(f"X-{n}: x" for n in range(4000)), "X: ~")],
        [b"GET /", b"~"],
        [b"GET / HTTP/1.1\r\nX: ", b"~"],
    ],
    ids=["header", "query", "many headers", "line without an end", "header without an end"],
)
def test_a_head_of_one_byte_too_many_is_refused(port: int, begins: list[bytes]):
    padding = b"x" * (HEAD_BYTES + 2 - sum(map(len, begins)))
    head, _, body = exchange(port, *(piece.replace(b"~", padding) for piece in begins)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["detail"].endswith("may have 65,536 bytes")


def test_a_client_that_never_asks_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    assert exchange(port) == b""
    assert exchange(port, b"GET / HTTP/1.1\r\nHo") == b""
    with connect(port) as connection:
        connection.sendall(request())
        assert read_one(connection)[0] == 200
        connection.sendall(b"GET / HT")
        assert read(connection) == b"", "nor for the second request"


def test_a_port_that_is_taken_and_an_address_elsewhere_are_told_in_a_line(port: int):
    app = create_app(Options("postgresql://"))
    with pytest.raises(UserError, match=f"^port {port} of 127.0.0.1 is in use, perhaps by another `serve`: .* --port"):
        bind(make_server(app, port=port))
    with pytest.raises(UserError, match=r"^nothing can be served at 192\.0\.2\.1, port 0 \(.+\): name another --host"):
        bind(make_server(app, host="192.0.2.1"))


def test_an_old_client_is_answered_and_let_go(port: int):
    answer = exchange(port, b"GET /api/v1/portfolios HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"connection: close" in head
    assert len(json.loads(body)["data"]) == 3


def test_requests_in_one_piece_are_answered_in_their_order(port: int):
    paths = [LIST, "/api/v1/nothing", "/api/v1/portfolios/Core%20Growth", "/healthz", LIST + "?x=1"]
    with connect(port) as connection:
        connection.sendall(b"".join(map(request, paths[:-1])) + request(paths[-1], "Connection: close"))
        whole = read(connection)
    assert statuses(whole) == [200, 404, 200, 200, 422]


def test_a_head_asked_for_alone_comes_alone(port: int):
    head, _, body = exchange(port, request(LIST, "Connection: close", method="HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405") and b"allow: GET" in head and body == b""


def test_a_body_that_nobody_asked_for_changes_nothing(port: int):
    whole = exchange(
        port, request(LIST, "Content-Length: 11") + b"GET / HTTP/" + request("/healthz", "Connection: close")
    )
    assert statuses(whole) == [200, 200]


@pytest.mark.parametrize(
    "host",
    [
        *("", "Host:", "Host: [", "Host: [::1", "Host: ]", "Host: [127.0.0.1", "Host: [v1.x]", "Host: \xff"),
        *("Host: 127.0.0.1\r\nHost: evil.example", "Host: evil.example\r\nHost: 127.0.0.1", "Host: 0x7f000001"),
        *("Host: 127.0.0.1, evil.example", "Host: 2130706433", "Host: 127.0.0.1.", "Host: user@evil.example"),
    ],
)
def test_a_host_that_is_none_is_kept_out(port: int, host: str):
    head, _, body = exchange(port, request(LIST, "Connection: close", host=host)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403"), head
    assert json.loads(body)["status"] == 403


@pytest.mark.parametrize(
    "origin", ["http://[", "[", "://", "http://127.0.0.1:1", "null", "\xff", "http://evil.example"]
)
def test_an_origin_that_is_none_is_kept_out(port: int, origin: str):
    head = exchange(port, request(LIST, f"Origin: {origin}", "Connection: close"))
    assert head.startswith(b"HTTP/1.1 403"), head


def test_a_header_in_two_lines_is_one(port: int):
    """An answer that was made for the one line must not be kept for whoever sends the other."""
    path = "/api/v1/portfolios/Core%20Growth/betas"
    as_csv, as_json, kinds = "text/csv", "application/json", []
    for accept in ([as_csv, as_json], [as_json], [as_csv], [as_json, as_csv]):
        with connect(port) as connection:
            connection.sendall(request(path, *(f"Accept: {each}" for each in accept)))
            kinds.append(read_one(connection)[1]["content-type"].partition(";")[0])
    assert kinds == [as_csv, as_json, as_csv, as_json]
    with connect(port) as connection:
        connection.sendall(request(path))
        tag = read_one(connection)[1]["etag"]
        connection.sendall(request(path, f"If-None-Match: {tag}", 'If-None-Match: "other"'))
        assert read_one(connection)[0] == 304


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_another_protocol_is_not_spoken(port: int, upgrade: str):
    with connect(port) as connection:
        connection.sendall(request(LIST, "Connection: Upgrade", f"Upgrade: {upgrade}", "Sec-WebSocket-Key: x"))
        assert read_one(connection)[0] in (200, 400)


def test_a_token_ends_within_a_connection(own_sample: Database):
    with own_sample.connect() as conn:
        tokens = [add_token(conn, name, None, None) for name in ("kept", "revoked")]
        with listening(own_sample) as port, connect(port) as connection:

            def status(*headers: str) -> int:
                connection.sendall(request(LIST, *headers))
                return read_one(connection)[0]

            own = f"Authorization: Bearer {tokens[1]}"
            assert [status(own), status(own)] == [200, 200]
            revoke_token(conn, "revoked")
            assert [status(own), status()] == [401, 401]
            assert status(f"Authorization: Bearer {tokens[0]}", own) == 401, "two are none"
            conn.execute("update ops.api_tokens set expires_at = clock_timestamp() + interval '1 second'")
            wait_until(lambda: status(f"Authorization: Bearer {tokens[0]}") != 200 or status() == 200)


def test_clients_that_go_away_leave_their_turn_and_their_connection(port: int):
    whole = exchange(port, request(LONG, "Connection: close"))
    for _ in range(3 * forms.STREAMS + 2):
        with connect(port) as connection:
            connection.sendall(request(LONG))
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    again = exchange(port, request(LONG, "Connection: close"))
    assert len(again) == len(whole) > 500_000


def begin(port: int) -> socket.socket:
    """Ask for a long table, and take no more than how it begins."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request(LONG))
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_a_client_that_takes_nothing_is_not_waited_for(sample: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forms, "PATIENCE_SECONDS", 1)
    with listening(sample, FEW_BYTES) as port:
        idle = [begin(port) for _ in range(forms.STREAMS)]
        wait_until(lambda: exchange(port, request(LONG, "Connection: close")).startswith(b"HTTP/1.1 200"))
        for connection in idle:
            assert not read(connection).endswith(END), "it can tell that the end is missing"
            connection.close()


def test_a_database_that_ends_in_the_middle_of_a_table_is_no_whole_table(own_sample: Database):
    with own_sample.connect() as conn, listening(own_sample, FEW_BYTES) as port, begin(port) as connection:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        sent = read(connection)
        whole = exchange(port, request(LONG, "Connection: close"))
    assert not sent.endswith(END)
    assert whole.endswith(END) and len(whole) > len(sent)
