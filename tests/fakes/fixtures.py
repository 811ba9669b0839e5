"""Pytest fixtures: the loopback internet, and the three providers on it. Loaded by `tests/conftest.py`."""

from collections.abc import Iterator

import pytest

from tests.fakes import fmp as fmp_app
from tests.fakes import massive as massive_app
from tests.fakes import yahoo as yahoo_app
from tests.fakes.fmp import FakeFmp
from tests.fakes.massive import FakeMassive
from tests.fakes.net import FakeNet
from tests.fakes.yahoo import FakeYahoo


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNet]:
    """The server behind `net`, for fixtures of a wider scope: they mount what they need and set its `env()`."""
    with FakeNet(tmp_path_factory.mktemp("loopback")) as server:
        yield server


@pytest.fixture
def net(loopback: FakeNet, monkeypatch: pytest.MonkeyPatch) -> FakeNet:
    """An internet with nobody in it; this process, and those it starts, know no other."""
    loopback.reset()
    for name, value in loopback.env().items():
        monkeypatch.setenv(name, value)
    return loopback


@pytest.fixture
def yahoo(net: FakeNet) -> FakeYahoo:
    """Yahoo without a listing."""
    app = FakeYahoo()
    net.mount(yahoo_app.HOSTS, app)
    return app


@pytest.fixture
def fmp(net: FakeNet) -> FakeFmp:
    """FMP without a listing."""
    app = FakeFmp()
    net.mount(fmp_app.HOSTS, app)
    return app


@pytest.fixture
def massive(net: FakeNet) -> FakeMassive:
    """Massive without a bar, and as many requests as one likes."""
    app = FakeMassive(requests=float("inf"))
    net.mount(massive_app.HOSTS, app)
    return app
