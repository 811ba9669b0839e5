"""A small market at the fake Yahoo, and a provider that does not wait long."""

from datetime import date

from ingest.providers.base import Answer, PriceReply, Want
from ingest.providers.limits import Deadline
from ingest.providers.yahoo import YahooProvider
from ingest.providers.yahoo_client import YahooClient, YahooPace
from tests.fakes.market import Listing, bars_of, weekdays

DAYS = weekdays(date(2025, 3, 3), 15)
FIRST, LAST = DAYS[0], DAYS[-1]


def provider(today: date = LAST, seconds: float = 60, per_minute: float = 1e6, **pace: float) -> YahooProvider:
    """Return a provider at the fake; `pace` are fields of YahooPace."""
    impatient = {"backoff_seconds": 0.01, "limited_seconds": 0.01, "timeout_seconds": 5.0}
    client = YahooClient(per_minute, Deadline.after(seconds), YahooPace(**impatient | pace))
    return YahooProvider(client, today)


def listing(symbol: str = "AAPL", **fields: object) -> Listing:
    """Return a symbol whose close is 100 on the first day and 1 more each session."""
    return Listing(symbol, bars_of({day: 100.0 + n for n, day in enumerate(DAYS)}), **fields)


def ask(source: YahooProvider, *symbols: str, first: date = FIRST, last: date = LAST) -> PriceReply:
    """Ask for the prices of symbols, AAPL if none is named."""
    return source.fetch_prices([Want(symbol, first, last) for symbol in symbols or ("AAPL",)])


def answer(reply: PriceReply, symbol: str = "AAPL") -> Answer:
    return reply.answers[symbol]


def closes(reply: PriceReply, symbol: str = "AAPL") -> dict[date, float]:
    """Return the closes of one symbol by session."""
    return {bar.price_date: float(bar.close) for bar in reply.bars if bar.symbol == symbol}
