"""What is believed of the claims about one symbol's splits, dividends and events: pure functions, without a database.

A claim is what one source, or a person, says. The rules, in this order:

1. What a person added holds, and what a person dismissed does not, whatever the sources say.
2. A claim that the closes speak against (`refused_because`), or that its source has moved to another date, is out.
3. Rows of one source and day: equal ones are one (0.3333 and 0.33 as well), different dividends add up, different
   splits are put aside.
4. Splits of one ratio within 10 sessions are one split, on the later date (executed, not announced), but for those that
   closes as traded have shown one by one (`took_place`).
5. Of two sources the earlier in the chain has the date and the value; the other's claim within 5 sessions is the same.
6. The list of well-known events fills in what nobody else tells.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from ingest.rows import ACTION_TYPES, DELISTING, DIVIDEND, MERGER, RENAME, SPINOFF, SPLIT, CorporateAction

PERSON = "person"
KNOWN = "known"
ADDED, DISMISSED = "added", "dismissed"

# Two dates of one event are at most this many sessions apart.
ONE_EVENT_SESSIONS = 10
_OTHER_SOURCE_SESSIONS = 5
# For dividends, a person's decision reaches less far, because some funds pay the same amount every week.
_PERSON_DIVIDEND_SESSIONS = 3
# Kinds that may describe the same event. After any of them the symbol is another one, or ends.
ENDS_OF_A_SYMBOL = (RENAME, MERGER, DELISTING)

IF_TWO = "if there were two, `actions add` says so of each"

_SAME_RATIO = Decimal("0.001")
_SAME_DIVIDEND, _SAME_DIVIDEND_SHARE = Decimal("0.005"), Decimal("0.005")


class Decision(NamedTuple):
    """A person's word: ADDED or DISMISSED, who said so, when and why; `from_file` where it came with load DIR."""

    kind: str
    by: str
    at: datetime
    because: str | None = None
    from_file: bool = False


class ClaimKey(NamedTuple):
    """What tells the claims about one symbol apart."""

    source: str
    ex_date: date
    action_type: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """What a source or a person (`decision`) says, and what is known against it.

    `took_place`: the closes have shown this split beside another of its ratio nearby, so that it is one of its own.
    """

    source: str
    action: CorporateAction
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    moved_to: date | None = None
    refused_because: str | None = None
    decision: Decision | None = None
    took_place: bool = False

    @property
    def key(self) -> ClaimKey:
        """What tells it apart from the others of its symbol."""
        return ClaimKey(self.source, self.action.ex_date, self.action.action_type, self.action.value)


@dataclass
class Settled:
    """What is believed of one symbol, by (ex-date, type), with its source; and why the other claims are not."""

    actions: dict[tuple[date, str], tuple[CorporateAction, str]] = field(default_factory=dict)
    notes: dict[ClaimKey, str] = field(default_factory=dict)

    @property
    def splits(self) -> list[CorporateAction]:
        """The splits that are believed, by date."""
        return [action for (_, kind), (action, _) in sorted(self.actions.items()) if kind == SPLIT]


def same_value(action_type: str, one: Decimal, other: Decimal) -> bool:
    """Whether two values of a type are one, told with different digits: 0.1 %; of dividends half a cent or 0.5 %."""
    difference = abs(one - other)
    if action_type == DIVIDEND:
        return difference <= max(_SAME_DIVIDEND, _SAME_DIVIDEND_SHARE * other)
    return difference <= _SAME_RATIO * other


def settle(claims: Iterable[Claim], order: Sequence[str], calendar: Sequence[date]) -> Settled:
    """Settle what is believed of the claims about one symbol.

    Args:
        claims: all there are, of sources and people.
        order: the names of the sources, the one that is believed first at the front; others come after them.
        calendar: the trading sessions in order; distances are counted in them.
    """
    settled = Settled()
    apart = _distance(calendar)
    ranks = {source: rank for rank, source in reversed(list(enumerate(order)))}
    claims = list(claims)
    for action_type in ACTION_TYPES:
        mine = [claim for claim in claims if claim.action.action_type == action_type]
        people = [claim for claim in mine if claim.decision]
        told = sorted(
            (claim for claim in mine if not claim.decision and claim.source != KNOWN),
            key=lambda claim: (ranks.get(claim.source, len(ranks)), claim.source, claim.action.ex_date),
        )
        standing = []
        overruled = _overruled(told, people, apart)
        for claim in told:
            if claim.key in overruled:
                settled.notes[claim.key] = overruled[claim.key]
            elif claim.moved_to:
                moved = claim.moved_to != claim.action.ex_date
                settled.notes[claim.key] = f"moved to {claim.moved_to} by its source" if moved else "corrected since"
            elif claim.refused_because:
                settled.notes[claim.key] = claim.refused_because
            else:
                standing.append(claim)
        if action_type == SPLIT:
            _settle_splits(standing, apart, settled)
        else:
            _settle_by_source(standing, apart, settled)
        _add_peoples(people, settled)
    _add_known(claims, apart, settled)
    return settled


def _distance(calendar: Sequence[date]) -> Callable[[date, date], int]:
    return lambda one, other: abs(bisect_left(calendar, one) - bisect_left(calendar, other))


def _overruled(
    told: Sequence[Claim], people: Sequence[Claim], apart: Callable[[date, date], int]
) -> dict[ClaimKey, str]:
    """Return the claims that a person's word stands against: of its date, or the same event on a date nearby."""
    overruled: dict[ClaimKey, str] = {}
    by_source: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in told:
        by_source[claim.source].append(claim)
    for word in people:
        day, kind = word.action.ex_date, word.action.action_type
        assert word.decision  # noqa: S101 - people's claims have one
        reach = _PERSON_DIVIDEND_SESSIONS if kind == DIVIDEND else ONE_EVENT_SESSIONS
        why = f"{word.decision.kind} otherwise" if word.decision.kind == ADDED else "dismissed"
        because = f": {word.decision.because}" if word.decision.because else ""
        note = f"{why} by {word.decision.by}{because}"
        for claims in by_source.values():
            on_the_day = [claim for claim in claims if claim.action.ex_date == day]
            nearby = [
                claim
                for claim in claims
                if same_value(kind, claim.action.value, word.action.value) and apart(claim.action.ex_date, day) <= reach
            ]
            nearest = sorted(nearby, key=lambda claim: apart(claim.action.ex_date, day))
            # Of splits that took place one by one, a person's decision reaches only one.
            nearby = [claim for claim in nearby if not claim.took_place or not (on_the_day or claim is not nearest[0])]
            nearest = [claim for claim in nearest if claim in nearby]
            for claim in on_the_day or (nearest if kind == SPLIT else nearest[:1]):
                overruled[claim.key] = note
            if kind == SPLIT:
                overruled |= dict.fromkeys((claim.key for claim in nearby), note)
    return overruled


def _settle_splits(told: Sequence[Claim], apart: Callable[[date, date], int], settled: Settled) -> None:
    single = _one_split_a_day(told, settled)
    groups: list[list[Claim]] = []
    # Splits that took place come first, and in each part the latest date. What is near the first of a group is the same
    # event.
    for claim in sorted(single, key=lambda claim: (claim.took_place, claim.action.ex_date), reverse=True):
        day = claim.action.ex_date
        near = sorted(
            (apart(day, group[0].action.ex_date), place)
            for place, group in enumerate(groups)
            if same_value(SPLIT, claim.action.value, group[0].action.value)
            and (day == group[0].action.ex_date or not claim.took_place)
        )
        if near and near[0][0] <= ONE_EVENT_SESSIONS:
            groups[near[0][1]].append(claim)
        else:
            groups.append([claim])
    believed: list[tuple[Claim, set[str]]] = []
    ranks = {claim.key: rank for rank, claim in enumerate(single)}
    for group in sorted(groups, key=lambda group: min(ranks[claim.key] for claim in group)):
        # Of the claims with the latest date, the one whose source is earliest in the chain.
        latest = max(group, key=lambda claim: (claim.took_place, claim.action.ex_date)).action.ex_date
        of_that_day = [claim for claim in group if claim.action.ex_date == latest]
        chosen = min(of_that_day, key=lambda claim: ranks[claim.key])
        sources = {claim.source for claim in group}
        rival = next(
            (
                other
                for other, theirs in believed
                if not (theirs & sources)
                and not (other.took_place and chosen.took_place)
                and apart(other.action.ex_date, chosen.action.ex_date) <= _OTHER_SOURCE_SESSIONS
            ),
            None,
        )
        if rival is None:
            believed.append((chosen, sources))
            settled.actions[chosen.action.ex_date, SPLIT] = (chosen.action, chosen.source)
        for claim in group:
            if claim is not chosen or rival:
                settled.notes[claim.key] = _same_event(claim, rival or chosen)


def _one_split_a_day(told: Sequence[Claim], settled: Settled) -> list[Claim]:
    """Leave one claim for each source and day; where a source tells different splits of a day, none."""
    days: defaultdict[tuple[str, date], list[Claim]] = defaultdict(list)
    for claim in told:
        days[claim.source, claim.action.ex_date].append(claim)
    single = []
    for claims in days.values():
        first, *others = claims
        if all(same_value(SPLIT, other.action.value, first.action.value) for other in others):
            single.append(first)
            settled.notes |= {other.key: "the same split, told twice" for other in others}
        else:
            ratios = " and ".join(sorted(f"{claim.action.value.normalize():f}" for claim in claims))
            settled.notes |= {claim.key: f"different splits of one day ({ratios}): which one?" for claim in claims}
    return single


def _settle_by_source(told: Sequence[Claim], apart: Callable[[date, date], int], settled: Settled) -> None:
    """Settle dividends or events, source by source: what a later one tells near an earlier one's is the same."""
    believed: list[tuple[CorporateAction, Claim]] = []
    by_source: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in told:
        by_source[claim.source].append(claim)
    for claims in by_source.values():
        days: defaultdict[date, list[Claim]] = defaultdict(list)
        for claim in claims:
            days[claim.action.ex_date].append(claim)
        own = [_of_one_day(of_day, settled) for of_day in days.values()]
        taken = _matches([action for action, _ in own], [action for action, _ in believed], apart)
        for place, (action, claim) in enumerate(own):
            if place in taken:
                rival = believed[taken[place]][1]
                settled.notes |= {told.key: _same_event(told, rival) for told in days[action.ex_date]}
            else:
                settled.actions[action.ex_date, action.action_type] = (action, claim.source)
        believed += [each for place, each in enumerate(own) if place not in taken]


def _of_one_day(claims: Sequence[Claim], settled: Settled) -> tuple[CorporateAction, Claim]:
    """Return what one source tells of one day: the sum of its dividends, or the event that it told last."""
    if claims[0].action.action_type == DIVIDEND:
        exact = []
        for claim in sorted(claims, key=lambda claim: _digits(claim.action.value), reverse=True):
            same = next((other for other in exact if _rounds_to(other.action.value, claim.action.value)), None)
            if same:
                settled.notes[claim.key] = f"the same dividend as {same.action.value_text}, with fewer digits"
            else:
                exact.append(claim)
        total = sum((claim.action.value for claim in exact), Decimal(0))
        return exact[0].action._replace(value=total), exact[0]
    last = max(claims, key=lambda claim: (claim.last_seen_at is not None and claim.last_seen_at.timestamp()) or 0)
    settled.notes |= {claim.key: "told otherwise since" for claim in claims if claim is not last}
    return last.action, last


def _digits(value: Decimal) -> int:
    """Return how many decimals an amount has, at least those of cents."""
    exponent = value.normalize().as_tuple().exponent
    return max(2, -exponent) if isinstance(exponent, int) else 2


def _rounds_to(exact: Decimal, rounded: Decimal) -> bool:
    """Whether one amount is another with fewer digits: 0.33 is 0.3333."""
    return exact == rounded or round(exact, _digits(rounded)) == rounded


def _matches(
    own: Sequence[CorporateAction], earlier: Sequence[CorporateAction], apart: Callable[[date, date], int]
) -> dict[int, int]:
    """Pair a source's actions with those of earlier sources, each at most once: same value and nearest first."""
    pairs = sorted(
        (
            not same_value(mine.action_type, mine.value, theirs.value),
            apart(mine.ex_date, theirs.ex_date),
            place,
            other,
        )
        for place, mine in enumerate(own)
        for other, theirs in enumerate(earlier)
        if apart(mine.ex_date, theirs.ex_date) <= _OTHER_SOURCE_SESSIONS
    )
    taken: dict[int, int] = {}
    for _, _, place, other in pairs:
        if place not in taken and other not in taken.values():
            taken[place] = other
    return taken


def _add_peoples(people: Sequence[Claim], settled: Settled) -> None:
    added = [(claim.decision.at, claim) for claim in people if claim.decision and claim.decision.kind == ADDED]
    sums: defaultdict[date, Decimal] = defaultdict(Decimal)
    for _, claim in sorted(added, key=lambda said: said[0]):
        action = claim.action
        if action.action_type == DIVIDEND:
            sums[action.ex_date] += action.value
            action = action._replace(value=sums[action.ex_date])
        settled.actions[action.ex_date, action.action_type] = (action, PERSON)


def _add_known(claims: Sequence[Claim], apart: Callable[[date, date], int], settled: Settled) -> None:
    """Add the well-known events that nobody has decided on, or tells in another way."""
    told = [action for action, _ in settled.actions.values()]
    for claim in (claim for claim in claims if claim.source == KNOWN):
        action = claim.action
        people = [each for each in claims if each.decision and each.action.action_type == action.action_type]
        overruled = _overruled([claim], people, apart)
        rival = next((other for other in told if _stands_for(other, action, apart)), None)
        if claim.key in overruled:
            settled.notes[claim.key] = overruled[claim.key]
        elif claim.refused_because:
            settled.notes[claim.key] = claim.refused_because
        elif rival:
            source = settled.actions[rival.ex_date, rival.action_type][1]
            what = f"the {rival.action_type.lower()} {rival.value_text} of {rival.ex_date}"
            settled.notes[claim.key] = f"{source} tells {what}, which stands for it"
        else:
            settled.actions[action.ex_date, action.action_type] = (action, KNOWN)


def _stands_for(told: CorporateAction, known: CorporateAction, apart: Callable[[date, date], int]) -> bool:
    """Whether what is told of a symbol is a well-known event of it, be it told as something else."""
    if known.action_type != SPINOFF:
        return told.action_type in ENDS_OF_A_SYMBOL and apart(told.ex_date, known.ex_date) <= ONE_EVENT_SESSIONS
    if told.action_type == SPINOFF:
        return told.ex_date == known.ex_date or (
            told.new_symbol == known.new_symbol and apart(told.ex_date, known.ex_date) <= ONE_EVENT_SESSIONS
        )
    # some sources write the shares that were handed out as a split or a dividend
    return told.action_type in (SPLIT, DIVIDEND) and told.ex_date == known.ex_date


def _same_event(claim: Claim, believed: Claim) -> str:
    same = claim.action.ex_date == believed.action.ex_date and same_value(
        claim.action.action_type, claim.action.value, believed.action.value
    )
    told = "" if same else f" ({believed.action.value_text} on {believed.action.ex_date})"
    twice = claim.source == believed.source and not same and claim.action.action_type == SPLIT
    return f"the same event as {believed.source} tells{told}{f'; {IF_TWO}' if twice else ''}"
