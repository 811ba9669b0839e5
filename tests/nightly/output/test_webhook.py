"""The webhook gets the summary, and a night does not mind when it does not."""

import http.server
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from pydantic import SecretStr

from nightly.output import webhook
from warehouse.settings import load_settings

TOKEN = "t0ken-of-the-webhook"


class _Hook(http.server.ThreadingHTTPServer):
    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[dict] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[_Hook]:
    with _Hook() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def settings(port: int):
    return load_settings().model_copy(update={"webhook_url": SecretStr(f"http://127.0.0.1:{port}/{TOKEN}")})


def test_it_is_told_the_summary(hook):
    assert webhook.notify(settings(hook.server_port), {"status": "failed", "errors": []}) is None
    assert hook.heard == [{"status": "failed", "errors": []}]


def test_a_hook_that_refuses_is_one_line_without_its_address(hook):
    hook.status = 500
    said = webhook.notify(settings(hook.server_port), {})
    assert said == "the webhook did not get the summary: it answered 500; look at AFTERCLOSE_WEBHOOK_URL"


def test_a_hook_that_is_not_there_is_one_line_without_its_address(hook):
    port = hook.server_port
    hook.shutdown()
    hook.server_close()
    said = webhook.notify(settings(port), {})
    assert said == "the webhook did not get the summary: ConnectError; look at AFTERCLOSE_WEBHOOK_URL"
    assert webhook.notify(load_settings(), {}) is None


def test_a_hook_that_drips_is_given_up_and_one_that_talks_for_ever_is_not_listened_to():
    """One byte at a time resets every timeout of a client; and a body of gigabytes is nobody's summary."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping, stop = settings(listener.getsockname()[1]), threading.Event()

        def drip() -> None:
            with listener.accept()[0] as caller, suppress(OSError):
                for byte in itertools.cycle(b"HTTP/1.1 204 No Content and more of it "):
                    caller.sendall(bytes([byte]))
                    if stop.wait(0.05):
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        assert webhook.notify(dripping, {}, deadline_seconds=0.5) == (
            "the webhook did not get the summary: no answer within 0.5 s; look at AFTERCLOSE_WEBHOOK_URL"
        )
        stop.set()
        thread.join()

        sent = []

        def talk() -> None:
            with listener.accept()[0] as caller, suppress(OSError):
                caller.recv(65_536)
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1200000000\r\n\r\n")
                while True:
                    sent.append(caller.send(b"x" * 65_536))

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        assert webhook.notify(dripping, {}) is None
        thread.join()
        assert sum(sent) < 100_000_000
