"""Contributions that are worth just what lots carried in are: shares that came in kind, told as if they had been there.

A lot entered before the inception joins at the close before it, as part of the starting equity. Where the same shares
are told as a contribution of a later day too, their value counts twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.share_growth import share_growth

# How far a contribution may lie from the value of the shares at that day's close. Brokers also use other hours.
_TOLERANCE = Decimal("0.005")

_GROWTH = share_growth("lot.symbol", "greatest(portfolio.inception_date, lot.shares_as_of)", "session.session_date")
_CARRIED_IN = f"""
select
    portfolio.name,
    portfolio.portfolio_id,
    portfolio.inception_date,
    flow.change_date,
    flow.amount,
    flow.change_id,
    lot.symbol,
    lot.entry_date,
    lot.entry_price,
    lot.quantity,
    lot.quantity * bar.close * {_GROWTH} as value
from raw.equity_changes as flow
inner join raw.portfolios as portfolio using (portfolio_id)
inner join raw.positions as lot using (portfolio_id)
cross join lateral (
    select min(session_date) as session_date from raw.trading_sessions where session_date >= flow.change_date
) as session
inner join raw.market_data_cache as bar on bar.symbol = lot.symbol and bar.price_date = session.session_date
where
    portfolio.portfolio_id = any(%(portfolio_ids)s)
    and portfolio.deleted_at is null
    and flow.change_type = 'CONTRIBUTION'
    and (
        flow.change_date > portfolio.inception_date
        or (flow.change_date = portfolio.inception_date and portfolio.starting_equity >= flow.amount)
    )
    and lot.entry_date < portfolio.inception_date
    and lot.joins_on is null
    and lot.investment_class = 'PUBLIC'
    and lot.quantity > 0
    and lot.deleted_at is null
    and coalesce(lot.exit_date, 'infinity') >= flow.change_date
order by portfolio.name, flow.change_date, flow.change_id, lot.symbol, lot.entry_date
"""


@dataclass(frozen=True)
class CarriedLot:
    """A lot carried in; `quantity` as it is told, `value` in USD on the day of a contribution."""

    symbol: str
    entry_date: date
    entry_price: Decimal
    quantity: Decimal
    value: Decimal


@dataclass(frozen=True)
class CameInKind:
    """A contribution, in USD, of just what some of the lots carried in were worth that day."""

    portfolio: str
    portfolio_id: UUID
    inception_date: date
    change_date: date
    amount: Decimal
    lots: tuple[CarriedLot, ...]

    @property
    def message(self) -> str:
        """What is odd, and what to do."""
        first, *others = self.lots
        worth = sum((lot.value for lot in self.lots), Decimal(0))
        named = f"{plain(first.quantity)} {first.symbol} of {first.entry_date}"
        these = f"{named} and {len(others)} more lot{'s' * (len(others) > 1)}" if others else named
        return (
            f"{these} {'are' if others else 'is'} carried in at the close before the inception on"
            f" {self.inception_date}, and the CONTRIBUTION of {self.amount:,.2f} on {self.change_date} is what"
            f" {'they were' if others else 'it was'} worth that day ({worth:,.2f}): if that is these shares themselves,"
            f" they count twice; load the portfolio with `load transactions`, with a TRANSFER_IN of {first.symbol} on"
            f" {self.change_date} (price {plain(first.entry_price)}, lot {first.entry_date}), or enter the lot on"
            f" {self.change_date} at its price of that day; if it was money, nothing is to be done"
        )

    @property
    def lot(self) -> tuple[str, str, date]:
        """The portfolio, symbol and entry date of the first of the lots."""
        return self.portfolio, self.lots[0].symbol, self.lots[0].entry_date


def find_contributions_in_kind(conn: psycopg.Connection[Any], portfolio_ids: Sequence[UUID]) -> list[CameInKind]:
    """Return the contributions of these portfolios that are what a lot, a symbol or all that was carried in was worth.

    A contribution whose session has no close yet is not looked at: it is when prices have come.
    """
    rows = conn.execute(_CARRIED_IN, {"portfolio_ids": list(portfolio_ids)}).fetchall()
    found = []
    for key, of_flow in groupby(rows, key=lambda row: row[:6]):
        name, portfolio_id, inception_date, change_date, amount, _ = key
        lots = [CarriedLot(*row[6:]) for row in of_flow]
        same = next((group for group in _groups(lots) if _is_worth(group, amount)), None)
        if same:
            found.append(CameInKind(name, portfolio_id, inception_date, change_date, amount, tuple(same)))
    return found


def _groups(lots: Sequence[CarriedLot]) -> Iterator[Sequence[CarriedLot]]:
    """Each lot, the lots of each symbol, all lots."""
    yield from ([lot] for lot in lots)
    yield from (list(of_symbol) for _, of_symbol in groupby(lots, key=lambda lot: lot.symbol))
    yield lots


def _is_worth(lots: Sequence[CarriedLot], amount: Decimal) -> bool:
    return abs(sum((lot.value for lot in lots), Decimal(0)) - amount) <= _TOLERANCE * amount
