"""Compares entry prices with the closes of their sessions, to find lists in another day's shares, and typos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from ingest.share_growth import share_growth

# Beyond this factor an entry price cannot be the price of that day.
_LARGEST_FACTOR = Decimal("1.5")
# If a price is this near to a later split's ratio, the split explains it. Splits with ratios nearer to 1 than the
# smallest one cannot be told apart from the range of a day.
_OF_THE_SPLIT = Decimal("0.05")
_SMALLEST_SPLIT = Decimal("0.15")

_ENTRIES = f"""
with lots as (
    select
        portfolio.name,
        portfolio.portfolio_id,
        lot.symbol,
        lot.entry_date,
        lot.entry_price,
        greatest(lot.entry_date, portfolio.inception_date, lot.shares_as_of) as share_date,
        (select min(session_date) from raw.trading_sessions where session_date >= lot.entry_date) as session_date
    from raw.positions as lot
    inner join raw.portfolios as portfolio using (portfolio_id)
    inner join unnest(%(portfolio_ids)s::uuid[], %(since)s::date[]) as told (portfolio_id, since) using (portfolio_id)
    where
        lot.investment_class = 'PUBLIC'
        and lot.entry_date >= told.since
        and lot.deleted_at is null
        and portfolio.deleted_at is null
        and lot.entry_price > 0
),

priced as (
    select
        lots.*,
        bar.close,
        bar.close / {share_growth("lots.symbol", "lots.session_date", "lots.share_date")} as expected,
        later.dates,
        later.ratios
    from lots
    inner join raw.market_data_cache as bar on bar.symbol = lots.symbol and bar.price_date = lots.session_date
    cross join lateral (
        select
            array_agg(split.ex_date order by split.ex_date) as dates,
            array_agg(split.value::numeric order by split.ex_date) as ratios
        from raw.corporate_actions as split
        where
            split.symbol = lots.symbol
            and split.action_type = 'SPLIT'
            and split.ex_date > greatest(lots.share_date, lots.session_date)
    ) as later
)

select name, portfolio_id, symbol, entry_date, entry_price, close, expected, dates, ratios
from priced
where
    entry_price > 1.04 * expected
    or 1.04 * entry_price < expected
order by name, symbol, entry_date
"""


@dataclass(frozen=True)
class OddEntry:
    """A lot whose entry price does not fit the close of its session; `split` and `growth` explain it where they can."""

    portfolio: str
    portfolio_id: UUID
    symbol: str
    entry_date: date
    entry_price: Decimal
    close: Decimal
    ratio: Decimal
    split: date | None
    growth: Decimal

    @property
    def message(self) -> str:
        """The warning: what is odd, and what to do."""
        odd = (
            f"the entry price {_plain(self.entry_price)} is {_plain(round(self.ratio, 4))} times that session's close,"
            f" {_plain(self.close)}"
        )
        if self.split:
            return (
                f"{odd}, as after the split of {self.split} ({_plain(self.growth)} for 1): a list of a later day counts"
                " in shares of that day; load it with --shares-as-of DATE or the column shares_as_of of portfolios.csv,"
                " or write price and quantity as they were on the entry date"
            )
        return f"{odd}: see that price, date and symbol are right"

    def __str__(self) -> str:
        return f"{self.portfolio!r}, {self.symbol} of {self.entry_date}: {self.message}"


def find_odd_entries(conn: psycopg.Connection[Any], since: Mapping[UUID, date]) -> list[OddEntry]:
    """Return the listed lots of these portfolios whose entry price a later split explains, or that is off by half.

    Of each portfolio, only lots entered `since` that day. A lot without a close on its entry's session is skipped until
    prices have come.
    """
    found = []
    rows = conn.execute(_ENTRIES, {"portfolio_ids": list(since), "since": list(since.values())})
    for name, portfolio_id, symbol, entry_date, entry_price, close, expected, dates, ratios in rows:
        ratio = entry_price / expected
        split, growth = _explained(ratio, dates or [], ratios or [])
        if split or not 1 / _LARGEST_FACTOR <= ratio <= _LARGEST_FACTOR:
            found.append(OddEntry(name, portfolio_id, symbol, entry_date, entry_price, close, ratio, split, growth))
    return found


def _explained(ratio: Decimal, dates: Sequence[date], ratios: Sequence[Decimal]) -> tuple[date | None, Decimal]:
    """Return the last of the later splits that together explain a ratio, and their product; None where none do."""
    growth = Decimal(1)
    for day, value in zip(dates, ratios, strict=True):
        growth *= value
        if abs(growth - 1) > _SMALLEST_SPLIT and abs(ratio * growth - 1) <= _OF_THE_SPLIT:
            return day, growth
    return None, Decimal(1)


def _plain(number: Decimal) -> str:
    return f"{round(number, 6).normalize():f}"
