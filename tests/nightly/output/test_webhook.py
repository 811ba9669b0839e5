"""The webhook gets the summary, and a night does not mind when it does not."""

import http.server
import json
import threading
from collections.abc import Iterator

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
    assert said == "the webhook was not told: it answered 500; look at AFTERCLOSE_WEBHOOK_URL"


def test_a_hook_that_is_not_there_is_one_line_without_its_address(hook):
    port = hook.server_port
    hook.shutdown()
    hook.server_close()
    said = webhook.notify(settings(port), {})
    assert said == "the webhook was not told: ConnectError; look at AFTERCLOSE_WEBHOOK_URL"
    assert webhook.notify(load_settings(), {}) is None
