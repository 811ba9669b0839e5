"""A source that restates history after splits as Yahoo does, and gets it wrong in all the ways that were seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.providers.base import Answer, Outcome, PriceReply, ProfileReply, Restating, Usage, Want
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar, as_price

SYMBOL = "XYZ"


@dataclass
class Shown:
    """What a source shows on one night: what it tells, and by what it divides what is of each day."""

    splits: list[tuple[date, Decimal]] = field(default_factory=list)
    dividends: list[tuple[date, Decimal]] = field(default_factory=list)
    divisors: dict[date, Decimal] = field(default_factory=dict)

    def divided(self, day: date, value: Decimal) -> Decimal:
        """Return a price or dividend of a day as it is shown."""
        return value / self.divisors.get(day, Decimal(1))


class RestatingSource:
    """Closes as traded, and each night's way of showing them.

    One that does not restate shows them as they were traded, as FMP does; a folder does so too, and costs nothing.
    """

    def __init__(self, closes: dict[date, Decimal], name: str = "yahoo") -> None:
        self.name = self.label = name
        self.restates = name == "yahoo"
        self.overlap_sessions = None if name == "files" else 7
        self.closes = closes
        self.shown = Shown()
        self.today = date.min
        self.usage = Usage()

    def declines(self, symbol: str) -> str | None:
        return None

    def probe(self) -> Answer:
        return Answer(Outcome.OK)

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        reply = PriceReply()
        for want in wants:
            if want.symbol != SYMBOL:
                reply.answers[want.symbol] = Answer(Outcome.NOT_FOUND)
                continue
            days = [day for day in self.closes if want.first <= day <= min(want.last, self.today)]
            reply.answers[SYMBOL] = Answer(Outcome.OK if days else Outcome.NOTHING_IN_RANGE)
            for day in days:
                # Yahoo has many digits, but not all
                close = self._as_shown(day, self.closes[day])
                close = round(close, 12) if self.restates else as_price(close)
                reply.bars.append(PriceBar(SYMBOL, day, None, None, None, close, 1000))
            splits = [CorporateAction(SYMBOL, day, SPLIT, ratio) for day, ratio in self.shown.splits]
            dividends = [
                CorporateAction(SYMBOL, day, DIVIDEND, self._as_shown(day, value))
                for day, value in self.shown.dividends
            ]
            reply.actions += [each for each in splits + dividends if want.first <= each.ex_date <= want.last]
            if self.restates:
                told = [split for split in splits if split.ex_date <= self.today]
                reply.restated[SYMBOL] = [Restating(want.first, want.last, told)]
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        return ProfileReply()

    def _as_shown(self, day: date, value: Decimal) -> Decimal:
        return self.shown.divided(day, value) if self.restates else value
