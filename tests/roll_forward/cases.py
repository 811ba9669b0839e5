"""What a named case is made of: a portfolio and its market, declared beside the test that says what comes of them.

All cases are portfolios of one database, each with symbols of its own, so that they cost one dbt run together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tests.accounting_replay import Action, CashItem, Close, Flow, Lot, Mark, Portfolio

# Two weeks: Friday 2023-12-29 is the session before inception, 1 January a holiday, 6 and 7 January a weekend.
FRIDAY = date(2023, 12, 29)
TUE, WED, THU, FRI, MON = (date(2024, 1, day) for day in (2, 3, 4, 5, 8))
SATURDAY, SUNDAY = date(2024, 1, 6), date(2024, 1, 7)
SESSIONS = (FRIDAY, TUE, WED, THU, FRI, MON)

Test = Callable[..., None]


@dataclass(frozen=True)
class Case:
    """A portfolio and its market; `deleted` names the symbols of lots that are deleted, or is True for all of it."""

    portfolio: Portfolio
    prices: dict[str, dict[date, Decimal]]
    actions: tuple[Action, ...]
    deleted: bool | tuple[str, ...] = ()


CASES: dict[str, Case] = {}


def case(
    *lots: Lot,
    actions: Iterable[Action] = (),
    closes: Sequence[Close] = (),
    flows: Sequence[Flow] = (),
    marks: Sequence[Mark] = (),
    cash_items: Sequence[CashItem] = (),
    benchmark: str = "SPY",
    inception: date = TUE,
    equity: int = 10_000,
    deleted: bool | tuple[str, ...] = (),
    **closes_of: Sequence[Any] | dict[date, Any],
) -> Callable[[Test], Test]:
    """Declare the case of a test.

    Closes are given by symbol: one for each of SESSIONS, None where there was none, or a dict by session.
    """
    prices = {
        symbol: {
            session: _number(close)
            for session, close in (series.items() if isinstance(series, dict) else zip(SESSIONS, series, strict=True))
            if close is not None
        }
        for symbol, series in closes_of.items()
    }

    def declare(test: Test) -> Test:
        portfolio = Portfolio(inception, Decimal(equity), lots, closes, flows, marks, cash_items, benchmark)
        CASES[test.__name__] = Case(portfolio, prices, tuple(actions), deleted)
        return test

    return declare


def lot(quantity: Any, entry_price: Any, entry_date: date = TUE, symbol: str = "A", **more: Any) -> Lot:
    """A lot of A, bought on Tuesday unless said otherwise."""
    prices = {name: _number(more.pop(name, None)) for name in ("exit_price", "strike_price")}
    return Lot(symbol, entry_date, _number(quantity), _number(entry_price), **prices, **more)


def option(quantity: Any, premium: Any, kind: str, strike: Any, expires: date, entry_date: date = TUE) -> Lot:
    """Contracts on A, themselves of the symbol OPT."""
    return lot(
        quantity,
        premium,
        entry_date,
        "OPT",
        investment_class="OPTIONS",
        underlying_symbol="A",
        option_type=kind,
        strike_price=strike,
        expiration_date=expires,
    )


def private(quantity: Any, cost: Any, entry_date: date = TUE) -> Lot:
    """A private holding."""
    return lot(quantity, cost, entry_date, "My House", investment_class="PRIVATE")


def mark(price: Any, day: date) -> Mark:
    """What the private holding was worth."""
    return Mark("My House", day, _number(price))


def close(
    quantity: Any, price: Any, trade_date: date, fees: Any = 0, entry_date: date = TUE, symbol: str = "A"
) -> Close:
    """A close of the lot that was entered on Tuesday unless said otherwise."""
    return Close(symbol, entry_date, trade_date, _number(quantity), _number(price), _number(fees))


def split(ratio: Any, ex_date: date, symbol: str = "A") -> Action:
    """So many new shares for an old one."""
    return Action(symbol, ex_date, "SPLIT", _number(ratio))


def dividend(amount: Any, ex_date: date, symbol: str = "A") -> Action:
    """So many dollars a share."""
    return Action(symbol, ex_date, "DIVIDEND", _number(amount))


def flow(amount: Any, day: date) -> Flow:
    """Capital paid in, or taken out where it is negative."""
    return Flow(day, _number(amount))


def cash_item(amount: Any, day: date, item_type: str = "INTEREST") -> CashItem:
    """What the cash earned, or cost where it is negative."""
    return CashItem(day, _number(amount), item_type)


def own(name: str, symbol: str) -> str:
    """A case's symbol as it stands in the database."""
    return f"{symbol} of {name}"


def _number(value: Any) -> Any:
    return None if value is None else Decimal(str(value))
