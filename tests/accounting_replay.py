"""A portfolio kept the way a bookkeeper would: event by event, cash in and cash out.

Written from the rules alone and apart from the project's SQL, so that the two can be held against each other: here
nothing is computed as a profit. Cash moves by what is paid and received, equity is cash plus market value, and the
day's P&L is what equity moved by beyond the day's flow.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, localcontext

CONTRACT_SIZE = 100
NEXT_TO_NOTHING = Decimal("0.000001")
ZERO, ONE = Decimal(0), Decimal(1)

Prices = Mapping[str, Mapping[date, Decimal]]


@dataclass(frozen=True)
class Lot:
    """A lot as its owner states it: `quantity` signed, in shares (contracts for an option)."""

    symbol: str
    entry_date: date
    quantity: Decimal
    entry_price: Decimal
    exit_date: date | None = None
    exit_price: Decimal | None = None
    investment_class: str = "PUBLIC"
    underlying_symbol: str | None = None
    option_type: str | None = None
    strike_price: Decimal | None = None
    expiration_date: date | None = None


@dataclass(frozen=True)
class Close:
    """A partial or full close of the lot (symbol, entry_date); `quantity` unsigned, in shares of the trade date."""

    symbol: str
    entry_date: date
    trade_date: date
    quantity: Decimal
    price: Decimal
    fees: Decimal = ZERO


@dataclass(frozen=True)
class Flow:
    """Capital paid in (`amount` above zero) or taken out (below)."""

    date: date
    amount: Decimal


@dataclass(frozen=True)
class CashItem:
    """Interest, a fee, a tax: what the cash earned (`amount` above zero) or cost (below)."""

    date: date
    amount: Decimal
    item_type: str = "OTHER"


@dataclass(frozen=True)
class Mark:
    """What a private holding was worth a unit, as somebody noted."""

    symbol: str
    date: date
    price: Decimal


@dataclass(frozen=True)
class Portfolio:
    """A portfolio and all that its owner knows of it; `closes` in file order."""

    inception_date: date
    starting_equity: Decimal
    lots: Sequence[Lot] = ()
    closes: Sequence[Close] = ()
    flows: Sequence[Flow] = ()
    marks: Sequence[Mark] = ()
    cash_items: Sequence[CashItem] = ()
    benchmark: str = "SPY"


@dataclass(frozen=True)
class Action:
    """A SPLIT (`value` new shares per old) or DIVIDEND (`value` cash per share, in shares of the ex-date); or an event.

    RENAME into `new_symbol`; MERGER into `value` of it per share and `cash_per_share`; SPINOFF of `value` of it per
    share, with `cost_fraction` of the cost; DELISTING for `value` per share.
    """

    symbol: str
    ex_date: date
    action_type: str
    value: Decimal = ONE
    new_symbol: str | None = None
    cash_per_share: Decimal | None = None
    cost_fraction: Decimal | None = None


@dataclass(frozen=True)
class Day:
    """A portfolio at the close of a session, and what the session brought.

    USD, dividends paid on shorts negative; `contributions` is what was paid in, `flow` that less what was taken out.
    """

    session: date
    equity: Decimal
    cash: Decimal
    market_value: Decimal
    daily_pnl: Decimal
    realized: Decimal
    dividends: Decimal
    fees: Decimal
    flow: Decimal
    contributions: Decimal
    cash_income: Decimal


class Calendar:
    """Sessions, and the moving of dates to them."""

    def __init__(self, sessions: Sequence[date]) -> None:
        self.sessions = sorted(sessions)

    def on_or_after(self, day: date) -> date:
        """The session that a date counts on; the end of time where the calendar has none."""
        place = bisect_left(self.sessions, day)
        return self.sessions[place] if place < len(self.sessions) else date.max

    def on_or_before(self, day: date) -> date:
        """The session that an expiration settles on."""
        place = bisect_right(self.sessions, day)
        return self.sessions[place - 1] if place else date.min


@dataclass
class _Market:
    """What every symbol last closed at, in shares of the current session, and the session's splits and dividends."""

    calendar: Calendar
    prices: Prices
    splits: dict[tuple[str, date], Decimal] = field(default_factory=lambda: defaultdict(lambda: ONE))
    dividends: dict[tuple[str, date], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    events: dict[tuple[str, date], list[Action]] = field(default_factory=lambda: defaultdict(list))
    last_close: dict[str, Decimal] = field(default_factory=dict)

    def note(self, action: Action) -> None:
        session = self.calendar.on_or_after(action.ex_date)
        if action.action_type == "SPLIT":
            self.splits[action.symbol, session] *= action.value
        elif action.action_type == "DIVIDEND":
            self.dividends[action.symbol, session] += action.value
        else:
            self.events[action.symbol, session].append(action)

    def opening_worth(self, symbol: str, session: date) -> Decimal:
        """What the session's close is worth a share of before that day's split."""
        return self.last_close[symbol] * self.split(symbol, session)

    def split(self, symbol: str, session: date) -> Decimal:
        return self.splits.get((symbol, session), ONE)

    def dividend(self, symbol: str, session: date) -> Decimal:
        return self.dividends.get((symbol, session), ZERO)

    def pass_session(self, session: date) -> None:
        """Take in the session's closes; a close that is missing is the last one, split as the shares are."""
        for symbol, closes in self.prices.items():
            if session in closes:
                self.last_close[symbol] = closes[session]
            elif symbol in self.last_close:
                self.last_close[symbol] /= self.split(symbol, session)


@dataclass
class _Holding:
    """A lot that has joined: its signed shares and what one of them cost, both in shares of the current session."""

    lot: Lot
    shares: Decimal
    unit_cost: Decimal
    # Splits of an option's underlying since the day whose shares the strike is stated in.
    underlying_growth: Decimal = ONE
    # What the lot has become, or what a spin-off has made of it.
    symbol: str = ""
    is_child: bool = False

    def __post_init__(self) -> None:
        self.symbol = self.symbol or self.lot.symbol

    @property
    def multiplier(self) -> int:
        return CONTRACT_SIZE if self.lot.option_type else 1

    @property
    def pays_dividends(self) -> bool:
        return not self.lot.option_type and self.lot.investment_class != "PRIVATE"


class _Books:
    """The cash account and the holdings of one portfolio, and what the session brought."""

    def __init__(self, portfolio: Portfolio, calendar: Calendar, market: _Market) -> None:
        self.portfolio, self.calendar, self.market = portfolio, calendar, market
        self.inception = calendar.on_or_after(portfolio.inception_date)
        self.holdings: list[_Holding] = []
        self.cash = portfolio.starting_equity
        self.marks: dict[str, Decimal] = {}
        self.equity = portfolio.starting_equity
        self._forget_session()

    def _forget_session(self) -> None:
        self.realized = self.dividends = self.fees = self.flow = self.contributions = self.cash_income = ZERO

    def carry_in(self, session_before: date) -> None:
        """Take over, at the close before inception, what is held already: the rest of the equity is cash."""
        self._note_marks(session_before, everything_before=True)
        for lot in self.portfolio.lots:
            if not self._entered_before_inception(lot) or self._left_before_inception(lot):
                continue
            # It is stated in shares of the inception date, and a split of that morning has not happened yet.
            coming = (
                ONE if lot.option_type or lot.investment_class == "PRIVATE" else self._split(lot.symbol, self.inception)
            )
            holding = _Holding(lot, lot.quantity / coming, lot.entry_price * coming)
            if lot.option_type:
                holding.underlying_growth = ONE / self._split(lot.underlying_symbol, self.inception)
            self.holdings.append(holding)
        self.cash = self.portfolio.starting_equity - self._market_value()

    def pass_session(self, session: date) -> Day:
        """Book everything that happens on a session, in its order, and strike the balance at its close."""
        self._forget_session()
        equity_before = self.equity
        self._note_marks(session)
        self._pay_flows(session)
        self._pay_cash_items(session)
        self._happen(session)
        self._split_shares(session)
        self._pay_dividends(session)
        self._enter(session)
        self._close(session)
        self._leave(session)
        self._settle(session)
        market_value = self._market_value()
        self.equity = self.cash + market_value
        return Day(
            session=session,
            equity=self.equity,
            cash=self.cash,
            market_value=market_value,
            daily_pnl=self.equity - equity_before - self.flow,
            realized=self.realized,
            dividends=self.dividends,
            fees=self.fees,
            flow=self.flow,
            contributions=self.contributions,
            cash_income=self.cash_income,
        )

    def _split(self, symbol: str, session: date) -> Decimal:
        return self.market.split(symbol, session)

    def _entered_before_inception(self, lot: Lot) -> bool:
        return self.calendar.on_or_after(lot.entry_date) < self.inception

    def _left_before_inception(self, lot: Lot) -> bool:
        exited = lot.exit_date and self.calendar.on_or_after(lot.exit_date) < self.inception
        expired = lot.expiration_date and self.calendar.on_or_before(lot.expiration_date) < self.inception
        return bool(exited or expired)

    def _note_marks(self, session: date, everything_before: bool = False) -> None:
        for mark in sorted(self.portfolio.marks, key=lambda mark: mark.date):
            noted_on = self.calendar.on_or_after(mark.date)
            if noted_on == session or (everything_before and noted_on < session):
                self.marks[mark.symbol] = mark.price

    def _pay_flows(self, session: date) -> None:
        for flow in self.portfolio.flows:
            if self.calendar.on_or_after(flow.date) == session:
                self.flow += flow.amount
                self.contributions += max(flow.amount, ZERO)
                self.cash += flow.amount

    def _pay_cash_items(self, session: date) -> None:
        for item in self.portfolio.cash_items:
            if self.calendar.on_or_after(item.date) == session:
                self.cash_income += item.amount
                self.cash += item.amount

    def _happen(self, session: date) -> None:
        """Renamings, mergers, spin-offs and delistings, at the open, on what was held at the close before."""
        for holding in list(self.holdings):
            if holding.lot.option_type or holding.lot.investment_class == "PRIVATE":
                continue
            for event in self.market.events.get((holding.symbol, session), ()):
                self._befall(holding, event, session)

    def _befall(self, holding: _Holding, event: Action, session: date) -> None:
        if event.action_type == "RENAME":
            holding.symbol = event.new_symbol
        elif event.action_type == "DELISTING":
            self._sell(holding, abs(holding.shares), event.value)
        elif event.action_type == "SPINOFF":
            handed = event.value * self.market.opening_worth(event.new_symbol, session)
            kept = self.market.opening_worth(holding.symbol, session)
            part = handed / (handed + kept) if event.cost_fraction is None else event.cost_fraction
            child_cost = holding.unit_cost * part / event.value
            child = _Holding(
                holding.lot, holding.shares * event.value, child_cost, symbol=event.new_symbol, is_child=True
            )
            holding.unit_cost *= 1 - part
            self.holdings.append(child)
        elif event.new_symbol is None:
            self._sell(holding, abs(holding.shares), event.cash_per_share)
        else:
            cash = event.cash_per_share or ZERO
            part = cash / (cash + event.value * self.market.opening_worth(event.new_symbol, session))
            self.cash += holding.shares * cash
            self.realized += holding.shares * (cash - holding.unit_cost * part)
            holding.unit_cost *= (1 - part) / event.value
            holding.shares *= event.value
            holding.symbol = event.new_symbol

    def _split_shares(self, session: date) -> None:
        for holding in self.holdings:
            if holding.lot.option_type:
                holding.underlying_growth *= self._split(holding.lot.underlying_symbol, session)
            elif holding.lot.investment_class != "PRIVATE":
                ratio = self._split(holding.symbol, session)
                holding.shares *= ratio
                holding.unit_cost /= ratio

    def _pay_dividends(self, session: date) -> None:
        for holding in self.holdings:
            if holding.pays_dividends:
                paid = holding.shares * self.market.dividend(holding.symbol, session)
                self.dividends += paid
                self.cash += paid

    def _enter(self, session: date) -> None:
        for lot in self.portfolio.lots:
            if self.calendar.on_or_after(lot.entry_date) == session:
                holding = _Holding(lot, lot.quantity, lot.entry_price)
                self.cash -= holding.shares * lot.entry_price * holding.multiplier
                self.holdings.append(holding)

    def _close(self, session: date) -> None:
        for close in self.portfolio.closes:
            if self.calendar.on_or_after(close.trade_date) != session:
                continue
            for holding in self.holdings:
                if holding.is_child:
                    continue
                if (holding.lot.symbol, holding.lot.entry_date) == (close.symbol, close.entry_date) and holding.shares:
                    self._sell(holding, close.quantity, close.price)
                    self.realized -= close.fees
                    self.fees += close.fees
                    self.cash -= close.fees

    def _leave(self, session: date) -> None:
        for holding in self.holdings:
            if (
                holding.lot.exit_date
                and not holding.is_child
                and self.calendar.on_or_after(holding.lot.exit_date) == session
            ):
                self._sell(holding, abs(holding.shares), holding.lot.exit_price)

    def _settle(self, session: date) -> None:
        for holding in self.holdings:
            lot = holding.lot
            if lot.expiration_date and self.calendar.on_or_before(lot.expiration_date) <= session and holding.shares:
                worth = ZERO if self._is_delivered(holding, session) else self._intrinsic_value(holding)
                self._sell(holding, abs(holding.shares), worth)

    def _is_delivered(self, holding: _Holding, session: date) -> bool:
        """Whether the underlying was bought or sold at just the strike that day: the option ended in shares."""
        option = holding.lot
        side = (1 if option.option_type == "CALL" else -1) * (1 if option.quantity > 0 else -1)
        strike = round(option.strike_price / holding.underlying_growth, 4)
        moved = ZERO
        for lot in self.portfolio.lots:
            if lot.symbol != option.underlying_symbol or lot.investment_class != "PUBLIC":
                continue
            lot_side = 1 if lot.quantity > 0 else -1
            if self.calendar.on_or_after(lot.entry_date) == session and lot_side == side:
                moved += abs(lot.quantity) if round(lot.entry_price, 4) == strike else ZERO
            if lot.exit_date and self.calendar.on_or_after(lot.exit_date) == session and lot_side == -side:
                moved += abs(lot.quantity) if round(lot.exit_price, 4) == strike else ZERO
            for close in self.portfolio.closes:
                if (close.symbol, close.entry_date) == (lot.symbol, lot.entry_date) and lot_side == -side:
                    closed_now = self.calendar.on_or_after(close.trade_date) == session
                    moved += close.quantity if closed_now and round(close.price, 4) == strike else ZERO
        contracts = sum(
            abs(lot.quantity)
            for lot in self.portfolio.lots
            if lot.symbol == option.symbol and (lot.quantity > 0) == (option.quantity > 0)
        )
        return CONTRACT_SIZE <= moved <= CONTRACT_SIZE * contracts

    def _intrinsic_value(self, holding: _Holding) -> Decimal:
        """What an expiring option pays a share: against the strike, the underlying counts in the strike's shares."""
        lot = holding.lot
        if lot.underlying_symbol not in self.market.last_close:
            return self._price(holding)
        underlying = self.market.last_close[lot.underlying_symbol] * holding.underlying_growth
        gain = underlying - lot.strike_price
        return max(gain if lot.option_type == "CALL" else -gain, ZERO)

    def _sell(self, holding: _Holding, quantity: Decimal, price: Decimal) -> None:
        """Sell so many shares of a long, or buy back so many of a short; at most what is left."""
        held = abs(holding.shares)
        closed = (held if held - quantity < NEXT_TO_NOTHING else quantity).copy_sign(holding.shares)
        self.cash += closed * price * holding.multiplier
        self.realized += closed * (price - holding.unit_cost) * holding.multiplier
        holding.shares -= closed

    def _price(self, holding: _Holding) -> Decimal:
        if holding.lot.investment_class == "PRIVATE":
            return self.marks.get(holding.lot.symbol, holding.lot.entry_price)
        return self.market.last_close.get(holding.symbol, holding.unit_cost)

    def _market_value(self) -> Decimal:
        return sum((held.shares * self._price(held) * held.multiplier for held in self.holdings), ZERO)


def replay(
    portfolio: Portfolio,
    prices: Prices,
    actions: Iterable[Action],
    sessions: Sequence[date],
) -> list[Day]:
    """Return every session of a portfolio from its inception to the last of `sessions`.

    Args:
        portfolio: its lots, closes, flows, marks and cash items.
        prices: closes as traded, by symbol and session.
        actions: splits, dividends and events. Each symbol of an event has a close from its first day to its last.
        sessions: every session from as far back as prices matter; one at least before inception.
    """
    calendar = Calendar(sessions)
    inception = calendar.on_or_after(portfolio.inception_date)
    before = [session for session in calendar.sessions if session < inception]
    if not before:
        raise ValueError("the session before inception is needed: it is where starting equity is measured")
    with localcontext(Context(prec=60)):
        market = _Market(calendar, prices)
        for action in actions:
            market.note(action)
        for session in before:
            market.pass_session(session)
        books = _Books(portfolio, calendar, market)
        books.carry_in(before[-1])
        days = []
        for session in calendar.sessions[len(before) :]:
            market.pass_session(session)
            days.append(books.pass_session(session))
        return days
