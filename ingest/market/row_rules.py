"""Which of the offered rows may be stored: pure functions, without a database and without a clock."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ingest.market.as_traded import later_splits
from ingest.market.moves import ROUGHLY, is_hundredfold, split_ratio, suspected_split
from ingest.rows import CorporateAction, PriceBar

# A close may be at most 1.8 and must be at least 0.2 times the last one, after splits in between are counted.
_LARGEST_MOVE = Decimal("0.8")
# Two sources of a close agree when they are this close: roundings and late corrections, not another unit or basis.
_AGREEMENT = Decimal("0.01")
# No listed price is near this; beyond it the column has no digits left.
_TOO_LARGE = Decimal(10) ** 12
# The range of a ratio or a dividend that the column can hold.
_SMALLEST_VALUE, _LARGEST_VALUE = Decimal(10) ** -9, Decimal(10) ** 9

# Ratios of two closes of one session are checked from this size on.
_SMALLEST_SPLIT = Fraction(3, 2)
# Closes that continue within this (relative) of a suspected one are suspected as well.
_GOES_ON = Decimal("0.35")

# A large move is believed when this many sessions in a row stay near it, each within this much of the others.
STANDING_SESSIONS = 3
_STAND_BY = Decimal("0.5")
# The oldest bars of a history are not believed against so large a majority.
_FEW = 0.05

NOT_A_SESSION = "not a trading session"
STANDS_OFF = "the close stands off the rest of the history by more than 80 %, without a split"
IMPLAUSIBLE_MOVE = "the close moved by more than 80 % since the last one, splits counted, and no second source agrees"
HUNDREDFOLD = f"{IMPLAUSIBLE_MOVE}: about a hundredfold, in another unit?"
SUSPECTED_SPLIT = "the close moved as in a split that the source does not report (believed after a week)"
OTHER_SCALE = "the close is a split's ratio, or 100, away from what is stored of that session"


def check_bar(bar: PriceBar, sessions: Collection[date], today: date) -> str | None:
    """Return why a bar cannot be true by itself, None where nothing speaks against it.

    What contradicts its close was left out before (`leave_out_contradictions`).
    """
    price_date, close = bar.price_date, bar.close
    if price_date not in sessions:
        return NOT_A_SESSION
    if price_date > today:
        return "in the future"
    if not (close.is_finite() and 0 < close < _TOO_LARGE):
        return f"close: {close} is no price (positive and finite, at 6 decimals)"
    return None


def leave_out_contradictions(bar: PriceBar) -> tuple[PriceBar, Counter[str]]:
    """Return a bar without the open, high, low or volume that contradict its close, and how many of each there were.

    The close is what positions are valued at: a cent in another field must not cost it.
    """
    _, _, open_, high, low, close, volume = bar
    if not (close.is_finite() and close > 0):
        return bar, Counter()
    high, low, open_ = (
        price if price is not None and price.is_finite() and 0 < price < _TOO_LARGE else None
        for price in (high, low, open_)
    )
    if high is not None and high < close:
        high = None
    if low is not None and low > close:
        low = None
    if open_ is not None and ((high is not None and open_ > high) or (low is not None and open_ < low)):
        open_ = None
    if volume is not None and volume < 0:
        volume = None
    sound = bar._replace(open=open_, high=high, low=low, volume=volume)
    pairs = zip(PriceBar._fields[2:], bar[2:], sound[2:], strict=True)
    return sound, Counter(name for name, old, new in pairs if old is not None and new is None)


def check_action(action: CorporateAction) -> str | None:
    """Return why a split or dividend cannot be true, None where nothing speaks against it."""
    if not (action.value.is_finite() and _SMALLEST_VALUE < action.value < _LARGEST_VALUE):
        return f"value: {action.value} is no {action.action_type.lower()} (positive and finite)"
    return None


class Suspicion(NamedTuple):
    """From when on a move of a split's size is not believed, and of which sources, by their places, that is doubted.

    Live sources report a split days late at times; what people write into files they have looked at. `volatility` is
    what the share moves in a day, where that is known.
    """

    since: date
    doubted: frozenset[int]
    volatility: Decimal | None = None


NO_SUSPICION = Suspicion(date.max, frozenset())


class Choice(NamedTuple):
    """Whose bar is taken for each session, by its place; why a bar was passed over; large moves that are believed.

    `large_moves` are (close before, in the shares of the day; close) of moves beyond 80 % that no second source agrees
    with, by session.
    """

    chosen: dict[date, int]
    refused: dict[tuple[int, date], str]
    large_moves: dict[date, tuple[Decimal, Decimal]]


def choose_bars(
    stored_closes: Mapping[date, Decimal],
    offers: Sequence[Mapping[date, PriceBar]],
    splits: Sequence[tuple[date, Decimal]],
    *,
    any_move: bool = False,
    suspicion: Suspicion = NO_SUSPICION,
    sessions: Sequence[date] = (),
) -> Choice:
    """Choose, for one symbol, whose bar to take for each session: its place in `offers`, one mapping for each source.

    On each session the first bar is taken, in the order of the sources, whose close is plausible after the last close,
    stored or just taken, with the splits since then counted; or which is, but for a correction, the close stored for
    that session; or with which another source agrees; or which two more sessions in a row stand by. A session without
    such a bar is left out. Before that, runs of bars that stand off the rest are put aside (`stray_runs`). `splits` are
    (ex-date, new shares per old share) by date. `any_move` is for options, which do move by more than 80 % in a
    session. `sessions` are the trading sessions in order; without them those of the bars count.
    """
    chosen: dict[date, int] = {}
    refused: dict[tuple[int, date], str] = {}
    large_moves: dict[date, tuple[Decimal, Decimal]] = {}
    last_close: Decimal | None = None
    suspected: Decimal | None = None  # the last close that looked like a split's
    growth = Decimal(1)  # new shares for each share of the day of last_close
    next_split = 0
    days = sorted(stored_closes.keys() | set().union(*offers))
    stray, believed = (set(), set()) if any_move else stray_runs(stored_closes, offers, splits)
    for day in days:
        while next_split < len(splits) and splits[next_split][0] <= day:
            growth *= splits[next_split][1]
            next_split += 1
            suspected = None
        stored_close = stored_closes.get(day)
        closes = [(source, bars[day].close) for source, bars in enumerate(offers) if day in bars]
        for source, close in closes:
            reason = None
            large = False
            doubted = source in suspicion.doubted
            if any_move or (stored_close is not None and agree(close, stored_close, _AGREEMENT)):
                pass
            elif stored_close is not None and doubted and _is_other_scale(close / stored_close):
                reason = OTHER_SCALE
            elif day in stray:
                reason = STANDS_OFF
            elif last_close is not None:
                reason = implausible_move(close * growth, last_close)
                if doubted and day >= suspicion.since:
                    by_itself = suspected_split(close * growth / last_close, suspicion.volatility)
                    if by_itself or (suspected and _follows(close, suspected, last_close / growth)):
                        reason, suspected = SUSPECTED_SPLIT, close
                if reason:
                    witnesses = {other for other, theirs in closes if agree(close, theirs, _AGREEMENT)} - {source}
                    if witnesses - (suspicion.doubted if reason == SUSPECTED_SPLIT else set()):
                        reason = None
                if reason in (IMPLAUSIBLE_MOVE, HUNDREDFOLD):
                    large = day in believed or _stands(day, offers[source], stored_closes, splits, sessions or days)
                    reason = None if large else reason
            if reason is None:
                if large and last_close is not None:
                    large_moves[day] = (last_close / growth, close)
                chosen[day] = source
                last_close, growth, suspected = close, Decimal(1), None
                break
            refused[source, day] = reason
        else:
            if stored_close is not None:
                last_close, growth = stored_close, Decimal(1)
    return Choice(chosen, refused, large_moves)


def stray_runs(
    stored_closes: Mapping[date, Decimal],
    offers: Sequence[Mapping[date, PriceBar]],
    splits: Sequence[tuple[date, Decimal]],
) -> tuple[set[date], set[date]]:
    """Find the runs of bars that stand off the rest: (their days, the days on which a large move is believed).

    A history falls into runs where a close moves by more than 80 %, splits counted. The one with most sessions (of
    those with stored closes, where there are any; the newer of two equal ones) is the measure. From it on, forwards and
    backwards, a run belongs to the history where it joins the measure's scale again, or where it is long enough for a
    true move: three sessions, and not an error of units among few. Every other run is put aside, wherever it lies.

    Nothing is found where all days offered lie after what is stored: a night's new closes are judged one by one.
    """
    offered = set().union(*offers)
    if not offered or (stored_closes and min(offered) > min(stored_closes)):
        return set(), set()
    days = sorted(offered | stored_closes.keys())
    growth = later_splits(splits)
    level: dict[date, Decimal] = {}  # in shares of the last day, so that all closes are on one scale
    runs: list[list[date]] = []
    for day in days:
        closes = [bars[day].close for bars in offers if day in bars]
        levels = [close / growth(day) for close in ([stored_closes[day]] if day in stored_closes else closes)]
        before = level[runs[-1][-1]] if runs else levels[0]
        going_on = [each for each in levels if implausible_move(each, before) is None]
        level[day] = (going_on or levels)[0]
        witnessed = len(closes) > 1 and agree(closes[1], closes[0], _AGREEMENT)
        if not runs or not (going_on or witnessed):
            runs.append([])
        runs[-1].append(day)
    if len(runs) == 1:
        return set(), set()

    def weight(place: int) -> tuple[int, int, int]:
        return sum(day in stored_closes for day in runs[place]), len(runs[place]), place

    measure = max(range(len(runs)), key=weight)
    believed: set[date] = set()
    kept = {measure} | {place for place, run in enumerate(runs) if any(day in stored_closes for day in run)}
    for step, last in ((1, len(runs)), (-1, -1)):
        joined = measure
        for place in range(measure + step, last, step):
            ahead = [runs[other] for other in range(place + step, last, step)]
            if place in kept or _goes_on(level, runs[joined], runs[place], step):
                kept.add(place)
                joined = place
            elif not any(_goes_on(level, runs[joined], run, step) for run in ahead) and _may_be_true(
                level, runs[joined], runs[place], step, len(days)
            ):
                kept.add(place)
                believed.add(runs[max(place, joined)][0])
                joined = place
    stray = {day for place, run in enumerate(runs) if place not in kept for day in run}
    return stray, believed


def _goes_on(level: Mapping[date, Decimal], run: Sequence[date], other: Sequence[date], step: int) -> bool:
    """Whether another run, after (step 1) or before (-1) a run, stands on its scale."""
    before, after = (run[-1], other[0]) if step == 1 else (other[-1], run[0])
    return implausible_move(level[after], level[before]) is None


def _may_be_true(
    level: Mapping[date, Decimal], run: Sequence[date], other: Sequence[date], step: int, days: int
) -> bool:
    """Whether the move between two runs can be true: the other is long enough, and no error of units among few."""
    before, after = (run[-1], other[0]) if step == 1 else (other[-1], run[0])
    move = level[after] / level[before]
    few = len(other) <= _FEW * days
    if len(other) < STANDING_SESSIONS or (is_hundredfold(move) and 2 * len(other) <= days):
        return False
    return not (few and step == -1)


def _stands(
    day: date,
    bars: Mapping[date, PriceBar],
    stored_closes: Mapping[date, Decimal],
    splits: Sequence[tuple[date, Decimal]],
    sessions: Sequence[date],
) -> bool:
    """Whether a source's close is stood by in the next two sessions, splits counted: each within 50 % of the others.

    What fills a gap has to lead to the close that is stored after it as well.
    """
    place = bisect_left(sessions, day)
    standing = sessions[place : place + STANDING_SESSIONS]
    if len(standing) < STANDING_SESSIONS or standing[0] != day or any(each not in bars for each in standing):
        return False
    if any(each in stored_closes and not agree(bars[each].close, stored_closes[each], _STAND_BY) for each in standing):
        return False
    growth = later_splits(splits)
    levels = [bars[each].close / growth(each) for each in standing]
    after = min((each for each in stored_closes if each > standing[-1]), default=None)
    if after and implausible_move(stored_closes[after] / growth(after), levels[-1]):
        return False
    return max(levels) - min(levels) <= _STAND_BY * min(levels)


def implausible_move(close: Decimal, last_close: Decimal) -> str | None:
    """Return why a close, the splits since the last one counted, cannot follow on it; None where it can."""
    if abs(close - last_close) <= _LARGEST_MOVE * last_close:
        return None
    return HUNDREDFOLD if is_hundredfold(close / last_close) else IMPLAUSIBLE_MOVE


def _is_other_scale(ratio: Decimal) -> bool:
    """Whether two closes of one session are a split's ratio apart, or a hundredfold."""
    return is_hundredfold(ratio) or split_ratio(ratio, ROUGHLY, smallest=_SMALLEST_SPLIT) is not None


def _follows(close: Decimal, suspected: Decimal, last_close: Decimal) -> bool:
    """Whether a close goes on from a suspected one: it is near it, and nearer to it than to the last good one."""
    nearer = abs((close / suspected).ln()) < abs((close / last_close).ln())
    return nearer and agree(close, suspected, _GOES_ON)


def agree(value: Decimal, reference: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers are within `tolerance` of each other, relative to the second."""
    return value == reference or abs(value - reference) <= tolerance * abs(reference)
