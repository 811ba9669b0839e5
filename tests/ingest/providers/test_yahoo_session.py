"""How yfinance is set up: no files, no trace between two clients, and a clear word where it is another yfinance."""

import os
import subprocess
import sys
import warnings

import pytest

from ingest.providers.base import Answer, Outcome
from tests.fakes.yahoo import CRUMB
from tests.ingest.yahoo_market import FIRST, LAST, answer, ask, listing, provider
from warehouse.errors import UserError
from warehouse.settings import PROJECT_ROOT

ASK = f"""
from datetime import date
from ingest.providers.base import Want
from ingest.providers.limits import Deadline
from ingest.providers.yahoo import YahooProvider
from ingest.providers.yahoo_client import YahooClient
import sys

source = YahooProvider(YahooClient(1e6, Deadline.after(60)), date.fromisoformat("{LAST}"))
assert not {{"yfinance", "pandas", "curl_cffi"}} & sys.modules.keys()
reply = source.fetch_prices([Want("AAPL", date.fromisoformat("{FIRST}"), date.fromisoformat("{LAST}"))])
print(len(reply.bars), *reply.answers.values(), source.fetch_profiles(["AAPL"]).answers["AAPL"])
"""


def test_a_process_of_its_own_says_nothing_and_writes_no_files(net, yahoo, tmp_path):
    yahoo.add(listing())
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON"))}
    env |= net.env() | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", ASK], cwd=PROJECT_ROOT, env=env, capture_output=True, text=True
    )
    assert done.stdout == "15 ok ok\n", done.stderr
    assert "yfinance" not in done.stderr and "Pandas4Warning" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_each_client_begins_with_a_cookie_and_a_crumb_of_its_own(net, yahoo):
    yahoo.add(listing())
    first, second = provider(), provider()
    for source in (first, second, second, first):
        assert answer(ask(source)) == Answer(Outcome.OK)
    assert net.count(CRUMB) == 3  # not after the second in a row


def test_yfinance_does_not_warn_of_itself(yahoo):
    yahoo.add(listing())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(provider())
    assert [str(warning.message) for warning in caught if "yfinance" in warning.filename] == []


@pytest.mark.parametrize("name", ["_TzCacheDummy", "_CookieCacheManager"])
def test_another_yfinance_is_refused_with_the_versions_that_will_do(yahoo, monkeypatch, name):
    from yfinance import cache

    monkeypatch.delattr(cache, name)
    with pytest.raises(UserError, match=rf"it has no {name}.*install yfinance 1\.7 with pip install"):
        ask(provider())
