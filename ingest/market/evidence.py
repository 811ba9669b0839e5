"""Why a price is believed, first part: what the closes say of the splits that a source tells. Pure functions.

After a split of q new shares per old one a source divides earlier closes by q, on the day itself, some days later, only
in part or never; and it tells the split on the right day, on two days or on another one. So a split is believed where
the closes agree, and how they were traded follows from it. With m = close after / close before the ex-date, as the
source states both:

    adjusted        |ln m| <= half of |ln q|       earlier closes times q are as traded
    not adjusted    |ln (m q)| <= half of |ln q|   earlier closes are as traded already

What is known already decides between dates, and may prove another one near those that are told: closes that were stored
on their own day are as traded, whatever a source tells later. One ratio on near dates is one split, unless the closes
move by it, as traded, on each of them. Where no reading agrees, nothing of the reply is taken (`Reading.aside` says
why). Ratios nearer to 1 than 1.25 cannot be told from a day's move, and count as adjusted.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from ingest.market.as_traded import later_splits
from ingest.market.moves import daily_volatility
from ingest.market.ratios import as_written
from ingest.market.settlement import ONE_EVENT_SESSIONS, same_value
from ingest.rows import SPLIT

_ONE = Decimal(1)
# A ratio nearer to 1 than this cannot be seen in a day's move.
_TELLING = Decimal("1.25").ln()
# Inside a history, splits are looked for from this ratio on, because smaller moves happen; but not to a calm share.
_STRIKING = Decimal("1.5").ln()
# A move this near to a split's ratio (in logarithms) is the split's.
_NEAR = Decimal("0.08")
# Of a ratio that is less than striking: so many times what the share moves in a day.
_NO_MOVE_OF_A_DAY = 6
# Two closes of one session agree within this (relative).
_SAME_CLOSE = Decimal("0.005")
# Closes that are further apart, in sessions, say nothing about a split between them.
_FURTHEST_SESSIONS = 10
# This many closes of their own day are proof, whatever the stock did on the ex-date.
_PROOF = 3
# Known closes that are further back add nothing.
_LOOKED_AT = 40


class KnownClose(NamedTuple):
    """A stored close; `own_day`: stored within a week of its session, so that no later split is in it.

    `read_on`: when it was read of the source whose reply is read now, None where it came from another.
    """

    close: Decimal
    own_day: bool
    read_on: date | None = None


@dataclass(frozen=True)
class SplitEvent:
    """One split: its ratio (new shares per old) and the dates that are told for it, the one to prefer first.

    `certain`: a person says so. `shares`: it gives shares of the symbol; what is only restated for (a spin-off, a split
    that a person has dismissed) does not. `told`: the source itself tells it tonight. `took_place`: the dates on which
    closes have shown it already, beside others of its ratio nearby. `one_of_several`: there is another such split.
    """

    ratio: Decimal
    dates: tuple[date, ...]
    certain: bool = False
    shares: bool = True
    told: bool = True
    took_place: frozenset[date] = frozenset()
    one_of_several: bool = False

    @property
    def size(self) -> Decimal:
        """How far the ratio is from 1, in logarithms."""
        return abs(self.ratio.ln())


@dataclass
class Reading:
    """What the closes say: (date, ratio) of what is to be undone, the date of each event, or why nothing is taken.

    `unproven` are splits of the last sessions whose earlier closes are taken as adjusted, with nothing to compare: they
    may not have taken place yet.
    """

    undo: list[tuple[date, Decimal]] = field(default_factory=list)
    unproven: list[tuple[date, Decimal]] = field(default_factory=list)
    dates: dict[SplitEvent, date] = field(default_factory=dict)
    aside: str | None = None

    def factor(self) -> Callable[[date], Decimal]:
        """Return the function t -> what a price of t is multiplied by to be as traded."""
        return later_splits(self.undo)


def group_splits(
    told: Iterable[tuple[date, Decimal]], calendar: Sequence[date], *, shares: bool = True
) -> list[SplitEvent]:
    """Make one event of what is told with one ratio up to 10 sessions before the last of it, which is preferred."""
    groups: list[tuple[Decimal, list[date]]] = []
    for day, ratio in sorted(set(told), reverse=True):
        for known, dates in groups:
            apart = bisect_left(calendar, dates[0]) - bisect_left(calendar, day)
            if same_value(SPLIT, ratio, known) and apart <= ONE_EVENT_SESSIONS:
                dates.append(day)
                break
        else:
            groups.append((ratio, [day]))
    return [SplitEvent(ratio, tuple(dict.fromkeys(dates)), shares=shares) for ratio, dates in groups]


def read_restated(
    shown: Mapping[date, Decimal],
    events: Sequence[SplitEvent],
    known: Mapping[date, KnownClose],
    calendar: Sequence[date],
) -> Reading:
    """Find out how closes were traded that a source shows in today's shares, most of the time.

    Args:
        shown: the closes as the source shows them.
        events: what may restate them.
        known: stored closes, as traded.
        calendar: the trading sessions in order.
    """
    latest = max((max(event.dates) for event in events), default=date.min)
    since = {day: close for day, close in shown.items() if day >= latest}
    traded = _Closes({day: each.close for day, each in known.items() if each.own_day} | since, calendar)
    apart = tell_splits_apart(events, [_Closes(shown, calendar), traded])
    reading = _read_restated(shown, apart, known, calendar)
    if reading.aside and apart != events:
        reading = _read_restated(shown, events, known, calendar)
    if reading.aside:
        # No night ran between the two splits, so only closes from before both can prove them.
        two = [part for event in events for part in _parts(event, event.dates if len(event.dates) == 2 else ())]
        before_all = min((min(event.dates) for event in events), default=date.min)
        proof = sum(day < before_all and day in known and known[day].own_day for day in shown)
        if len(two) > len(events) and proof >= _PROOF:
            both = _read_restated(shown, two, known, calendar)
            return reading if both.aside else both
    return reading


def _read_restated(
    shown: Mapping[date, Decimal],
    events: Sequence[SplitEvent],
    known: Mapping[date, KnownClose],
    calendar: Sequence[date],
) -> Reading:
    reading = Reading()
    closes = _Closes(shown, calendar)
    ordered = sorted(events, key=lambda event: max(event.dates), reverse=True)
    newer = date.max
    for place, event in enumerate(ordered):
        older = max((max(other.dates) for other in ordered[place + 1 :]), default=date.min)
        factor = reading.factor()
        own = {day: shown[day] * factor(day) / known[day].close for day in shown if day in known}
        choice = _choose(event, closes, own, known, older)
        if choice and choice[1] and event.shares and not event.certain:
            seen = {day: each for day, each in own.items() if known[day].own_day and older <= day < newer}
            choice = _proven(event, choice[0], seen, closes)
        if choice is None:
            reading.aside = _in_doubt(event)
            return reading
        day, adjusted = choice
        newer = day
        reading.dates[event] = day
        believed_alone = not event.told and event.shares and not event.certain
        if believed_alone and not adjusted and closes.fits(day, event.ratio, adjusted=False) is False:
            reading.aside = _told_no_longer(event, day)
            return reading
        if adjusted:
            reading.undo.append((day, event.ratio))
            if event.told and event.shares and not event.certain and event.size >= _TELLING and not own:
                age = closes.sessions_apart(day, closes.days[-1]) if closes.days else 0
                reading.unproven += [(day, event.ratio)] if age <= ONE_EVENT_SESSIONS else []
    reading.aside = _stray_jump(reading, closes, known) or _off_scale(reading, shown, known)
    return reading


def read_as_traded(
    shown: Mapping[date, Decimal],
    events: Sequence[SplitEvent],
    known: Mapping[date, KnownClose],
    calendar: Sequence[date],
) -> Reading:
    """Find out what closes that are as traded say of splits: at the ex-date they move by the ratio.

    Where they do on another day nearby, that is the day. The terms are those of `read_restated`.
    """
    reading = Reading()
    closes = _Closes({day: each.close for day, each in known.items()} | dict(shown), calendar)
    for event in tell_splits_apart(events, [closes]):
        told = [day for day in event.dates if closes.fits(day, event.ratio, adjusted=False) is not False]
        sure = [day for day in told if closes.fits(day, event.ratio, adjusted=False)]
        if event.certain or event.size < _TELLING:
            reading.dates[event] = (sure or told or list(event.dates))[0]
        elif sure:
            reading.dates[event] = sure[0]
        elif (day := closes.moves_by(event.ratio, event.dates)) is not None:
            reading.dates[event] = day
        elif told:
            reading.dates[event] = told[0]
        else:
            reading.aside = _not_seen(event)
            return reading
    return reading


def tell_splits_apart(events: Sequence[SplitEvent], closes: Sequence["_Closes"]) -> list[SplitEvent]:
    """Make an event of each date of a split on which some of the closes, as traded, move by its ratio.

    What else is told of the ratio goes with the one of these that it shares a date with.
    """
    apart: list[SplitEvent] = []
    whole = []
    for event in events:
        moved = [
            day
            for day in event.dates
            if day in event.took_place or any(each.fits(day, event.ratio, adjusted=False) for each in closes)
        ]
        parts = _parts(event, moved if event.shares and not event.certain and event.size >= _TELLING else ())
        if len(parts) > 1:
            apart += parts
        else:
            whole += parts
    for event in whole:
        place = next((at for at, part in enumerate(apart) if _is_told_of(event, part)), None)
        if place is None:
            apart.append(event)
        else:
            apart[place] = replace(apart[place], dates=tuple(dict.fromkeys([*apart[place].dates, *event.dates])))
    return apart


def _is_told_of(event: SplitEvent, part: SplitEvent) -> bool:
    """Whether an event is one of several splits of its ratio: it shares a date with that one."""
    if event.certain or not event.shares or not part.one_of_several:
        return False
    return same_value(SPLIT, event.ratio, part.ratio) and not set(event.dates).isdisjoint(part.dates)


def _parts(event: SplitEvent, took_place: Iterable[date]) -> list[SplitEvent]:
    """Divide an event into those that took place on these dates; one that was only told goes with the next of them."""
    days = sorted(took_place)
    if len(days) < 2 or event.certain or not event.shares:
        return [event]
    dates: dict[date, list[date]] = {day: [day] for day in days}
    for told in event.dates:
        if told not in dates:
            dates[next((day for day in days if day >= told), days[-1])].append(told)
    return [replace(event, dates=tuple(of_one), one_of_several=True) for of_one in dates.values()]


class _Closes:
    """Closes by session, and how they move from one to the next."""

    def __init__(self, closes: Mapping[date, Decimal], calendar: Sequence[date]) -> None:
        self.closes = closes
        self.days = sorted(closes)
        self._calendar = calendar

    def around(self, day: date) -> tuple[date, date] | None:
        """Return the last close before a day and the first from it on, None where there is none nearby."""
        place = bisect_left(self.days, day)
        if not 0 < place < len(self.days):
            return None
        before, after = self.days[place - 1], self.days[place]
        return (before, after) if self.sessions_apart(before, after) <= _FURTHEST_SESSIONS else None

    def sessions_apart(self, one: date, other: date) -> int:
        """Return how many sessions lie between two days."""
        return abs(bisect_left(self._calendar, other) - bisect_left(self._calendar, one))

    def session_after(self, day: date) -> date | None:
        """Return the first session after a day, None where there is none yet."""
        place = bisect_right(self._calendar, day)
        return self._calendar[place] if place < len(self._calendar) else None

    def fits(self, day: date, ratio: Decimal, *, adjusted: bool) -> bool | None:
        """Whether the closes over a day go with a split then; None where they cannot tell."""
        around = self.around(day)
        size = abs(ratio.ln())
        if around is None or size < _TELLING:
            return None if adjusted or size >= _TELLING else False
        before, after = around
        move = self.closes[after] / self.closes[before]
        return abs((move if adjusted else move * ratio).ln()) <= size / 2

    def moves_by(self, ratio: Decimal, dates: Iterable[date]) -> date | None:
        """Return the only day near these dates on which the closes move by a split's ratio, None without one."""
        near = min(_NEAR * 2, abs(ratio.ln()) / 2)
        places = [bisect_left(self._calendar, day) for day in dates]
        first, last = min(places) - ONE_EVENT_SESSIONS, max(places) + ONE_EVENT_SESSIONS
        found = [
            after
            for before, after in pairwise(self.days)
            if first <= bisect_left(self._calendar, after) <= last
            and abs((self.closes[after] / self.closes[before] * ratio).ln()) <= near
        ]
        return found[0] if len(found) == 1 else None


def _choose(
    event: SplitEvent,
    closes: _Closes,
    own: Mapping[date, Decimal],
    known: Mapping[date, KnownClose],
    older: date,
) -> tuple[date, bool] | None:
    """Return the date of an event and whether earlier closes are adjusted for it; None where no reading agrees.

    `own` is, for each session that is known, the shown close in shares from after the event, over the known one.
    """
    latest = max(event.dates)
    compared = [day for day in sorted(own) if older <= day < latest]
    if any(known[day].own_day for day in compared):
        compared = [day for day in compared if known[day].own_day]
    else:
        # What was read after the split, by another date or by none, is no proof of it.
        earliest = min(event.dates)
        compared = [day for day in compared if (known[day].read_on or date.min) < earliest]
    compared = compared[-_LOOKED_AT:]
    # If a source does not report a split, it has hardly adjusted its closes for it.
    readings = [(day, adjusted) for adjusted in (event.told, not event.told) for day in event.dates]

    def agreeing(day: date, adjusted: bool) -> int:
        return sum(
            abs(own[each] * (event.ratio if adjusted and each < day else _ONE) - 1) <= _SAME_CLOSE for each in compared
        )

    if compared:
        votes = {reading: agreeing(*reading) for reading in readings}
        most = max(votes.values())
        if 2 * most > len(compared):
            best = [reading for reading in readings if votes[reading] == most]
            proven = most >= _PROOF and all(known[day].own_day for day in compared)
            fitting = [each for each in best if closes.fits(each[0], event.ratio, adjusted=each[1]) is not False]
            # A large move on the ex-date is no proof against many closes. A move that fits the other reading is.
            opposed = closes.fits(best[0][0], event.ratio, adjusted=not best[0][1])
            if fitting or (proven and not opposed) or event.certain or not event.shares or not event.told:
                return (fitting or best)[0]
            return None
        if event.told and not event.certain and event.shares and event.size >= _TELLING:
            return None
    if not event.shares:
        return _restates(event, closes)
    fitting = [each for each in readings if closes.fits(each[0], event.ratio, adjusted=each[1]) is not False]
    sure = [each for each in fitting if closes.fits(each[0], event.ratio, adjusted=each[1])]
    if sure or fitting:
        return (sure or fitting)[0]
    return readings[0] if event.certain or not event.told else None


def _proven(event: SplitEvent, day: date, seen: Mapping[date, Decimal], closes: _Closes) -> tuple[date, bool] | None:
    """Return the date of an adjusted event that closes of their own day prove; None where that is not near the told.

    Each of them is in shares from before the event or from after it. Where they prove nothing, `day` stands.
    """
    before = [each for each, ratio in seen.items() if abs(ratio * event.ratio - 1) <= _SAME_CLOSE]
    after = [each for each, ratio in seen.items() if abs(ratio - 1) <= _SAME_CLOSE]
    last, first = max(before, default=date.min), min(after, default=date.max)
    if last < day <= first or last >= first:
        return day, True
    proven = closes.session_after(last) if day <= last else first
    near = proven is not None and any(closes.sessions_apart(proven, told) <= ONE_EVENT_SESSIONS for told in event.dates)
    return (proven, True) if proven and near else None


def _restates(event: SplitEvent, closes: _Closes) -> tuple[date, bool]:
    """Return whether a source has restated for what gives no shares: always, but where a split was never one.

    Then its closes move by the ratio where it has divided the earlier ones, and run on where it has not.
    """
    day = event.dates[0]
    around = closes.around(day)
    if event.size < _STRIKING or around is None:
        return day, True
    move = closes.closes[around[1]] / closes.closes[around[0]]
    return day, abs((move / event.ratio).ln()) <= event.size / 2


def _stray_jump(reading: Reading, closes: _Closes, known: Mapping[date, KnownClose]) -> str | None:
    """Say where closes, each on the scale that was found, move by the ratio of one of the splits once more.

    A source has adjusted a part of its history only. A move between two closes that are known is what it is.
    """
    looked_for = [event for event in reading.dates if event.size >= _TELLING and event.shares and not event.certain]
    if not looked_for:
        return None
    factor = reading.factor()
    grown = {day: close * factor(day) for day, close in closes.closes.items()}
    volatility = daily_volatility(closes.closes[day] for day in closes.days)
    on = {day for event, day in reading.dates.items()}
    splits = sorted((day, event.ratio) for event, day in reading.dates.items() if event.shares)
    for before, after in pairwise(closes.days):
        move = grown[after] / grown[before]
        for day, ratio in splits:
            if before < day <= after:
                move *= ratio
        if (before in known and after in known) or after in on:
            continue
        for event in looked_for:
            near = _NEAR
            if event.size < _STRIKING:
                near = min(_NEAR, event.size / 4)
                if volatility is None or abs(move.ln()) < _NO_MOVE_OF_A_DAY * volatility:
                    continue
            if min(abs((move * event.ratio).ln()), abs((move / event.ratio).ln())) <= near:
                ratio = as_written(event.ratio)
                return (
                    f"the split of {reading.dates[event]} ({ratio}) is told, and the closes move by its ratio on"
                    f" {after} as well: adjusted in part?"
                )
    return None


def _off_scale(reading: Reading, shown: Mapping[date, Decimal], known: Mapping[date, KnownClose]) -> str | None:
    """Say where closes of their own day are off what is read by a told split's ratio: there was another."""
    factor = reading.factor()
    off = {day: shown[day] * factor(day) / known[day].close for day in shown if day in known and known[day].own_day}
    for event, day in reading.dates.items():
        if event.certain or not event.shares or event.size < _TELLING:
            continue
        days = [
            each
            for each, ratio in off.items()
            if min(abs(ratio * event.ratio - 1), abs(ratio / event.ratio - 1)) <= _SAME_CLOSE
        ]
        if len(days) >= _PROOF:
            ratio = as_written(event.ratio)
            return (
                f"the split of {day} ({ratio}) is told, and closes that were stored on their own day, the last of"
                f" {max(days)}, are off by its ratio once more: another split of {ratio}?"
                f" `actions add SYMBOL DATE SPLIT {ratio}` says when"
            )
    return None


def _in_doubt(event: SplitEvent) -> str:
    day, ratio = event.dates[0], as_written(event.ratio)
    symbol_and_day = f"SYMBOL {day} SPLIT"
    return (
        f"the split of {day} ({ratio}) is told, and the closes agree neither with one that they are adjusted for nor"
        f" with one that they are not: `actions add {symbol_and_day} {ratio}` says that it holds, `actions dismiss"
        f" {symbol_and_day}` that it does not"
    )


def _told_no_longer(event: SplitEvent, day: date) -> str:
    ratio = as_written(event.ratio)
    return (
        f"the split of {day} ({ratio}) is believed, its source tells it no longer, and the closes do not show it: if it"
        f" was none, `actions dismiss SYMBOL {day} SPLIT`, if it holds, `actions add SYMBOL {day} SPLIT {ratio}`"
    )


def _not_seen(event: SplitEvent) -> str:
    day, ratio = event.dates[0], as_written(event.ratio)
    return (
        f"the split of {day} ({ratio}) is told, and the closes do not move by it: prices have to be as traded; if it"
        f" is no split, `actions dismiss SYMBOL {day} SPLIT`, if it holds all the same, `actions add SYMBOL {day} SPLIT"
        f" {ratio}`"
    )
