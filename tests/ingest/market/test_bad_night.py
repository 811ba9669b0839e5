"""A night on which everything goes wrong at once, with the real clients, and the nights around it."""

import json
import logging
import math
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from ingest.market.collection import collect_market_data
from ingest.market.report import MarketDataReport
from ingest.providers.base import Provider
from ingest.providers.fmp import FmpProvider
from ingest.providers.fmp_client import FmpClient
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.providers.polygon import PolygonProvider
from ingest.providers.yahoo import YahooProvider
from ingest.providers.yahoo_client import YahooClient, YahooPace
from tests.fakes import fmp as fake_fmp
from tests.fakes import massive as fake_massive
from tests.fakes.fmp import FakeFmp
from tests.fakes.market import Bar, Listing, random_walk
from tests.fakes.massive import FakeMassive
from tests.fakes.net import FakeNet, Reply, sample
from tests.fakes.yahoo import CHART, FakeYahoo
from tests.ingest.market_book import Book, day, define_factors
from warehouse.sessions import sessions_between

PLAIN = [f"S{n:02}" for n in range(16)]
UNKNOWN = ["AXA", "AXB", "AXC"]
CONTRACT = "AAPL210618C00150000"
HASTY = Pace(backoff_seconds=0.001, limited_seconds=0.001)
HASTY_YAHOO = YahooPace(backoff_seconds=0.001, limited_seconds=0.001)
# One request for the probe; those for the hundredfold and the missing bar, with their splits and dividends; for the
# unknown symbol; and two of the rest.
QUOTA = 1 + 3 + 3 + len(UNKNOWN) + 2 * 3

pytestmark = pytest.mark.filterwarnings("ignore")


class Market:
    """What was really traded, and the three providers that tell of it."""

    def __init__(self, conn: Any, net: FakeNet, yahoo: FakeYahoo, fmp: FakeFmp, massive: FakeMassive) -> None:
        self.conn, self.net, self.yahoo, self.fmp, self.massive = conn, net, yahoo, fmp, massive
        self.sessions = sessions_between(conn, day("2021-01-04"), day("2021-03-12"))
        before, self.bad, self.good, self.later = self.sessions[-6], *self.sessions[-5:-2]
        self.before = before
        self.truth = {
            symbol: random_walk(self.sessions, 50.0 + 10 * n, seed=n)
            for n, symbol in enumerate(["SPY", "AAPL", "AHUND", "ANULL", "AREST", "ASPLT", *PLAIN])
        }
        for session in self.sessions:
            if session >= self.bad:
                self.truth["ASPLT"][session] = self.truth["ASPLT"][session].restated(0.25)
        self.contract = random_walk(self.sessions, 7.0, seed=99)
        self.listed = {symbol: Listing(symbol, dict(bars)) for symbol, bars in self.truth.items()}
        massive.bars[f"O:{CONTRACT}"] = {}

    def close(self, session: date) -> None:
        """Let the session close: nothing later is known to anybody."""
        for symbol, bars in self.truth.items():
            known = {each: bar for each, bar in bars.items() if each <= session}
            self.yahoo.add(Listing(symbol, dict(known)))
            self.fmp.add(Listing(symbol, dict(known)))
        self.massive.bars[f"O:{CONTRACT}"] = {each: bar for each, bar in self.contract.items() if each <= session}
        if session >= self.bad:
            for app in (self.yahoo, self.fmp):
                app.listings["ASPLT"].splits[self.bad] = (4, 1)

    def spoil(self) -> None:
        """What goes wrong on the bad night."""
        hundredfold = self.truth["AHUND"][self.bad]
        self.yahoo.listings["AHUND"].bars[self.bad] = Bar(*(price * 100 for price in hundredfold[:4]), 1000)
        self.yahoo.listings["ANULL"].bars[self.bad] = None
        self.corrected = self.sessions[self.sessions.index(self.bad) - 3]
        self.truth["AREST"][self.corrected] = Bar(60.0, 62.0, 59.0, 61.23, 1_000_000)
        for app in (self.yahoo, self.fmp):
            app.listings["AREST"].bars[self.corrected] = self.truth["AREST"][self.corrected]
        # after the probe, SPY, the nine symbols with an A, and some more
        storm = sample("yahoo_any_ratelimited.429.txt")
        self.faults = [self.net.fault(CHART, "yahoo", after=14, times=math.inf, reply=storm)]
        self.fmp.quota_left, self.fmp.when_spent = QUOTA, sample("fmp_quota_as_200.200.json")
        page = {
            "ticker": f"O:{CONTRACT}",
            "adjusted": False,
            "status": "OK",
            "results": [_row(self.bad, self.contract[self.bad])],
            "next_url": "https://evil.example/v2/more?cursor=1",
        }
        self.faults.append(self.net.fault("/v2/aggs", "massive", times=math.inf, reply=Reply(body=page)))
        self.net.mount("evil", lambda _: Reply(body=page))

    def mend(self) -> None:
        """Have everybody in good health again."""
        for fault in self.faults:
            fault.times = 0
        self.fmp.quota_left = 250

    def night(self, session: date) -> MarketDataReport:
        """Collect with the real clients, as a process of its own would."""
        deadline = Deadline.after(60)
        providers: list[Provider] = [
            YahooProvider(YahooClient(1e6, deadline, HASTY_YAHOO), session),
            FmpProvider(
                FmpClient(
                    SecretStr(fake_fmp.KEY),
                    "https://financialmodelingprep.com/stable",
                    per_minute=1e6,
                    deadline=deadline,
                    pace=HASTY,
                ),
                session,
            ),
            PolygonProvider(
                SecretStr(fake_massive.KEY),
                "https://api.massive.com",
                session,
                per_minute=1e6,
                deadline=deadline,
                pace=HASTY,
            ),
        ]
        now = datetime.combine(session, time(18, 30), ZoneInfo("America/New_York"))
        return collect_market_data(self.conn, providers, session, session, history_sessions=25, today=session, now=now)

    def stored(self) -> dict[tuple[str, date], tuple[float, str]]:
        query = "select symbol, price_date, close::float, source from raw.market_data_cache"
        return {(symbol, session): (close, source) for symbol, session, close, source in self.conn.execute(query)}

    def untrue(self) -> list[tuple[str, date, float]]:
        """Return what is stored and was not traded so."""
        bars = self.truth | {CONTRACT: self.contract}
        return [
            (symbol, session, close)
            for (symbol, session), (close, _) in self.stored().items()
            if close != pytest.approx(bars[symbol][session].close, abs=1e-6)
        ]


def _row(session: date, bar: Bar) -> dict[str, Any]:
    at = datetime.combine(session, time(), ZoneInfo("America/New_York"))
    prices = {"o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close}
    return {**prices, "v": bar.volume, "t": int(at.timestamp() * 1000)}


@pytest.fixture
def market(conn, net, yahoo, fmp, massive) -> Market:
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    market = Market(conn, net, yahoo, fmp, massive)
    for symbol in market.truth:
        if symbol != "SPY":
            book.lot(symbol)
    for symbol in UNKNOWN:
        book.lot(symbol)
    book.option(CONTRACT, "AAPL", "2021-06-18", entry_date="2021-02-26")
    return market


@pytest.fixture(autouse=True)
def no_key_anywhere(conn, caplog) -> Iterator[None]:
    """Look for the keys in all that was logged and stored."""
    caplog.set_level(logging.DEBUG)
    yield
    tables = conn.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('raw', 'ops')"
    ).fetchall()
    texts = [caplog.text]
    for (table,) in tables:
        texts += [row for (row,) in conn.execute(f"select each::text from {table} as each")]
    assert len(texts) > 500
    for key in (fake_fmp.KEY, fake_massive.KEY):
        assert not any(key in text for text in texts)


def test_the_bad_night_and_those_around_it(market):
    conn = market.conn
    market.close(market.before)
    report = market.night(market.before)
    assert (market.untrue(), report.rejected, report.restated.total()) == ([], [], 0)
    assert [missed.symbol for missed in report.missed] == UNKNOWN
    assert {source for _, source in market.stored().values()} == {"yahoo", "polygon"}
    assert report.prices.inserted == len(market.truth) * 26 + len(
        [session for session in market.contract if day("2021-02-11") <= session <= market.before]
    )

    # the bad night
    market.close(market.bad)
    market.spoil()
    bad = market.night(market.bad)
    assert market.untrue() == []
    stored = market.stored()
    sources = {symbol: stored.get((symbol, market.bad), (None, None))[1] for symbol in market.truth}
    assert {symbol: sources[symbol] for symbol in ("AHUND", "ANULL", "AREST", "ASPLT", "AAPL")} == {
        "AHUND": "fmp",  # whose bar is plausible
        "ANULL": "fmp",
        "AREST": "yahoo",
        "ASPLT": "yahoo",
        "AAPL": "yahoo",
    }
    filled = [symbol for symbol in PLAIN if sources[symbol] == "fmp"]
    missing = [symbol for symbol in PLAIN if sources[symbol] is None]
    assert 1 <= len(filled) <= 2
    assert len(missing) >= 6
    # a split leaves what is stored as it was; a correction replaces one close
    assert conn.execute("select symbol, value::int from raw.corporate_actions").fetchall() == [("ASPLT", 4)]
    assert conn.execute("select symbol, price_date from ops.price_restatements").fetchall() == [
        ("AREST", market.corrected)
    ]
    rejected = conn.execute("select source, symbol, row_date, reason from ops.rejected_rows").fetchall()
    assert [row[:3] for row in rejected] == [("yahoo", "AHUND", market.bad)]
    assert rejected[0][3].endswith("about a hundredfold, in another unit?")
    assert stored[CONTRACT, market.bad][1] == "polygon"
    assert market.net.count(host="evil") == 0

    warnings = dict(bad.warnings())
    text = "\n".join(f"{scope}: {message}" for scope, message in bad.warnings())
    assert "evil.example" in warnings["polygon"]
    assert "yahoo: not asked again in this run: it said 3 times in a row that it is asked too often (429)" in text
    assert "fmp: not asked again in this run: it keeps failing, last with: rate limited (the plan's requests" in text
    for symbol in missing:
        (message,) = [f"{scope}: {what}" for scope, what in bad.warnings() if symbol in scope or f"{symbol}" in what]
        assert "no price of" in message
        assert "429" in message
        assert "requests are used up" in message
    assert f"AXB: no price of {market.bad}, there is none before: yahoo: not found" in text
    assert [missed.symbol for missed in bad.missed] == sorted([*UNKNOWN, *missing])
    yahoo, fmp, polygon = bad.providers
    assert (yahoo.rejected, fmp.rejected, polygon.asked, polygon.requests) == (1, 0, 1, 2)
    assert yahoo.waiting + yahoo.missed == len(filled) + len(missing) + len(UNKNOWN)
    assert fmp.requests <= QUOTA + 3
    said = json.dumps([bad.counts(), bad.lines(), bad.warnings()])
    assert fake_fmp.KEY not in said
    assert fake_massive.KEY not in said
    # trouble of a source is no answer about a symbol
    failing = conn.execute(
        "select distinct symbol from ops.fetch_state where consecutive_failures > 0 and kind = 'prices'"
    )
    assert {symbol for (symbol,) in failing} == set(UNKNOWN)

    # the next good night corrects all that can be corrected
    market.mend()
    market.close(market.good)
    good = market.night(market.good)
    assert market.untrue() == []
    expected = {
        (symbol, session)
        for symbol in market.truth
        for session in market.sessions
        if session in (market.bad, market.good)
    }
    assert expected <= market.stored().keys()
    assert (good.rejected, good.holes.total()) == ([], 0)
    assert [missed.symbol for missed in good.missed] == UNKNOWN
    assert {market.stored()[symbol, market.bad][1] for symbol in market.truth} <= {"yahoo", "fmp"}
    # and after that a night is an ordinary one
    market.close(market.later)
    calm = market.night(market.later)
    assert (calm.prices.inserted, calm.prices.updated) == (len(market.truth) + 1, 0)
    assert calm.providers[0].requests <= 1 + 1.1 * (len(market.truth) + len(UNKNOWN))
