"""A portfolio kept from a broker's lines the way a bookkeeper would: cash in and out, and lots by a matching rule.

Written from the rules alone and apart from the project's SQL and loader. Nothing is computed as a profit but what a
sale realizes: cash moves by what is paid and received, equity is cash plus market value, and the day's P&L is what
equity moved by beyond the day's flow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, localcontext

from tests.accounting_replay import CONTRACT_SIZE, ONE, ZERO, Action, Calendar, Prices

NEXT_TO_NOTHING = Decimal("1e-9")


@dataclass(frozen=True)
class Contract:
    """What an option is on: CALL or PUT, its strike in shares of the day on which it is bought or sold."""

    underlying: str
    option_type: str
    strike: Decimal
    expires: date


@dataclass(frozen=True)
class Told:
    """A line: `quantity` unsigned, `price` USD a share, `amount` of money alone, `lot` the date that it names."""

    date: date
    type: str
    symbol: str = ""
    quantity: Decimal = ZERO
    price: Decimal | None = None
    amount: Decimal = ZERO
    fees: Decimal = ZERO
    lot: date | None = None
    contract: Contract | None = None

    def session(self, calendar: Calendar) -> date:
        """The session that it counts on: what ends an option, on the option's last one at the latest."""
        told_on = calendar.on_or_after(self.date)
        if self.contract and self.type not in ("BUY", "SHORT"):
            return min(told_on, calendar.on_or_before(self.contract.expires))
        return told_on


@dataclass
class HeldLot:
    """Signed shares, and what one has cost, both in shares of the current session.

    `underlying_growth` is of an option: the splits of its underlying since it was opened.
    """

    symbol: str
    since: date
    number: int
    shares: Decimal
    unit_cost: Decimal
    contract: Contract | None = None
    underlying_growth: Decimal = ONE


@dataclass(frozen=True)
class Balance:
    """A portfolio at the close of a session; USD."""

    session: date
    equity: Decimal
    cash: Decimal
    market_value: Decimal
    daily_pnl: Decimal
    realized: Decimal
    dividends: Decimal
    flow: Decimal


@dataclass
class _Account:
    rule: str
    cash: Decimal
    lots: list[HeldLot] = field(default_factory=list)
    realized: Decimal = ZERO
    count: int = 0

    def multiplier(self, symbol: str) -> int:
        return CONTRACT_SIZE if len(symbol) > 12 else 1

    def open(self, told: Told, side: int) -> None:
        size = self.multiplier(told.symbol)
        cost = told.price + side * told.fees / (told.quantity * size)
        self.count += 1
        self.lots.append(HeldLot(told.symbol, told.date, self.count, side * told.quantity, cost, told.contract))
        self.cash -= side * told.quantity * told.price * size + told.fees

    def close(self, told: Told, side: int) -> None:
        """Take from lots of `side` what there is; what is not there is left out, and without anything no fee is due."""
        held = [lot for lot in self.lots if lot.symbol == told.symbol and lot.shares * side > 0]
        if told.lot and self.rule == "named":
            held = [lot for lot in held if lot.since == told.lot]
        self.take(held, told.quantity, told.price, told.fees)

    def take(self, held: Sequence[HeldLot], wanted: Decimal, price: Decimal, fees: Decimal) -> None:
        """Take up to `wanted` from these lots at a price."""
        wanted = min(wanted, sum((abs(lot.shares) for lot in held), ZERO))
        if wanted <= 0:
            return
        for lot, taken in self.parts(held, wanted):
            signed = taken.copy_sign(lot.shares) * self.multiplier(lot.symbol)
            self.cash += signed * price
            self.realized += signed * (price - lot.unit_cost)
            lot.shares -= taken.copy_sign(lot.shares)
        self.cash -= fees
        self.realized -= fees
        self.lots = [lot for lot in self.lots if abs(lot.shares) > NEXT_TO_NOTHING]

    def end(self, told: Told) -> None:
        """End an option at its price, or at nothing where shares change hands at the strike."""
        held = [lot for lot in self.lots if lot.symbol == told.symbol]
        contract = told.contract
        if told.type == "EXPIRE":
            self.take(held, told.quantity, told.price or ZERO, told.fees)
            return
        self.take(held, told.quantity, ZERO, ZERO)
        side = 1 if (told.type == "EXERCISE") == (contract.option_type == "CALL") else -1
        shares = told.quantity * CONTRACT_SIZE
        against = [lot for lot in self.lots if lot.symbol == contract.underlying and lot.shares * side < 0]
        closed = min(shares, sum((abs(lot.shares) for lot in against), ZERO))
        self.take(against, closed, contract.strike, told.fees * closed / shares)
        if shares - closed > NEXT_TO_NOTHING:
            rest = told.fees * (shares - closed) / shares
            since = min(told.date, contract.expires)
            self.open(Told(since, "BUY", contract.underlying, shares - closed, contract.strike, fees=rest), side)

    def settle(self, session: date, calendar: Calendar, last_close: Mapping[str, Decimal]) -> None:
        """Settle in cash the options that the session is the last of."""
        ending = [lot for lot in self.lots if lot.contract and calendar.on_or_before(lot.contract.expires) <= session]
        for lot in ending:
            contract = lot.contract
            worth = last_close.get(lot.symbol, lot.unit_cost)
            if contract.underlying in last_close:
                above = last_close[contract.underlying] * lot.underlying_growth - contract.strike
                worth = max(ZERO, above if contract.option_type == "CALL" else -above)
            self.take([lot], abs(lot.shares), worth, ZERO)

    def parts(self, held: Sequence[HeldLot], wanted: Decimal) -> list[tuple[HeldLot, Decimal]]:
        if self.rule == "average":
            everything = sum((abs(lot.shares) for lot in held), ZERO)
            return [(lot, abs(lot.shares) * wanted / everything) for lot in held]
        oldest = sorted(held, key=lambda lot: (lot.since, lot.number))
        order = {
            "fifo": oldest,
            "named": oldest,
            "lifo": oldest[::-1],
            "hifo": sorted(oldest, key=lambda lot: -lot.unit_cost),
        }[self.rule]
        parts = []
        for lot in order:
            taken = min(abs(lot.shares), wanted)
            parts.append((lot, taken))
            wanted -= taken
        return [part for part in parts if part[1] > 0]


def replay(
    lines: Iterable[Told],
    rule: str,
    equity: Decimal,
    prices: Prices,
    actions: Iterable[Action],
    sessions: Sequence[date],
    through: date,
) -> list[Balance]:
    """Return every session from that of the first line through a day.

    Args:
        lines: in the order of the file.
        rule: fifo, lifo, hifo, average or named.
        equity: at the close before the first line.
        prices: closes as traded.
        actions: splits and dividends.
        sessions: the exchange's, one after `through` among them.
        through: the last day.
    """
    calendar = Calendar(sessions)
    lines = sorted(lines, key=lambda line: line.date)
    first = min(calendar.on_or_after(line.date) for line in lines)
    last_close: dict[str, Decimal] = {}
    balances = []
    with localcontext(Context(prec=60)):
        account = _Account(rule, equity)
        for session in calendar.sessions:
            if session > through:
                break
            splits: dict[str, Decimal] = {}
            for action in actions:
                if action.action_type == "SPLIT" and calendar.on_or_after(action.ex_date) == session:
                    splits[action.symbol] = splits.get(action.symbol, ONE) * action.value
            for symbol, ratio in splits.items():
                if symbol in last_close:
                    last_close[symbol] /= ratio
            for symbol, closes in prices.items():
                if session in closes:
                    last_close[symbol] = closes[session]
            if session < first:
                continue
            before, account.realized, flow, dividends = equity, ZERO, ZERO, ZERO
            for lot in account.lots:
                if lot.contract:
                    lot.underlying_growth *= splits.get(lot.contract.underlying, ONE)
                    continue
                ratio = splits.get(lot.symbol, ONE)
                lot.shares *= ratio
                lot.unit_cost /= ratio
            for action in actions:
                if action.action_type == "DIVIDEND" and calendar.on_or_after(action.ex_date) == session:
                    dividends += (
                        sum((lot.shares for lot in account.lots if lot.symbol == action.symbol), ZERO) * action.value
                    )
            account.cash += dividends
            for line in lines:
                if line.session(calendar) != session:
                    continue
                if line.type in ("BUY", "REINVEST"):
                    account.open(line, 1)
                elif line.type == "SHORT":
                    account.open(line, -1)
                elif line.type == "SELL":
                    account.close(line, 1)
                elif line.type == "COVER":
                    account.close(line, -1)
                elif line.type in ("EXPIRE", "ASSIGN", "EXERCISE"):
                    account.end(line)
                elif line.type in ("DEPOSIT", "WITHDRAWAL"):
                    amount = line.amount if line.type == "DEPOSIT" else -line.amount
                    flow += amount
                    account.cash += amount
                elif line.type in ("INTEREST", "FEE", "TAX"):
                    account.cash += line.amount if line.type == "INTEREST" else -line.amount
                elif line.type == "TRANSFER_IN":
                    worth = last_close.get(line.symbol, line.price) * line.quantity
                    account.count += 1
                    account.lots.append(
                        HeldLot(line.symbol, line.lot or line.date, account.count, line.quantity, line.price)
                    )
                    flow += worth
                elif line.type == "TRANSFER_OUT":
                    cash = account.cash
                    price = last_close[line.symbol]
                    account.close(Told(line.date, "SELL", line.symbol, line.quantity, price), 1)
                    flow -= account.cash - cash
                    account.cash = cash
                else:
                    raise ValueError(line.type)
            account.settle(session, calendar, last_close)
            market_value = sum(
                (
                    lot.shares * last_close.get(lot.symbol, lot.unit_cost) * account.multiplier(lot.symbol)
                    for lot in account.lots
                ),
                ZERO,
            )
            equity = account.cash + market_value
            balances.append(
                Balance(
                    session,
                    equity,
                    account.cash,
                    market_value,
                    equity - before - flow,
                    account.realized,
                    dividends,
                    flow,
                )
            )
    return balances
