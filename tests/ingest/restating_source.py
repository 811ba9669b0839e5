"""A source that restates history after splits as Yahoo does, and gets it wrong in all the ways that were seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.providers.base import Answer, Outcome, PriceReply, ProfileReply, Restating, Usage, Want
from ingest.rows import SPLIT, CorporateAction, PriceBar, as_price

SYMBOL = "XYZ"


@dataclass
class Shown:
    """What a source shows on one night: the splits that it tells, and by what it divides the closes of each day."""

    told: list[tuple[date, Decimal]]
    divisors: dict[date, Decimal] = field(default_factory=dict)


class RestatingSource:
    """Closes as traded, and each night's way of showing them; `restates`: in today's shares, as Yahoo does."""

    overlap_sessions = 7

    def __init__(self, closes: dict[date, Decimal], name: str = "yahoo", *, restates: bool = True) -> None:
        self.name = self.label = name
        self.restates = restates
        self.closes = closes
        self.shown = Shown([])
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
                shown = self.closes[day] / self.shown.divisors.get(day, Decimal(1))
                # Yahoo has many digits, but not all
                close = as_price(shown) if not self.restates else round(shown, 12)
                reply.bars.append(PriceBar(SYMBOL, day, None, None, None, close, 1000))
            splits = [CorporateAction(SYMBOL, day, SPLIT, ratio) for day, ratio in self.shown.told if day <= self.today]
            reply.actions += [split for split in splits if want.first <= split.ex_date <= want.last]
            if self.restates:
                reply.restated[SYMBOL] = [Restating(want.first, want.last, splits)]
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        return ProfileReply()
