"""Values of decoded JSON as the rows hold them; numbers with a fraction come as Decimal (`ingest.providers.http`)."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ingest.providers.http import one_line
from ingest.rows import PriceBar, as_price

_LARGEST_VOLUME = 10**15


def number(value: Any) -> Decimal | None:
    """Return a number as Decimal, NaN and infinities too; None stays None.

    Raises ValueError where it is none.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{one_line(str(value))!r} is not a number")
    return Decimal(value)


def finite(value: Any) -> Decimal | None:
    """Return a number as Decimal, None where it is missing, not finite or none at all."""
    try:
        parsed = number(value)
    except ValueError:
        return None
    return parsed if parsed is not None and parsed.is_finite() else None


def plain_number(value: Any) -> int | float | None:
    """Return a number as JSON is to hold it: at 6 decimals, whole where it is; None where it is none or not finite.

    Of a fraction 15 digits count, all that a binary one is sure of: no noise is left (25999999999.999996,
    0.30000000000000004), which would look like another number on the night that the source is without it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    if isinstance(value, int):
        return value
    rounded = round(float(f"{value:.15g}"), 6)
    return int(rounded) if rounded.is_integer() else rounded


def as_amount(value: Any) -> Decimal | None:
    """Return a number as Decimal at 6 decimals at most, None where it is none or not finite."""
    plain = plain_number(value)
    return None if plain is None else Decimal(repr(plain))


def day(value: Any) -> date:
    """Return the date of `2026-11-20`, or of a time that begins so.

    Raises ValueError where there is none.
    """
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise ValueError(f"{one_line(str(value))!r} is not a date") from None


def text(value: Any) -> str | None:
    """Return a text in one line, None where there is none."""
    return one_line(value) or None if isinstance(value, str) else None


def read_bar(symbol: str, session: date, row: Mapping[str, Any], names: Mapping[str, str]) -> PriceBar:
    """Make a bar of a row; `names` says what the row calls open, high, low, close and volume.

    Prices that are not finite stay what they are, for the row checks to refuse.

    Raises ValueError with everything that cannot be read.
    """
    problems: list[str] = []
    values: dict[str, Decimal | None] = {}
    for name, theirs in names.items():
        try:
            values[name] = number(row.get(theirs))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if "close" in values and values["close"] is None:
        problems.append("close: it is empty")
    volume = values.pop("volume", None)
    if volume is not None and not abs(volume) <= _LARGEST_VOLUME:
        problems.append(f"volume: {volume} is not a volume")
    if problems:
        raise ValueError("; ".join(problems))
    prices = {name: None if value is None else as_price(value) for name, value in values.items()}
    return PriceBar(symbol, session, **prices, volume=None if volume is None else int(volume))


def payload(row: Mapping[str, Any]) -> dict[str, object]:
    """Return a row as text that the quarantine can keep."""
    return {one_line(str(name)): None if value is None else one_line(str(value)) for name, value in row.items()}
