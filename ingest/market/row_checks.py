"""Which of the offered rows may be stored: pure functions, without a database and without a clock."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ingest.market.restated import ROUGHLY, is_hundredfold, split_ratio
from ingest.rows import CorporateAction, PriceBar

# A close may come to at most 1.8 and must come to at least 0.2 times the last one, splits in between counted.
_LARGEST_MOVE = Decimal("0.8")
# Two sources of a close agree when they are this close: roundings and late corrections, not another unit or basis.
_AGREEMENT = Decimal("0.01")
# No listed price comes near it; beyond it the column's digits end.
_TOO_LARGE = Decimal(10) ** 12
# Of a ratio or a dividend: what the column holds.
_SMALLEST_VALUE, _LARGEST_VALUE = Decimal(10) ** -9, Decimal(10) ** 9

# A move of a split's size is looked at from half the price up: smaller ones happen.
_SMALLEST_SPLIT = Fraction(3, 2)
# Closes that go on from a suspected one within this (relative) share its suspicion.
_GOES_ON = Decimal("0.35")

IMPLAUSIBLE_MOVE = "the close moved by more than 80 % since the last one, splits counted, and no second source agrees"
HUNDREDFOLD = f"{IMPLAUSIBLE_MOVE}: about a hundredfold, in another unit?"
SUSPECTED_SPLIT = "the close moved as in a split that the source does not report (believed after a week)"
OTHER_SCALE = "the close is a split's ratio, or 100, away from what is stored of that session"


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


class Suspicion(NamedTuple):
    """From when on a move of a split's size is not believed, and of which sources, by their places, that is doubted.

    Live sources report a split days late at times; what people write into files they have looked at.
    """

    since: date
    doubted: frozenset[int]


NO_SUSPICION = Suspicion(date.max, frozenset())


def choose_bars(
    stored_closes: Mapping[date, Decimal],
    offers: Sequence[Mapping[date, PriceBar]],
    splits: Sequence[tuple[date, Decimal]],
    *,
    any_move: bool = False,
    suspicion: Suspicion = NO_SUSPICION,
) -> tuple[dict[date, int], dict[tuple[int, date], str]]:
    """Choose, for one symbol, whose bar to take for each session: its place in `offers`, one mapping for each source.

    On each session the first bar is taken, in the order of the sources, whose close is plausible after the last close,
    stored or just taken, with the splits since then counted; or which is, but for a correction, the close stored for
    that session; or with which another source agrees. A session without such a bar is left out. `splits` are (ex-date,
    new shares per old share) by date. `any_move` is for options, which do move by more than 80 % in a session.

    Returns the places taken, by session, and why a bar was passed over, by (place, session).
    """
    chosen: dict[date, int] = {}
    refused: dict[tuple[int, date], str] = {}
    last_close: Decimal | None = None
    suspected: Decimal | None = None  # the last close that was taken for a split's
    growth = Decimal(1)  # new shares for one share of the day of last_close
    next_split = 0
    for day in sorted(stored_closes.keys() | set().union(*offers)):
        while next_split < len(splits) and splits[next_split][0] <= day:
            growth *= splits[next_split][1]
            next_split += 1
            suspected = None
        stored_close = stored_closes.get(day)
        closes = [(source, bars[day].close) for source, bars in enumerate(offers) if day in bars]
        for source, close in closes:
            reason = None
            doubted = source in suspicion.doubted
            if any_move or (stored_close is not None and agree(close, stored_close, _AGREEMENT)):
                pass
            elif stored_close is not None and doubted and _is_other_scale(close / stored_close):
                reason = OTHER_SCALE
            elif last_close is not None:
                reason = _implausible(close * growth, last_close)
                if doubted and day >= suspicion.since:
                    by_itself = split_ratio(close * growth / last_close, ROUGHLY, smallest=_SMALLEST_SPLIT)
                    if by_itself or (suspected and _follows(close, suspected, last_close / growth)):
                        reason, suspected = SUSPECTED_SPLIT, close
                if reason:
                    witnesses = {other for other, theirs in closes if agree(close, theirs, _AGREEMENT)} - {source}
                    if witnesses - (suspicion.doubted if reason == SUSPECTED_SPLIT else set()):
                        reason = None
            if reason is None:
                chosen[day] = source
                last_close, growth, suspected = close, Decimal(1), None
                break
            refused[source, day] = reason
        else:
            if stored_close is not None:
                last_close, growth = stored_close, Decimal(1)
    return chosen, refused


def _implausible(close: Decimal, last_close: Decimal) -> str | None:
    """Return why a close, the splits since the last one counted, cannot follow on it; None where it can."""
    if abs(close - last_close) <= _LARGEST_MOVE * last_close:
        return None
    return HUNDREDFOLD if is_hundredfold(close / last_close) else IMPLAUSIBLE_MOVE


def _is_other_scale(ratio: Decimal) -> bool:
    """Whether two closes of one session are a split's ratio apart, or a hundredfold."""
    return is_hundredfold(ratio) or split_ratio(ratio, ROUGHLY, smallest=_SMALLEST_SPLIT) is not None


def _follows(close: Decimal, suspected: Decimal, last_close: Decimal) -> bool:
    """Whether a close goes on from a suspected one, and not from the last good one."""
    return agree(close, suspected, _GOES_ON) and not agree(close, last_close, _GOES_ON)


def agree(value: Decimal, reference: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers are within `tolerance` of each other, relative to the second."""
    return value == reference or abs(value - reference) <= tolerance * abs(reference)
