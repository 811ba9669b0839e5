"""A live source for the tests of the chain: what it says is written down beforehand, and it notes what it is asked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from ingest.providers.base import Answer, FundSectorsReply, Outcome, PriceReply, ProfileReply, Usage, Want
from ingest.rows import SPLIT, CorporateAction, PriceBar, Profile, RejectedRow, SectorWeight, as_price
from ingest.symbols import parse_option_symbol


class LiveSource:
    """A source of `closes` (by symbol and session), `splits`, `profiles` and `funds` (sectors by symbol).

    A symbol without closes is not found. `wants` holds each call's wants. `trouble` answers for a symbol instead,
    `standing` is what the probe says, and `most` is how many symbols of a call it gets to.
    """

    def __init__(self, name: str = "yahoo", overlap_sessions: int | None = 7, options: bool = False) -> None:
        self.name = self.label = name
        self.overlap_sessions = overlap_sessions
        self.options = options
        self.usage = Usage()
        self.closes: dict[str, dict[date, object]] = {}
        self.splits: dict[str, dict[date, object]] = defaultdict(dict)
        self.rejected: list[RejectedRow] = []
        self.profiles: dict[str, Profile] = {}
        self.funds: dict[str, dict[str, object]] = {}
        self.trouble: dict[str, Answer] = {}
        self.standing = Answer(Outcome.OK)
        self.most = 10**9
        self.wants: list[list[Want]] = []
        self.profiles_asked: list[list[str]] = []
        self.funds_asked: list[list[str]] = []
        self.probes = 0

    def say(self, symbol: str, sessions: Iterable[date], closes: Iterable[object]) -> None:
        """Have it say these closes."""
        self.closes.setdefault(symbol, {}).update(zip(sessions, closes, strict=False))

    def asked(self, symbol: str) -> list[tuple[str, str]]:
        """Return the ranges that a symbol was asked for, as ISO dates."""
        return [(str(want.first), str(want.last)) for wants in self.wants for want in wants if want.symbol == symbol]

    def declines(self, symbol: str) -> str | None:
        is_option = parse_option_symbol(symbol) is not None
        return None if is_option == self.options else f"{self.name} has no such thing"

    def probe(self) -> Answer:
        self.probes += 1
        self.usage.requests += 1
        return self.standing

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        self.wants.append(list(wants))
        reply = PriceReply()
        for place, want in enumerate(wants):
            if place >= self.most:
                reply.answers[want.symbol] = Answer(Outcome.NOT_ASKED, "its turn did not come")
                continue
            self.usage.requests += 1
            if want.symbol in self.trouble:
                reply.answers[want.symbol] = self.trouble[want.symbol]
                continue
            if want.symbol not in self.closes:
                reply.answers[want.symbol] = Answer(Outcome.NOT_FOUND)
                continue
            found = {day: close for day, close in self.closes[want.symbol].items() if want.first <= day <= want.last}
            reply.answers[want.symbol] = Answer(Outcome.OK if found else Outcome.NOTHING_IN_RANGE)
            reply.bars += [
                PriceBar(want.symbol, day, None, None, None, as_price(Decimal(str(close))), 1000)
                for day, close in found.items()
            ]
            reply.rejected += [row for row in self.rejected if row.symbol == want.symbol]
            reply.actions += [
                CorporateAction(want.symbol, day, SPLIT, Decimal(str(value)))
                for day, value in self.splits[want.symbol].items()
                if want.first <= day <= want.last
            ]
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        self.profiles_asked.append(list(symbols))
        self.usage.requests += len(symbols)
        return ProfileReply([self.profiles[symbol] for symbol in symbols if symbol in self.profiles])

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        self.funds_asked.append(list(symbols))
        self.usage.requests += len(symbols)
        weights = [
            SectorWeight(symbol, sector, Decimal(str(weight)))
            for symbol in symbols
            for sector, weight in self.funds.get(symbol, {}).items()
        ]
        nothing = Answer(Outcome.NOTHING_IN_RANGE, "no fund")
        answers = {symbol: Answer(Outcome.OK) if symbol in self.funds else nothing for symbol in symbols}
        return FundSectorsReply(weights, answers=answers)
