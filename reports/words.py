"""Numbers, dates and flags as people read them, the same on a terminal and in HTML."""

from __future__ import annotations

import re
from datetime import date

from warehouse.phrases import and_more as and_more
from warehouse.phrases import count as count

NOT_KNOWN = "n/a"
_MINUS = re.compile(r"(?<![\w-])-(?=[\d.])")
_WHOLE_DOLLARS_FROM = 100_000

MODELS = {
    "ridge": "all factors jointly",
    "market": "alone against the market",
    "interest_rate": "alone against bonds",
    "spread": "alone against spreads",
}
FLAGS = {
    "full_history": "full history",
    "limited_history": "limited history",
    "insufficient_history": "too little history",
    "zero_variance": "prices that do not move",
    "no_benchmark": "no returns of the benchmark",
}


def money(amount: float | None, scale: float = _WHOLE_DOLLARS_FROM, sign: str = "") -> str:
    """Dollars, with cents where `scale`, the size of the page's portfolio, is small; `sign="+"` shows the plus."""
    return NOT_KNOWN if amount is None else _written(amount, decimals(scale), sign, f",.{decimals(scale)}f")


def decimals(scale: float) -> int:
    """The number of decimals for amounts of this scale."""
    return 0 if abs(scale) >= _WHOLE_DOLLARS_FROM else 2


def percent(share: float | None, sign: str = "", places: int = 1) -> str:
    """A decimal as a percentage."""
    return NOT_KNOWN if share is None else _written(share, places + 2, sign, f".{places}%")


def number(value: float | None, sign: str = "", places: int = 2) -> str:
    """A plain number."""
    return NOT_KNOWN if value is None else _written(value, places, sign, f".{places}f")


def quantity(shares: float) -> str:
    """Shares or contracts, with their fraction where there is one."""
    return f"{_no_minus_zero(shares, 4):,.4f}".rstrip("0").rstrip(".")


def price(amount: float) -> str:
    """A price of one share: cents, or more digits below a dollar."""
    return f"{amount:,.2f}" if abs(amount) >= 1 else f"{amount:,.4f}"


def short_money(amount: float) -> str:
    """Dollars for the ticks of an axis: 1.12M, 250k, 0."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= unit:
            return f"{amount / unit:.3g}{letter}"
    return f"{amount:.3g}"


def short_percent(share: float) -> str:
    """A decimal as a percentage for the ticks of an axis: 20%, −2.5%, 0%."""
    return f"{round(100 * share, 6) + 0.0:g}%"


def long_date(day: date) -> str:
    """Friday 1 July 2016."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def flag(name: str | None) -> str:
    """A `quality_flag` in words."""
    return "no returns" if name is None else FLAGS.get(name, name)


def typographic(text: str) -> str:
    """A text whose numbers have a real minus sign, for print; dates and ranges keep their hyphens."""
    return _MINUS.sub("−", text) if "-" in text else text


def _written(value: float, places: int, sign: str, form: str) -> str:
    """A number with so many decimals; one that rounds to zero has no sign."""
    rounded = _no_minus_zero(value, places)
    return f"{rounded:{sign if rounded else ''}{form}}"


def _no_minus_zero(value: float, places: int) -> float:
    return round(value, places) + 0.0
