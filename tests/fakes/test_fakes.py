"""The fakes say what the providers say: each test asks one with a plain HTTP client."""

import subprocess
import sys
from datetime import UTC, date, datetime

import httpx
import pytest

from tests.fakes import fmp as fmp_app
from tests.fakes import massive as massive_app
from tests.fakes.market import Bar, Listing, bars_of, random_walk, weekdays
from tests.fakes.net import sample

DAYS = weekdays(date(2026, 11, 2), 15)
OPTION = "O:AAPL270115C00150000"


@pytest.fixture
def client(net):
    with httpx.Client() as opened:
        yield opened


def listing(**fields) -> Listing:
    return Listing("AAPL", bars_of({DAYS[0]: 400.0, DAYS[1]: 404.0, DAYS[2]: 102.0}), **fields)


def chart(client, **parameters):
    reply = client.get("https://query2.finance.yahoo.com/v8/finance/chart/AAPL", params=parameters)
    result = reply.json()["chart"]["result"][0]
    quote = result["indicators"]["quote"][0]
    return quote.get("close"), quote.get("volume"), result.get("events"), result["indicators"]["adjclose"][0]


def test_yahoo_and_fmp_restate_after_a_split_alike(net, yahoo, fmp, client):
    apple = listing(splits={DAYS[2]: (4, 1)}, dividends={DAYS[1]: 4.0})
    yahoo.add(apple), fmp.add(apple)
    closes, volumes, events, adjusted = chart(client, range="max")
    assert closes == [100.0, 101.0, 102.0] and volumes == [4_000_000, 4_000_000, 1_000_000]
    assert adjusted["adjclose"] == pytest.approx([100 * (1 - 4 / 400), 101.0, 102.0])
    assert [paid["amount"] for paid in events["dividends"].values()] == [1.0]
    assert [split["splitRatio"] for split in events["splits"].values()] == ["4:1"]

    def eod(basis):
        return client.get(
            f"https://financialmodelingprep.com/stable/historical-price-eod/{basis}",
            params={"symbol": "AAPL"},
            headers={"apikey": fmp_app.KEY},
        ).json()

    assert [row["close"] for row in eod("full")] == closes[::-1]
    assert [(row["adjClose"], row["volume"]) for row in eod("non-split-adjusted")] == [
        (102.0, 1_000_000),
        (404.0, 1_000_000),
        (400.0, 1_000_000),
    ]
    assert [row["adjClose"] for row in eod("dividend-adjusted")] == pytest.approx(adjusted["adjclose"][::-1])


def test_yahoo_shows_nulls_the_running_session_and_nothing_of_other_days(yahoo, client):
    apple = yahoo.add(listing())
    apple.bars[DAYS[2]] = None
    now = datetime(2026, 11, 5, 15, tzinfo=UTC)
    yahoo.live["AAPL"] = (now, Bar(1, 1, 1, 1.5, 10))
    noon = [int(datetime(day.year, day.month, day.day, 17, tzinfo=UTC).timestamp()) for day in DAYS[:3]]
    assert chart(client, period1=noon[0], period2=noon[2])[0] == [404.0, None, 1.5]


def test_fmp_drops_the_oldest_rows_beyond_its_cap_and_says_no_in_its_own_ways(net, fmp, client):
    fmp.add(Listing("OLD", random_walk(weekdays(date(1990, 1, 1), 5001))))
    fmp.data["OLD"] = {"income-statement": {"annual": [{"period": "FY"}] * 9}}
    fmp.premium.add("GATED"), fmp.restricted.add("eod-bulk")

    def ask(path, **parameters):
        parameters = {"apikey": fmp_app.KEY, **parameters}
        return client.get(f"https://financialmodelingprep.com/{path}", params=parameters)

    rows = ask("stable/historical-price-eod/light", symbol="OLD").json()
    assert len(rows) == 5000 and rows[-1]["date"] == "1990-01-02"
    assert len(ask("stable/income-statement", symbol="OLD").json()) == 5
    assert ask("stable/profile", symbol="NOPE").json() == []
    assert ask("stable/profile", symbol="GATED").status_code == ask("stable/eod-bulk").status_code == 402
    assert ask("api/v3/profile/OLD").status_code == 403
    assert ask("stable/profile", symbol="OLD", apikey="wrong").status_code == 401
    fmp.quota_left, fmp.when_spent = 0, sample("fmp_quota_as_200.200.json")
    assert "Limit Reach" in ask("stable/profile", symbol="OLD").json()["Error Message"]


def test_massive_has_no_results_without_trades_turns_pages_elsewhere_and_counts_requests(net, massive, client):
    massive.bars = {
        OPTION: {DAYS[0]: Bar(5.1, 5.4, 5.0, 5.25, 120)},
        "O:AAPL270115P00150000": {},
        "O:MSFT270115C00400000": {},
    }
    massive.page = 1
    client.headers["Authorization"] = f"Bearer {massive_app.KEY}"

    def aggregates(ticker):
        return client.get(f"https://api.massive.com/v2/aggs/ticker/{ticker}/range/1/day/2026-11-01/2026-11-30").json()

    at_midnight = int(datetime(2026, 11, 2, 5, tzinfo=UTC).timestamp() * 1000)
    assert [(row["t"], row["c"]) for row in aggregates(OPTION)["results"]] == [(at_midnight, 5.25)]
    assert "results" not in aggregates("O:AAPL270115P00150000")
    page = client.get("https://api.massive.com/v3/reference/options/contracts", params={"underlying_ticker": "AAPL"})
    assert page.json()["next_url"].startswith("https://api.polygon.io/") and massive_app.KEY not in page.text
    last = client.get(page.json()["next_url"]).json()
    assert [row["ticker"] for row in last["results"]] == ["O:AAPL270115P00150000"] and "next_url" not in last
    massive.requests = 0
    assert client.get("https://api.massive.com/v3/reference/options/contracts").status_code == 429


def test_faults_come_in_their_turn_and_everything_is_written_down(net, client):
    net.fault(path="/storm", after=1, times=2, status=429)
    net.fault(path="/gone", drop=True)
    answers = [client.get("https://api.massive.com/storm").status_code for _ in range(4)]
    assert answers == [502, 429, 429, 502]
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("https://api.massive.com/gone")
    assert net.paths() == {"/storm": 4, "/gone": 1}


def test_a_process_of_its_own_finds_the_loopback_too(net, yahoo):
    yahoo.add(listing())
    ask = "import httpx; print(httpx.get('https://query2.finance.yahoo.com/v8/finance/chart/AAPL').status_code)"
    done = subprocess.run([sys.executable, "-c", ask], env=net.env(), capture_output=True, text=True, check=True)
    assert done.stdout == "200\n" and net.count("/AAPL$") == 1
