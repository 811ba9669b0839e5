"""Kept answers are handed out on the connection itself: the same ones, to the same callers, and no garbage is left."""

import gc
import socket
from collections.abc import Iterator

import pytest

from api.tokens import add_token, revoke_token
from tests.api.conftest import wait_until
from tests.api.test_connections import LIST, connect, exchange, listening, read_one, request, statuses
from warehouse.database import Database

PORTFOLIO = "/api/v1/portfolios/Core%20Growth"
GZIP = "Accept-Encoding: gzip"


@pytest.fixture(scope="module")
def port(sample: Database) -> Iterator[int]:
    with listening(sample) as port:
        yield port


def ask(connection: socket.socket, path: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    """An answer without what differs each time."""
    connection.sendall(request(path, *headers))
    status, found, body = read_one(connection)
    return status, {name: value for name, value in found.items() if name not in ("x-request-id", "date")}, body


@pytest.mark.parametrize("path", [LIST, PORTFOLIO, f"{PORTFOLIO}/positions?by=symbol", f"{PORTFOLIO}/betas?format=csv"])
@pytest.mark.parametrize("headers", [(), (GZIP,), ("Accept: */*", "Accept-Language: de")])
def test_a_kept_answer_is_the_one_that_was_made(
    port: int, path: str, headers: tuple[str, ...], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "afterclose.api")
    with connect(port) as connection:
        answers = [ask(connection, path, *headers) for _ in range(3)]
    assert answers[0][0] == 200 and answers[0] == answers[1] == answers[2]
    wait_until(lambda: len(caplog.records) == 3)
    assert caplog.records[-1].fields["how"] == "kept"
    assert caplog.records[-1].fields["bytes"] == len(answers[0][2])
    assert caplog.records[-1].fields["path"].startswith("/api/v1/portfolios")


def test_who_has_it_already_is_told_so(port: int):
    with connect(port) as connection:
        _, headers, _ = ask(connection, PORTFOLIO)
        tag = headers["etag"]
        for asked_for in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
            connection.sendall(request(PORTFOLIO, f"If-None-Match: {asked_for}"))
            status, found, body = read_one(connection)
            assert (status, found["etag"], body) == (304, tag, b"")
            assert found["vary"] == headers["vary"] and found["cache-control"] == "private, no-cache"
            assert len(found["x-request-id"]) == 12
        assert ask(connection, PORTFOLIO, 'If-None-Match: "other"')[0] == 200


def test_many_in_one_piece_come_in_their_order_and_the_last_closes(port: int):
    paths = [PORTFOLIO, f"{PORTFOLIO}/betas", LIST] * 5
    one = {path: exchange(port, request(path, "Connection: close")).partition(b"\r\n\r\n")[2] for path in set(paths)}
    last = request("/api/v1/nothing", "Connection: close")
    whole = exchange(port, b"".join(map(request, paths)) + last)
    assert statuses(whole) == [200] * len(paths) + [404]
    for path in paths:
        place = whole.find(one[path])
        assert place >= 0
        whole = whole[place + len(one[path]) :]
    head = exchange(port, request(PORTFOLIO, "Connection: close")).partition(b"\r\n\r\n")[0]
    assert b"connection: close" in head
    old = exchange(port, b"GET %b HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" % PORTFOLIO.encode())
    assert old.startswith(b"HTTP/1.1 200 OK\r\n") and old.endswith(one[PORTFOLIO])


def test_what_is_kept_is_not_for_everyone(own_sample: Database):
    with own_sample.connect() as conn:
        ids = dict(conn.execute("select name, portfolio_id from raw.portfolios").fetchall())
        with listening(own_sample) as port, connect(port) as connection:

            def status(*headers: str) -> int:
                return ask(connection, PORTFOLIO, *headers)[0]

            assert [status(), status()] == [200, 200]
            assert status("Host: evil.example") == 403
            assert status("Origin: http://evil.example") == 403
            tokens = {
                name: f"Authorization: Bearer {add_token(conn, name, portfolios, None)}"
                for name, portfolios in (
                    ("all", None),
                    ("own", [ids["Core Growth"]]),
                    ("other", [ids["Long Short Equity"]]),
                )
            }
            for _ in range(2):
                assert [status(), status("Authorization: Bearer ac_x")] == [401, 401]
                assert [status(tokens[name]) for name in ("all", "own", "other")] == [200, 200, 404]
            revoke_token(conn, "own")
            assert [status(tokens["own"]), status(tokens["all"])] == [401, 200]


def test_a_change_is_seen_on_the_same_connection(own_sample: Database):
    with own_sample.connect() as conn, listening(own_sample) as port, connect(port) as connection:
        tags = [ask(connection, PORTFOLIO)[1]["etag"] for _ in range(2)]
        conn.execute("update analytics.portfolio_snapshots set daily_pnl = daily_pnl + 1")
        conn.commit()
        tags += [ask(connection, PORTFOLIO)[1]["etag"] for _ in range(2)]
        assert tags[0] == tags[1] != tags[2] == tags[3]
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert ask(connection, PORTFOLIO)[1]["etag"] == tags[3], "it asks again on another connection"


def test_nothing_is_left_for_the_garbage_collector(port: int):
    """Its search through everything takes a tenth of a second, in which nobody is answered."""
    with connect(port) as connection:
        for _ in range(3):
            ask(connection, PORTFOLIO)
        gc.collect()
        gc.disable()
        try:
            for _ in range(300):
                assert ask(connection, PORTFOLIO)[0] == 200
            assert gc.collect() < 300, "less than one object a request"
        finally:
            gc.enable()
