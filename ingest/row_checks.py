"""Which of the offered rows may be stored: pure functions, without a database and without a clock."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal

from ingest.rows import CorporateAction, PriceBar

# A close may come to at most 1.8 and must come to at least 0.2 times the last one, splits in between counted.
_LARGEST_MOVE = Decimal("0.8")
# Two sources of a close agree when they are this close: roundings and late corrections, not another unit or basis.
_AGREEMENT = Decimal("0.01")
# No listed price comes near it; beyond it the column's digits end.
_TOO_LARGE = Decimal(10) ** 12
# Of a ratio or a dividend: what the column holds.
_SMALLEST_VALUE, _LARGEST_VALUE = Decimal(10) ** -9, Decimal(10) ** 9

IMPLAUSIBLE_MOVE = "the close moved by more than 80 % since the last one, splits counted, and no second source agrees"


def check_bar(bar: PriceBar, sessions: Collection[date], today: date) -> str | None:
    """Return why a bar cannot be true by itself, None where nothing speaks against it."""
    _, price_date, open_, high, low, close, volume = bar
    if price_date not in sessions:
        return "not a trading session"
    if price_date > today:
        return "in the future"
    for name, price in (("close", close), ("open", open_), ("high", high), ("low", low)):
        if price is not None and not (price.is_finite() and 0 < price < _TOO_LARGE):
            return f"{name}: {price} is no price (positive and finite, at 6 decimals)"
    if high is not None and close > high:
        return f"close {close} is above high {high}"
    if low is not None and close < low:
        return f"close {close} is below low {low}"
    if open_ is not None and high is not None and open_ > high:
        return f"open {open_} is above high {high}"
    if open_ is not None and low is not None and open_ < low:
        return f"open {open_} is below low {low}"
    if high is not None and low is not None and low > high:
        return f"low {low} is above high {high}"
    if volume is not None and volume < 0:
        return f"volume: {volume} is negative"
    return None


def check_action(action: CorporateAction) -> str | None:
    """Return why a split or dividend cannot be true, None where nothing speaks against it."""
    if not (action.value.is_finite() and _SMALLEST_VALUE < action.value < _LARGEST_VALUE):
        return f"value: {action.value} is no {action.action_type.lower()} (positive and finite)"
    return None


def choose_bars(
    stored_closes: Mapping[date, Decimal],
    offers: Sequence[Mapping[date, PriceBar]],
    splits: Sequence[tuple[date, Decimal]],
    *,
    any_move: bool = False,
) -> dict[date, int]:
    """Choose, for one symbol, whose bar to take for each session: its place in `offers`, one mapping for each source.

    On each session the first bar is taken, in the order of the sources, whose close is plausible after the last close,
    stored or just taken, with the splits since then counted; or which is, but for a correction, the close stored for
    that session; or with which another source agrees. A session without such a bar is left out. `splits` are (ex-date,
    new shares per old share) by date. `any_move` is for options, which do move by more than 80 % in a session.
    """
    chosen: dict[date, int] = {}
    last_close: Decimal | None = None
    growth = Decimal(1)  # new shares for one share of the day of last_close
    next_split = 0
    for day in sorted(stored_closes.keys() | set().union(*offers)):
        while next_split < len(splits) and splits[next_split][0] <= day:
            growth *= splits[next_split][1]
            next_split += 1
        stored_close = stored_closes.get(day)
        closes = [(source, bars[day].close) for source, bars in enumerate(offers) if day in bars]
        for source, close in closes:
            if (
                last_close is None
                or any_move
                or abs(close * growth - last_close) <= _LARGEST_MOVE * last_close
                or (stored_close is not None and agree(close, stored_close, _AGREEMENT))
                or any(agree(close, other, _AGREEMENT) for another, other in closes if another != source)
            ):
                chosen[day] = source
                last_close, growth = close, Decimal(1)
                break
        else:
            if stored_close is not None:
                last_close, growth = stored_close, Decimal(1)
    return chosen


def agree(value: Decimal, reference: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers are within `tolerance` of each other, relative to the second."""
    return value == reference or abs(value - reference) <= tolerance * abs(reference)
