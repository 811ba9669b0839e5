"""What the fake providers know: listed symbols as they were traded, restated the way providers do it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import prod
from typing import NamedTuple


class Bar(NamedTuple):
    """A session as traded."""

    open: float
    high: float
    low: float
    close: float
    volume: int

    def restated(self, factor: float) -> "Bar":
        """Return the bar in other shares: prices times `factor`, volume divided by it."""
        return Bar(*(price * factor for price in self[:4]), round(self.volume / factor))


@dataclass
class Listing:
    """One symbol in its provider's spelling: as-traded bars (None: the provider has only nulls), splits, dividends.

    `splits` are (new shares, old shares) by ex-date; `dividends` are per share of their ex-date. Splits and dividends
    that are added later restate what the fakes serve of earlier sessions, as the real providers do, and wrongly so on
    the days of `multiplied_by`: what a price of the day is multiplied by, whatever the splits say. `first_traded` is
    what the provider says of it, by default the day of the first bar.
    """

    symbol: str
    bars: dict[date, Bar | None]
    splits: dict[date, tuple[float, float]] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    name: str = ""
    currency: str = "USD"
    exchange: str = "NMS"
    quote_type: str = "EQUITY"
    time_zone: str = "America/New_York"
    opens_at: tuple[int, int] = (9, 30)
    closes_at: tuple[int, int] = (16, 0)
    multiplied_by: dict[date, float] = field(default_factory=dict)
    first_traded: date | None = None

    def factor(self, day: date) -> float:
        """Return what a price of `day` is multiplied by to be in the newest shares."""
        return prod(old / new for ex_date, (new, old) in self.splits.items() if ex_date > day)

    def split_adjusted(self) -> dict[date, Bar | None]:
        """Return the bars in the newest shares, by date, the first first."""
        return {
            day: bar and bar.restated(self.multiplied_by.get(day, self.factor(day)))
            for day, bar in sorted(self.bars.items())
        }

    def dividend_factors(self) -> dict[date, float]:
        """Return for each session what its split-adjusted price is multiplied by to be total-return adjusted."""
        factors: dict[date, float] = {}
        factor, later = 1.0, None
        closes = [(day, bar.close) for day, bar in sorted(self.bars.items()) if bar]
        for day, close in reversed(closes):
            if later in self.dividends:
                factor *= 1 - self.dividends[later] / (close * self.factor(day) / self.factor(later))
            factors[day] = factor
            later = day
        return factors


def weekdays(first: date, number: int) -> list[date]:
    """Return so many Mondays to Fridays."""
    return [day for day in (first + timedelta(n) for n in range(number * 7 // 5 + 7)) if day.weekday() < 5][:number]


def random_walk(days: list[date], price: float = 100.0, seed: int = 1) -> dict[date, Bar]:
    """Return plausible bars for some days, to the cent."""
    dice = random.Random(seed)  # noqa: S311 - the same market each time
    bars = {}
    for day in days:
        opens, price = price, round(price * (1 + dice.uniform(-0.02, 0.021)), 2)
        high, low = round(max(opens, price) * 1.005, 2), round(min(opens, price) * 0.995, 2)
        bars[day] = Bar(opens, high, low, price, dice.randint(10, 90) * 100_000)
    return bars


def bars_of(closes: Mapping[date, float]) -> dict[date, Bar]:
    """Return bars that stay at one price all day."""
    return {day: Bar(close, close, close, close, 1_000_000) for day, close in closes.items()}
