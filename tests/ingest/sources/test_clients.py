"""One client for each vendor and run: its limits and its end are those of all that ask of it."""

from datetime import UTC, date, datetime

import pytest
from pydantic import SecretStr

from ingest.fundamentals.chain import fundamentals_chain
from ingest.fundamentals.collection import collect_fundamentals
from ingest.market.collection import collect_market_data
from ingest.providers.fmp_client import FmpClient
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.sources.chain import provider_chain
from ingest.sources.clients import Clients
from tests.fakes.fmp import KEY
from tests.fakes.market import Listing, bars_of, weekdays
from tests.ingest.market_book import Book, define_factors
from warehouse.settings import load_settings

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
DAYS = weekdays(date(2026, 11, 2), 15)


@pytest.fixture
def clients() -> Clients:
    settings = load_settings().model_copy(
        update={
            "providers": "yahoo,fmp",
            "fmp_api_key": SecretStr(KEY),
            "fmp_url": "https://financialmodelingprep.com/stable",
            "yahoo_per_minute": 60_000,
            "fmp_per_minute": 60_000,
        }
    )
    clients = Clients(settings, Deadline.after(60))
    hasty = Pace(backoff_seconds=0.001, limited_seconds=0.001)
    clients.fmp = FmpClient(SecretStr(KEY), settings.fmp_url, per_minute=1e6, deadline=clients.deadline, pace=hasty)
    return clients


def test_prices_and_fundamentals_ask_by_one_client_of_each_vendor(clients):
    prices = [
        provider.provider
        for provider in provider_chain(clients.settings, today=TODAY, deadline=clients.deadline, clients=clients)
    ]
    fundamentals = fundamentals_chain(clients, today=TODAY)
    assert [provider.name for provider in prices] == ["yahoo", "fmp"]
    for one, other, client in zip(prices, fundamentals, (clients.yahoo, clients.fmp), strict=True):
        # the cost of one of them is the cost of all
        assert one.usage is other.usage is client.usage
    # and the next run has its own
    assert Clients(clients.settings, clients.deadline).yahoo is not clients.yahoo


@pytest.mark.filterwarnings("ignore")
def test_a_quota_that_is_used_up_is_waited_out_once_a_run(conn, net, yahoo, fmp, clients):
    define_factors(conn)
    book = Book(conn, inception="2026-11-16")
    for symbol in ("AAA", "BBB", "CCC"):
        book.lot(symbol, "2026-11-16")
        fmp.add(Listing(symbol, bars_of(dict.fromkeys(DAYS, 50.0))))
        conn.execute(
            "insert into raw.company_profiles (symbol, quote_type, source) values (%s, 'EQUITY', 't')", [symbol]
        )
    fmp.add(Listing("AAPL", bars_of(dict.fromkeys(DAYS, 50.0))))
    fmp.quota_left = 5
    providers = provider_chain(clients.settings, today=TODAY, deadline=clients.deadline, clients=clients)
    market = collect_market_data(conn, providers, TODAY, TODAY, history_sessions=5, today=TODAY, now=NOW)
    host = r"financialmodelingprep\.com$"
    # the probe, three requests for AAA and one for BBB; then a refusal, a wait, and another refusal
    assert net.count(host=host) == 5 + 2
    assert any(scope == "fmp" and "not asked again in this run" in message for scope, message in market.warnings())
    asked = net.count(host=host)
    report = collect_fundamentals(conn, fundamentals_chain(clients, today=TODAY), TODAY, today=TODAY, now=NOW)
    assert report.due == 3
    assert net.count(host=host) == asked
