"""Random books on a random market: the same for the same seed, whatever the machine.

Everything that the rules speak of occurs often: dates on weekends and holidays, gaps, splits and dividends inside them,
symbols listed late or never, lots carried in, gone before inception, closed too far, options with and without prices.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from tests.accounting_replay import ONE, Action, Calendar, CashItem, Close, Flow, Lot, Mark, Portfolio

# The year ends inside.
FIRST, LAST = date(2023, 11, 15), date(2024, 2, 16)
_RATIOS = (*(Decimal(ratio) for ratio in ("2", "3", "4", "1.5", "1.05", "0.5", "0.1")), round(ONE / 3, 18))
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class World:
    """A market and the portfolios on it, by name."""

    prices: dict[str, dict[date, Decimal]]
    actions: list[Action]
    portfolios: dict[str, Portfolio]
    sessions: list[date]


def build(seed: int, books: int, sessions: list[date]) -> World:
    """Make a world of so many books.

    Args:
        seed: of everything that is random in it.
        books: how many portfolios.
        sessions: the exchange's, from FIRST to LAST and one more at least.
    """
    maker = _Maker(Random(seed), sessions)  # noqa: S311
    maker.make_market(12 + books // 4)
    portfolios = {f"book {number} of seed {seed}": maker.make_book(number) for number in range(books)}
    return World(maker.prices, maker.actions, portfolios, sessions)


class _Maker:
    def __init__(self, random: Random, sessions: list[date]) -> None:
        self.random = random
        self.calendar = Calendar(sessions)
        self.known = [session for session in sessions if session <= LAST]
        self.prices: dict[str, dict[date, Decimal]] = {}
        self.actions: list[Action] = []
        self.symbols: list[str] = []

    def make_market(self, size: int) -> None:
        """Symbols with closes, splits and dividends."""
        for number in range(size):
            symbol = f"S{number}"
            self.symbols.append(symbol)
            splits = {self.day(): self.random.choice(_RATIOS) for _ in range(self.random.choice((0, 0, 1, 1, 2, 4)))}
            self.actions += [Action(symbol, day, "SPLIT", ratio) for day, ratio in splits.items()]
            dividends = {self.day() for _ in range(self.random.randrange(5))}
            self.actions += [Action(symbol, day, "DIVIDEND", self.money(0, 2)) for day in sorted(dividends)]
            self.make_closes(symbol, self.random.uniform(5, 400), splits)

    def make_closes(self, symbol: str, price: float, splits: dict[date, Decimal]) -> None:
        """A random walk with gaps; some symbols are listed late, some have no price at all."""
        ratios: dict[date, Decimal] = {}
        for day, ratio in splits.items():
            session = self.calendar.on_or_after(day)
            ratios[session] = ratios.get(session, ONE) * ratio
        closes: dict[date, Decimal] = {}
        listed = self.random.choice((0, 0, 0, 0, 20, len(self.known)))
        gap = 0
        for number, session in enumerate(self.known):
            price *= self.random.gauss(1, 0.03) / float(ratios.get(session, 1))
            gap = gap - 1 if gap else self.random.choice((2, 5, 12)) if self.random.random() < 0.04 else 0
            if number >= listed and not gap:
                closes[session] = max(round(Decimal(price), 6), _CENT)
        self.prices[symbol] = closes

    def make_book(self, number: int) -> Portfolio:
        """A portfolio with anything from nothing to ten lots."""
        inception = self.day(FIRST + timedelta(days=1), self.known[len(self.known) // 2])
        # Sometimes so little that it is lost.
        equity = self.money(500, 5_000) if self.random.random() < 0.2 else self.money(20_000, 500_000)
        lots: dict[tuple[str, date], Lot] = {}
        for place in range(self.random.choice((0, 1, 2, 4, 6, 10))):
            entry_date = self.day(FIRST - timedelta(days=200)) if self.random.random() < 0.2 else self.day()
            make = self.random.choices((self.make_shares, self.make_option, self.make_private), (6, 2, 1))[0]
            made = make(f"{number}-{place}", entry_date)
            lots[made.symbol, made.entry_date] = made
        closes = [close for made in lots.values() for close in self.make_closings(made)]
        self.random.shuffle(closes)
        flows = [
            Flow(self.day(), self.money(100, 9_000) * self.random.choice((1, 1, -1)))
            for _ in range(self.random.choice((0, 0, 1, 5)))
        ]
        marks = {
            (made.symbol, self.day()): self.money(50, 300)
            for made in lots.values()
            if made.investment_class == "PRIVATE"
            for _ in range(self.random.randrange(4))
        }
        cash_items = [
            CashItem(self.day(), self.money(1, 500) * sign, item_type)
            for item_type, sign in (("INTEREST", 1), ("FEE", -1), ("TAX", -1), ("BORROW", -1), ("OTHER", 1))
            for _ in range(self.random.choice((0, 0, 1, 3)))
        ]
        return Portfolio(
            inception,
            equity,
            list(lots.values()),
            closes,
            flows,
            [Mark(*key, price) for key, price in marks.items()],
            cash_items,
        )

    def make_shares(self, _: str, entry_date: date) -> Lot:
        quantity = self.random.choice((Decimal(self.random.randrange(1, 300)), self.money(1, 300) / 7))
        quantity = round(quantity, 4) * self.random.choice((1, 1, -1))
        return Lot(self.random.choice(self.symbols), entry_date, quantity, self.money(5, 400), **self.exit(entry_date))

    def make_option(self, name: str, entry_date: date) -> Lot:
        symbol = f"O{name}"
        self.make_closes(symbol, self.random.uniform(1, 20), {})
        # Its expiration moves back to a session and its entry moves forward. This keeps it from expiring before it
        # begins.
        expires = max(entry_date + timedelta(days=self.random.randrange(70)), self.calendar.on_or_after(entry_date))
        return Lot(
            symbol,
            entry_date,
            Decimal(self.random.choice((1, 2, 5, -1, -3))),
            self.money(1, 20),
            investment_class="OPTIONS",
            underlying_symbol=self.random.choice(self.symbols),
            option_type=self.random.choice(("CALL", "PUT")),
            strike_price=self.money(5, 400),
            expiration_date=expires,
            **self.exit(entry_date),
        )

    def make_private(self, name: str, entry_date: date) -> Lot:
        return Lot(
            f"Private {name}",
            entry_date,
            round(self.money(1, 100), 2),
            self.money(50, 300),
            investment_class="PRIVATE",
            **self.exit(entry_date),
        )

    def make_closings(self, made: Lot) -> list[Close]:
        days = [self.day(made.entry_date) for _ in range(self.random.choice((0, 0, 1, 2, 3)))]
        if len(days) == 3:
            days[1] = days[0]
        return [
            Close(
                made.symbol,
                made.entry_date,
                day,
                max(round(abs(made.quantity) * Decimal(self.random.choice(("0.1", "0.3", "0.5", "1", "2"))), 4), _CENT),
                self.money(1, 400),
                self.random.choice((Decimal(0), self.money(0, 10))),
            )
            for day in days
        ]

    def exit(self, entry_date: date) -> dict[str, date | Decimal]:
        if self.random.random() < 0.7:
            return {}
        return {"exit_date": self.day(entry_date), "exit_price": self.money(1, 400)}

    def day(self, start: date = FIRST, through: date = LAST) -> date:
        """Any day from `start` on, session or not."""
        return start + timedelta(days=self.random.randrange((max(through, start) - start).days + 1))

    def money(self, least: int, most: int) -> Decimal:
        """An amount in cents, above zero."""
        return Decimal(self.random.randrange(100 * least + 1, 100 * most)) * _CENT


def split_in_chunks(random: Random, sessions: list[date], count: int) -> list[date]:
    """The ends of so many chunks of sessions, of random lengths; the last is the last session."""
    return [*sorted(random.sample(sessions[:-1], count - 1)), sessions[-1]]


def spans(ends: list[date]) -> list[tuple[date, date]]:
    """The neighbours of a list of days."""
    return list(pairwise(ends))
