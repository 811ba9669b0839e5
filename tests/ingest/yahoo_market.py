"""A small market at the fake Yahoo, and a provider that does not wait long."""

from collections.abc import Mapping
from datetime import date
from math import prod

from ingest.market.as_traded import as_traded_action, as_traded_bar
from ingest.market.evidence import group_splits, read_restated
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


def traded(splits: Mapping[date, tuple[float, float]]) -> dict[date, float]:
    """Return closes of 100 on the first day and 1 more each session, in shares of their day."""
    grown = {day: prod(new / old for ex_date, (new, old) in splits.items() if ex_date <= day) for day in DAYS}
    return {day: (100.0 + n) / grown[day] for n, day in enumerate(DAYS)}


def listing(symbol: str = "AAPL", **fields: object) -> Listing:
    """Return a symbol whose close is 100 on the first day and 1 more each session, but for its splits."""
    return Listing(symbol, bars_of(traded(fields.get("splits", {}))), **fields)


def ask(source: YahooProvider, *symbols: str, first: date = FIRST, last: date = LAST) -> PriceReply:
    """Ask for the prices of symbols, AAPL if none is named; bars and dividends as they were traded."""
    reply = source.fetch_prices([Want(symbol, first, last) for symbol in symbols or ("AAPL",)])
    calendar = weekdays(FIRST, 300)
    for symbol, (span,) in reply.restated.items():
        closes_shown = {bar.price_date: bar.close for bar in reply.bars if bar.symbol == symbol}
        told = [(split.ex_date, split.value) for split in span.splits if split.action_type == "SPLIT"]
        others = [(split.ex_date, split.value) for split in span.splits if split.action_type != "SPLIT"]
        events = [*group_splits(told, calendar), *group_splits(others, calendar, shares=False)]
        reading = read_restated(closes_shown, events, {}, calendar)
        assert reading.aside is None, reading.aside
        factor = reading.factor()
        reply.bars = [as_traded_bar(bar, factor(bar.price_date)) if bar.symbol == symbol else bar for bar in reply.bars]
        reply.actions = [
            as_traded_action(each, factor(each.ex_date)) if each.symbol == symbol else each for each in reply.actions
        ]
    return reply


def answer(reply: PriceReply, symbol: str = "AAPL") -> Answer:
    return reply.answers[symbol]


def closes(reply: PriceReply, symbol: str = "AAPL") -> dict[date, float]:
    """Return the closes of one symbol by session."""
    return {bar.price_date: float(bar.close) for bar in reply.bars if bar.symbol == symbol}
