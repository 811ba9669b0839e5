"""Whether what a source shows tonight stands on the scale of what is stored: pure functions, without a database.

A source that restates a symbol's history shows every close at one constant ratio to what it showed before. A split does
that too, on the nights on which a source has adjusted its closes and does not report the split yet, or reports it and
has not adjusted its closes yet: then what is shown does not go with what is stored, and nothing is taken until it does.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from ingest.market.moves import EXACTLY, is_hundredfold, split_ratio

# Fewer common sessions say nothing about a whole history.
FEWEST_SESSIONS = 3
# Ratios are one constant if the largest and the smallest differ by no more than this (relative).
_CONSTANT = Decimal("0.002")
# A ratio that is this near to 1 is rounding.
_ONE = Decimal("0.0001")
# Nothing but a split or another unit restates by this much (in logarithms). Spin-offs are reported, and undone.
_LARGE = Decimal("1.25").ln()
# The closes of two sources may differ by this much. A larger constant ratio means another basis.
_OTHER_SOURCE = Decimal("0.005")


class Kind(Enum):
    """What to do with a reply: take it row by row, fetch the whole history again, or put it aside.

    REREAD is to fetch it again where only the closes of their own day are right.
    """

    TAKE = "take"
    REFETCH = "refetch"
    REREAD = "reread"
    PUT_ASIDE = "put aside"


class Judgement(NamedTuple):
    """What to do, and why where it is not simply taken; the reason names no date that changes from night to night."""

    kind: Kind
    reason: str = ""


class StoredClose(NamedTuple):
    """A close that is known already, from the source that is judged (`own`) or another.

    `outranked`: from a source that is asked later than the one that is judged. `own_day`: as traded for certain.
    """

    close: Decimal
    own: bool
    outranked: bool = False
    own_day: bool = False


_TAKE = Judgement(Kind.TAKE)


def judge(
    known: Mapping[date, StoredClose],
    offered: Mapping[date, Decimal],
    new_splits: Sequence[tuple[date, Decimal]],
    told: Collection[tuple[date, Decimal]] = (),
) -> Judgement:
    """Compare a source's closes, as traded, with those that are known of the same symbol and sessions.

    Args:
        known: what is stored, from this source (`own`) or another.
        offered: the source's closes, by session.
        new_splits: (ex-date, new shares per old) that it reports and that are not stored yet, by date.
        told: (ex-date, new shares per old) of all splits that were ever told of the symbol.
    """
    first_split = new_splits[0][0] if new_splits else date.max
    own = [day for day in sorted(offered) if day in known and known[day].own]
    if ratio := _misread_by(known, offered, own, told):
        return Judgement(Kind.REREAD, f"closes were read with a split of {_about(ratio)} that is dated otherwise now")
    own = [day for day in own if day < first_split]
    if len(own) >= FEWEST_SESSIONS:
        return _judge_own(known, offered, own, new_splits)
    others = [day for day in offered if day in known and not known[day].own]
    if len(others) >= FEWEST_SESSIONS:
        return _judge_against_others(known, offered, others)
    return _TAKE


def _judge_own(
    known: Mapping[date, StoredClose],
    offered: Mapping[date, Decimal],
    days: list[date],
    new_splits: Sequence[tuple[date, Decimal]],
) -> Judgement:
    ratio = _constant_ratio(known, offered, days)
    if ratio is None or abs(ratio - 1) <= _ONE:
        return _TAKE
    if is_hundredfold(ratio):
        return Judgement(Kind.PUT_ASIDE, f"every close is {_about(ratio)} times what is stored: another unit?")
    split = split_ratio(ratio, EXACTLY)
    if split is None and abs(ratio.ln()) < _LARGE:
        return Judgement(Kind.REFETCH, f"every close is {_about(ratio)} times what was stored")
    split = split or _about(ratio)
    if not new_splits:
        return Judgement(
            Kind.PUT_ASIDE, f"every close is {split} of what is stored, and the source reports no split: not known yet?"
        )
    ex_date = new_splits[0][0]
    if _goes_on(offered, new_splits):
        return Judgement(Kind.REFETCH, f"every close before the split of {ex_date} is {split} of what was stored")
    return Judgement(
        Kind.PUT_ASIDE, f"the split of {ex_date} is reported, and the closes before it are not adjusted for it yet"
    )


def _misread_by(
    known: Mapping[date, StoredClose],
    offered: Mapping[date, Decimal],
    days: list[date],
    told: Collection[tuple[date, Decimal]],
) -> Decimal | None:
    """Return the ratio of a told split by which stored closes are off, where those of their own day are right.

    All that came before those may be off, or what lies between two dates of a split, or before one that is new: some
    closes in a row, up to a date that is told.
    """
    own_days = [day for day in days if known[day].own_day]
    changed = [n for n, day in enumerate(days) if abs(offered[day] / known[day].close - 1) > _OTHER_SOURCE]
    in_a_row = changed and changed[-1] - changed[0] == len(changed) - 1
    if not own_days or not in_a_row or any(known[days[n]].own_day for n in changed):
        return None
    off = _constant_ratio(known, offered, [days[n] for n in changed])
    last = days[changed[-1]]
    following = next((day for day in days if day > last), last)
    before_all = len(changed) >= FEWEST_SESSIONS and following == own_days[0] and changed[0] == 0
    ratios = [ratio for ex_date, ratio in told if before_all or last < ex_date <= following]
    return next((ratio for ratio in ratios if off and abs(ratio.ln()) > _OTHER_SOURCE and _is_one(off, ratio)), None)


def _is_one(off: Decimal, ratio: Decimal) -> bool:
    return min(abs(off * ratio - 1), abs(off / ratio - 1)) <= _CONSTANT


def _judge_against_others(
    known: Mapping[date, StoredClose], offered: Mapping[date, Decimal], days: list[date]
) -> Judgement:
    ratio = _constant_ratio(known, offered, days)
    if ratio is None or abs(ratio - 1) <= _OTHER_SOURCE:
        return _TAKE
    if is_hundredfold(ratio):
        return Judgement(Kind.PUT_ASIDE, f"every close is {_about(ratio)} times another source's: another unit?")
    if split := split_ratio(ratio, EXACTLY):
        return Judgement(Kind.PUT_ASIDE, f"every close is {split} of another source's: a split that one does not know?")
    if all(known[day].outranked for day in days):
        return _TAKE
    return Judgement(Kind.PUT_ASIDE, f"every close is {_about(ratio)} times another source's: adjusted for dividends?")


def _constant_ratio(
    known: Mapping[date, StoredClose], offered: Mapping[date, Decimal], days: list[date]
) -> Decimal | None:
    ratios = sorted(offered[day] / known[day].close for day in days)
    middle = ratios[len(ratios) // 2]
    return middle if ratios[-1] - ratios[0] <= _CONSTANT * middle else None


def _goes_on(offered: Mapping[date, Decimal], splits: Sequence[tuple[date, Decimal]]) -> bool:
    """Whether the closes run on over the first split, counted, rather than jump by it once more."""
    ex_date, value = splits[0]
    before = max(day for day in offered if day < ex_date)
    after = min((day for day in offered if day >= ex_date), default=None)
    if after is None:
        return False
    return abs((offered[after] * value / offered[before]).ln()) < abs(value.ln()) / 2


def _about(ratio: Decimal) -> str:
    return f"{ratio:.4g}"
