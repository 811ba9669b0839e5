"""Random chains of renamings, mergers, spin-offs and delistings, splits and dividends among them, on random books.

Every figure of every session against a bookkeeper who counts cash; and the same rows by whatever road: at once, by a
full refresh, and with events told late, wrong or not at all at first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random

import pytest

from tests.accounting_replay import Action, Close, Lot, Portfolio, replay
from tests.roll_forward.books import FIGURES, Warehouse, figures_of, load_market, load_portfolios
from tests.roll_forward.random_books import LAST

# As in test_random_books. Chains multiply the rounding errors.
USD = Decimal("1e-4")
CHECKS = {"position_pnl_identity", "snapshot_is_sum_of_positions", "equity_rolls_forward"}


@dataclass
class Company:
    """A symbol from its first session to its last, by number."""

    symbol: str
    price: float
    first: int
    last: int
    splits: dict[int, Decimal] = field(default_factory=dict)


class Chains:
    """Families of symbols that events link, and a book on each, long and short."""

    def __init__(self, seed: int, families: int, sessions: list[date]) -> None:
        self.random = Random(seed)  # noqa: S311
        self.sessions = [session for session in sessions if session <= LAST]
        self.actions: list[Action] = []
        self.companies: list[Company] = []
        self.portfolios: dict[str, Portfolio] = {}
        self.prices: dict[str, dict[date, Decimal]] = {"SPY": dict.fromkeys(self.sessions, Decimal(400))}
        for number in range(families):
            self._make_family(f"F{number}")

    def _make_family(self, name: str) -> None:
        random, end = self.random, len(self.sessions) - 1
        family = [Company(name, random.uniform(20, 200), 0, end)]
        days = sorted(random.sample(range(6, end - 2), random.choice((1, 2, 3, 4))))
        for place, day in enumerate(days):
            alive = [company for company in family if company.first < day and company.last == end]
            if not alive:
                break
            family += self._happen(random.choice(alive), f"{name}.{place}", day, end)
        for company in family:
            self._walk(company)
        self.companies += family
        for side in (1, -1):
            self.portfolios[f"{name} {side:+}"] = self._make_book(family, side, set(days))

    def _happen(self, company: Company, symbol: str, day: int, end: int) -> list[Company]:
        """What an event of a day makes of a company: it may end there, and others come."""
        random, ex_date = self.random, self.sessions[day]
        kind = random.choice(("RENAME", "MERGER", "MERGER", "SPINOFF", "SPINOFF", "SPINOFF", "DELISTING"))
        ratio = random.choice([Decimal(text) for text in ("0.5", "2", "0.241917", "1.0250", "0.333333333333333333")])
        other = Company(symbol, random.uniform(5, 150), 0 if kind == "MERGER" else day, end)
        if kind == "SPINOFF":
            fraction = random.choice((None, Decimal("0.2252"), Decimal(0)))
            self.actions.append(Action(company.symbol, ex_date, kind, ratio, symbol, cost_fraction=fraction))
            return [other]
        company.last = day - 1
        if kind == "DELISTING":
            self.actions.append(Action(company.symbol, ex_date, kind, random.choice((Decimal(0), Decimal("12.5")))))
            return []
        if kind == "RENAME":
            other.price = company.price
            self.actions.append(Action(company.symbol, ex_date, kind, new_symbol=symbol))
            return [other]
        cash = random.choice((None, Decimal("7.25")))
        if random.random() < 0.25:
            self.actions.append(Action(company.symbol, ex_date, kind, Decimal(0), cash_per_share=Decimal(54)))
            return []
        self.actions.append(Action(company.symbol, ex_date, kind, ratio, symbol, cash))
        return [other]

    def _walk(self, company: Company) -> None:
        random, days = self.random, range(company.first, company.last + 1)
        for day in random.sample(days, min(len(days), random.choice((0, 1, 1, 2)))):
            if day > company.first or day > 0:
                company.splits[day] = random.choice((Decimal(2), Decimal("0.1"), Decimal("1.5")))
                self.actions.append(Action(company.symbol, self.sessions[day], "SPLIT", company.splits[day]))
        for day in random.sample(days, min(len(days), random.choice((0, 1, 3)))):
            paid = round(Decimal(random.uniform(0.1, 2)), 2)
            self.actions.append(Action(company.symbol, self.sessions[day], "DIVIDEND", paid))
        price, closes = company.price, {}
        for day in days:
            if day > company.first:
                price *= random.gauss(1, 0.02)
            price /= float(company.splits.get(day, 1))
            closes[self.sessions[day]] = max(round(Decimal(price), 6), Decimal("0.01"))
        self.prices[company.symbol] = closes

    def _make_book(self, family: list[Company], side: int, event_days: set[int]) -> Portfolio:
        random, end = self.random, len(self.sessions) - 1
        inception = random.randrange(1, 5)
        lots: dict[tuple[str, date], Lot] = {}
        closes = []
        for company in family:
            first, last = max(company.first, inception - 1), company.last - 1
            for _ in range(random.choice((1, 2))):
                if first > last:
                    continue
                entry = random.randint(first, last)
                if entry in event_days:
                    continue
                leaves = random.randint(entry + 1, end)
                exits = random.random() < 0.3 and leaves not in event_days
                lot = Lot(
                    company.symbol,
                    self.sessions[entry],
                    Decimal(side * random.randrange(100, 1000)),
                    round(Decimal(random.uniform(10, 200)), 2),
                    self.sessions[leaves] if exits else None,
                    round(Decimal(random.uniform(10, 200)), 2) if exits else None,
                )
                lots[lot.symbol, lot.entry_date] = lot
        for lot in lots.values():
            entry = self.sessions.index(lot.entry_date)
            for _ in range(random.choice((0, 1, 2))):
                day = random.randint(max(entry, inception) + 1, end)
                quantity = Decimal(random.choice((1, 3, 100_000)))
                price = round(Decimal(random.uniform(10, 200)), 2)
                if day in event_days:
                    # an exit on the day that ends a symbol takes place before the end, which cash alone does not show
                    continue
                closes.append(Close(lot.symbol, lot.entry_date, self.sessions[day], quantity, price, Decimal(1)))
        return Portfolio(self.sessions[inception], Decimal(1_000_000), list(lots.values()), closes)


@pytest.fixture(
    scope="module",
    params=[pytest.param((11, 25), id="25 chains"), pytest.param((12, 400), id="400 chains", marks=pytest.mark.slow)],
)
def rolled(request: pytest.FixtureRequest, copies, sessions: list[date]) -> Iterator[tuple[Warehouse, Chains]]:
    chains = Chains(*request.param, sessions)
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            load_market(conn, chains.prices, chains.actions)
            load_portfolios(conn, chains.portfolios)
        warehouse.roll()
        yield warehouse, chains


def test_every_figure_of_every_session(rolled: tuple[Warehouse, Chains]):
    warehouse, chains = rolled
    figures = warehouse.figures()
    off = []
    for name, portfolio in chains.portfolios.items():
        family = name.split()[0]
        mine = {symbol: closes for symbol, closes in chains.prices.items() if symbol.split(".")[0] == family}
        actions = [action for action in chains.actions if action.symbol in mine]
        days = replay(portfolio, mine, actions, chains.sessions)
        assert list(figures[name]) == [day.session for day in days], name
        off += [
            (name, day.session, figure, round(ours, 4), round(theirs, 4))
            for day in days
            for figure, ours, theirs in zip(FIGURES, figures[name][day.session], figures_of(day), strict=True)
            if abs(ours - theirs) > USD
        ]
    assert not off, (len(off), off[:5])


@pytest.mark.slow
def test_identities_hold_and_all_roads_lead_to_the_same_rows(rolled: tuple[Warehouse, Chains]):
    warehouse, chains = rolled
    failed = {result.name: result.message for result in warehouse.dbt.test().results if not result.well}
    assert not {name: message for name, message in failed.items() if name in CHECKS or "unique" in name}, failed
    content = warehouse.content()
    warehouse.rebuild()
    assert warehouse.content() == content
    # events that are entered late, with wrong values or although they never happened, and are corrected after the roll
    events = [action for action in chains.actions if action.action_type not in ("SPLIT", "DIVIDEND")]
    late, wrong, moved = events[::3], events[1::3], events[2::3]
    keys = "symbol = %s and ex_date = %s and action_type = %s"
    with warehouse.database.connect() as conn:
        for event in late:
            conn.execute(f"delete from raw.corporate_actions where {keys}", event_key(event))
        for event in wrong:
            terms = "value = value + 1" if event.action_type not in ("RENAME",) else "new_symbol = 'SPY'"
            if event.action_type != "MERGER" or event.new_symbol:
                conn.execute(f"update raw.corporate_actions set {terms} where {keys}", event_key(event))
        for event in moved:
            conn.execute(f"update raw.corporate_actions set ex_date = ex_date + 4 where {keys}", event_key(event))
        conn.execute(
            "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
            " values ('F1', %s, 'SPINOFF', 1, 'SPY', 'never')",
            [chains.sessions[3]],
        )
    warehouse.roll(start_date=str(chains.sessions[20]), end_date=str(chains.sessions[40]))
    warehouse.roll()
    assert warehouse.content() != content
    with warehouse.database.connect() as conn:
        conn.execute("delete from raw.corporate_actions")
        load_market(conn, {}, chains.actions)
    warehouse.roll()
    assert warehouse.content() == content


def event_key(event: Action) -> list[object]:
    return [event.symbol, event.ex_date, event.action_type]
