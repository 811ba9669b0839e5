import logging
import math
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from ingest.providers.base import Outcome, Usage
from ingest.providers.http import ForeignHostError, JsonClient, Pace, SourceError
from ingest.providers.limits import Deadline, RateLimiter
from tests.fakes.net import FakeNet, Reply

KEY = "planted-7f3a9c"
BASE = "https://api.massive.com/v9"
HASTY = Pace(backoff_seconds=0.001, limited_seconds=0.001, timeout_seconds=5)


@pytest.fixture
def source(net: FakeNet) -> FakeNet:
    net.mount("massive|polygon", lambda request: Reply(body={"price": 0.1, "path": request.path}))
    net.mount("evil", lambda request: Reply(body={"price": 666}))
    return net


@pytest.fixture(autouse=True)
def every_word_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, and however talkative the libraries are made, the key is in no log record."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        assert KEY not in f"{record.getMessage()} {record.args!r} {record.exc_text}"


def client_of(key: str = KEY, base: str = BASE, seconds: float = 20, per_minute: float = 1e6, **options) -> JsonClient:
    options.setdefault("pace", HASTY)
    return JsonClient(
        "Massive",
        base,
        SecretStr(key),
        header="X-Key",
        limiter=RateLimiter(per_minute),
        deadline=Deadline.after(seconds),
        **options,
    )


def error_of(ask: Callable[[], object]) -> SourceError:
    """Return the error, of which nothing tells the key: its text, its parts, nor what it was raised from."""
    with pytest.raises(SourceError) as caught:
        ask()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(error.answer)
    assert KEY not in told
    assert "\n" not in str(error)
    return error


def test_the_key_is_in_a_header_and_numbers_are_exact(source: FakeNet) -> None:
    client = client_of()
    reply = client.get("prices/A", {"from": "2026-11-20"})
    assert reply.body["price"] == Decimal("0.1")
    (request,) = source.log
    assert request.headers["x-key"] == KEY
    assert (request.path, request.query) == ("/v9/prices/A", {"from": ["2026-11-20"]})
    assert client.usage == Usage(1, 0)
    assert KEY not in repr(client) + repr(vars(client))


def test_libraries_that_are_made_to_talk_do_not_tell_the_key(source: FakeNet, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(breaker=None)
    client.get("a")
    names = ["httpx", *(name for name in logging.root.manager.loggerDict if name.startswith("httpcore"))]
    assert caplog.messages == []
    for name in names:
        caplog.set_level(logging.DEBUG, name)
    client.get("b", {"symbol": "A"})
    source.fault(status=500, body=f"no {KEY}", times=9)
    assert "[key]" in error_of(lambda: client.get("c")).detail
    assert any("/v9/b" in message for message in caplog.messages)
    assert any(message.startswith("receive_response_headers") for message in caplog.messages)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "body": "oops"},
        {"status": 429},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": '{"cut'},
        {"drop": True},
        {"delay": 0.8},
    ],
    ids=str,
)
def test_trouble_that_passes_is_asked_again(source: FakeNet, fault: dict[str, object]) -> None:
    source.fault(times=2, **fault)
    client = client_of(pace=HASTY._replace(timeout_seconds=0.5))
    assert client.get("x").status == 200
    assert client.usage == Usage(3, 2)
    assert client.problems() == []


@pytest.mark.parametrize(
    ("fault", "outcome", "detail"),
    [
        ({"status": 503, "body": "busy\nnow"}, Outcome.UNREACHABLE, "503 busy now"),
        ({"drop": True}, Outcome.UNREACHABLE, "no connection: RemoteProtocolError"),
        ({"status": 200, "body": "<html>"}, Outcome.UNREACHABLE, "no JSON: 200 <html>"),
        ({"status": 200, "body": "[" * 100_000}, Outcome.UNREACHABLE, "no JSON: 200 [[["),
    ],
    ids=str,
)
def test_trouble_that_stays_is_named_after_four_attempts(source: FakeNet, fault, outcome, detail) -> None:
    source.fault(times=math.inf, **fault)
    client = client_of()
    error = error_of(lambda: client.get("x"))
    assert error.outcome == outcome
    assert error.detail.startswith(detail)
    assert len(error.detail) <= 230
    assert client.usage == Usage(4, 3)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, "Query Error", Outcome.BAD_DATA),
        (402, "Premium", Outcome.REFUSED),
        (403, {"message": "not yours"}, Outcome.REFUSED),
        (404, [], Outcome.NOT_FOUND),
    ],
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(source: FakeNet, status, body, outcome) -> None:
    source.fault(status=status, body=body)
    client = client_of()
    assert error_of(lambda: client.get("x")).outcome == outcome
    assert client.usage == Usage(1, 0)
    assert client.get("y").status == 200


def test_a_refused_key_ends_the_run_for_this_source_and_is_told_once(source: FakeNet) -> None:
    source.fault(status=401, body={"error": f"Unknown API Key {KEY}"}, times=math.inf)
    client = client_of()
    assert str(error_of(lambda: client.get("x"))) == "refused (401 Unknown API Key [key])"
    assert error_of(lambda: client.get("y")).outcome == Outcome.NOT_ASKED
    assert len(source.log) == 1
    assert client.problems() == ["not asked again in this run: 401 Unknown API Key [key]"]
    assert client.problems() == []


def test_repeated_429s_open_the_breaker(source: FakeNet) -> None:
    source.fault(status=429, times=math.inf)
    client = client_of()
    assert error_of(lambda: client.get("x")).outcome == Outcome.RATE_LIMITED
    assert error_of(lambda: client.get("y")).outcome == Outcome.NOT_ASKED
    assert len(source.log) == 3
    assert client.problems() == ["not asked again in this run: it keeps failing, last with: rate limited (429)"]


def test_a_source_that_is_down_is_given_up_after_three_requests_with_all_their_retries(source: FakeNet) -> None:
    source.fault(status=502, times=math.inf)
    client = client_of()
    outcomes = [error_of(lambda: client.get("x")).outcome for _ in range(5)]
    assert outcomes == [Outcome.UNREACHABLE] * 3 + [Outcome.NOT_ASKED] * 2
    assert len(source.log) == 12


def test_retry_after_in_seconds_is_waited_for(source: FakeNet) -> None:
    source.fault(status=429, headers=(("Retry-After", "0.3"),))
    client = client_of()
    started = time.monotonic()
    client.get("x")
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [True, False])
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(source: FakeNet, status: int, as_date: bool) -> None:
    an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True) if as_date else "3600"
    source.fault(status=status, headers=(("Retry-After", an_hour),))
    client = client_of()
    started = time.monotonic()
    assert error_of(lambda: client.get("x")).outcome in (Outcome.RATE_LIMITED, Outcome.UNREACHABLE)
    late = error_of(lambda: client.get("y"))
    assert (late.outcome, late.detail) == (
        Outcome.NOT_ASKED,
        "the run's time for fetching is over: queued for a later night",
    )
    assert len(source.log) == 1
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("nonsense", ["soon", "nan", "inf", "-5", "Mon, 32 Nov 2026 25:00:00 GMT", ""])
def test_a_retry_after_that_cannot_be_read_is_passed_over(source: FakeNet, nonsense: str) -> None:
    source.fault(status=503, headers=(("Retry-After", nonsense),))
    assert client_of().get("x").status == 200


def test_after_the_deadline_nothing_is_sent(source: FakeNet) -> None:
    assert error_of(lambda: client_of(seconds=0).get("x")).outcome == Outcome.NOT_ASKED
    assert source.log == []


def test_a_redirect_is_not_followed(source: FakeNet) -> None:
    source.fault(host="massive", status=302, headers=(("Location", f"https://evil.example/{KEY}"),))
    assert error_of(lambda: client_of().get("x")).detail == "302 redirects to evil.example, which is not followed"
    assert source.count(host="evil") == 0


def test_a_next_page_is_followed_on_the_sources_own_hosts_with_the_key(source: FakeNet) -> None:
    client = client_of(other_hosts=frozenset({"api.polygon.io"}))
    for url in (f"{BASE}/page?cursor=2", "https://api.polygon.io/page?cursor=2"):
        client.follow(url)
        assert source.log[-1].headers["x-key"] == KEY
        assert source.log[-1].query == {"cursor": ["2"]}


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/page",
        "http://api.polygon.io/page",
        "https://api.polygon.io:444/page",
        "https://api.polygon.io@evil.example/page",
        "https://me:you@api.polygon.io/page",
        "https://api.polygon.io.evil.example/page",
        "//api.polygon.io/page",
        "/v9/page",
        "file:///etc/passwd",
        "https://[bad",
        "",
    ],
)
def test_a_next_page_elsewhere_is_not_asked_for(source: FakeNet, url: str) -> None:
    client = client_of(other_hosts=frozenset({"api.polygon.io"}))
    error = error_of(lambda: client.follow(url))
    assert isinstance(error, ForeignHostError)
    assert source.log == []
    assert client.usage == Usage()
    assert client.get("x").status == 200


@pytest.mark.parametrize("key", ["", "  ", f"{KEY}\nX-Other: 1", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_told_of_without_quoting_it(source: FakeNet, key: str) -> None:
    client = client_of(key)
    error = error_of(lambda: client.get("x"))
    assert error.outcome == Outcome.NOT_ASKED
    assert "its key is empty, or has characters that no HTTP header can carry" in error.detail
    assert len(client.problems()) == 1
    assert source.log == []


def test_space_around_a_key_is_no_part_of_it(source: FakeNet) -> None:
    client_of(f" {KEY}\n").get("x")
    assert source.log[0].headers["x-key"] == KEY


@pytest.mark.parametrize("base", ["", "api.massive.com", "ftp://api.massive.com", "https://", "https://[x"])
def test_an_address_that_is_none_is_told_of(source: FakeNet, base: str) -> None:
    assert "its address does not begin with https://" in error_of(lambda: client_of(base=base).get("x")).detail


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/nowhere.pem"), ("HTTPS_PROXY", "nonsense://x"), ("https_proxy", "http://[x")],
)
def test_an_environment_that_cannot_be_used_is_told_of(
    source: FakeNet, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for spelling in (name, name.lower()) if "proxy" in name.lower() else (name,):
        monkeypatch.setenv(spelling, value)
    assert error_of(lambda: client_of().get("x")).detail.startswith("no connection: ")


def test_a_reply_that_never_ends_is_given_up() -> None:
    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            try:
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.02)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        client = client_of(
            base=f"http://127.0.0.1:{listening.getsockname()[1]}", pace=HASTY._replace(attempts=1, reply_seconds=0.1)
        )
        assert error_of(lambda: client.get("x")).detail == "the reply took too long"


def test_threads_share_turns_and_counts(source: FakeNet) -> None:
    client = client_of(per_minute=3000)
    started = time.monotonic()
    threads = [threading.Thread(target=client.get, args=("x",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 19 * 60 / 3000
    assert client.usage == Usage(20, 0)
