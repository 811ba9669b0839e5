"""The typed rows that providers return and loaders store. USD throughout; dates are exchange-local sessions."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

SPLIT = "SPLIT"
DIVIDEND = "DIVIDEND"
RENAME = "RENAME"
MERGER = "MERGER"
SPINOFF = "SPINOFF"
DELISTING = "DELISTING"
ACTION_TYPES = (SPLIT, DIVIDEND, RENAME, MERGER, SPINOFF, DELISTING)

_STORED_PRECISION = Decimal("0.000001")


class PriceBar(NamedTuple):
    """One symbol's session as traded: prices in USD at 6 decimals, never adjusted for later splits or dividends."""

    symbol: str
    price_date: date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None


class CorporateAction(NamedTuple):
    """Something that changes what a share is, from its ex-date on; what `value` means depends on the type.

    SPLIT: new shares per old share. DIVIDEND: USD per share, in shares of the ex-date. RENAME: 1. MERGER: shares of
    `new_symbol` per old share, 0 for cash alone. SPINOFF: shares of `new_symbol`, the child, per share. DELISTING: USD
    per share. `cash_per_share` (USD) is a merger's, `cost_fraction` (0 to 1, the child's; None: by the first closes) a
    spin-off's. `value_pending` is a delisting's whose value nobody knows yet: `value` is 0 then, and says nothing.
    """

    symbol: str
    ex_date: date
    action_type: str
    value: Decimal
    new_symbol: str | None = None
    cash_per_share: Decimal | None = None
    cost_fraction: Decimal | None = None
    value_pending: bool = False

    @property
    def told_value(self) -> Decimal | None:
        """The value, or None while nobody has told it."""
        return None if self.value_pending else self.value

    @property
    def value_text(self) -> str:
        """The value as people write it."""
        return "without a value" if self.value_pending else f"{self.value.normalize():f}"


class Profile(NamedTuple):
    """What a source says a symbol is; None where it does not say."""

    symbol: str
    name: str | None = None
    sector: str | None = None
    industry: str | None = None
    country: str | None = None
    exchange: str | None = None
    currency: str | None = None
    quote_type: str | None = None
    market_cap: Decimal | None = None
    beta: float | None = None
    next_earnings_date: date | None = None


class SectorWeight(NamedTuple):
    """The share of one sector in a fund, 0 to 1, as the source names it; `as_of` is None where it does not say."""

    symbol: str
    sector: str
    weight: Decimal
    as_of: date | None = None


class Statement(NamedTuple):
    """One financial statement of one period, its line items as the source names them.

    `statement` is income, balance or cash_flow; `frequency` annual or quarterly; amounts are in `currency`. An item
    that is None was there without its value: what is known of it stands.
    """

    symbol: str
    statement: str
    frequency: str
    period_end: date
    currency: str | None
    line_items: dict[str, object]


class Estimate(NamedTuple):
    """Analysts' estimates for the periods that end on a day, by frequency and item as the source gives them.

    A fiscal year and its last quarter end on one day: `estimates` is {"annual": {...}, "quarterly": {...}}.
    """

    symbol: str
    period_end: date
    estimates: dict[str, object]


class EarningsDate(NamedTuple):
    """A day on which a company reported, or will: EPS in the currency of its reports, None where not known."""

    symbol: str
    earnings_date: date
    eps_estimate: Decimal | None
    eps_actual: Decimal | None


class RejectedRow(NamedTuple):
    """A row that was refused on the way in.

    `reason` has no part in it that changes from night to night (a line number, a distance): it is one of the columns
    by which a row that fails again is recognised. What a person needs to find the row is in `payload`.
    """

    source: str
    relation: str
    symbol: str
    row_date: date | None
    reason: str
    payload: dict[str, object]


def as_price(value: Decimal) -> Decimal:
    """Round a price to the 6 decimals that are stored.

    What cannot be rounded (NaN, an infinity, more digits than any price has) comes back as it is: the row checks
    refuse it and say why.
    """
    try:
        return value.quantize(_STORED_PRECISION)
    except InvalidOperation:
        return value
