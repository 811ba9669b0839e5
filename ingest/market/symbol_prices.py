"""One symbol while the sources are asked: what is stored of it, what each source offers, and what is taken."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from ingest.market.as_traded import later_splits
from ingest.market.moves import daily_volatility, suspected_split
from ingest.market.restated import Judgement, Kind, StoredClose, judge
from ingest.market.row_rules import Suspicion, agree, choose_bars
from ingest.market.settlement import IF_TWO, ONE_EVENT_SESSIONS, Claim, ClaimKey, Settled, same_value, settle
from ingest.market.store import Restatement, StoredBar
from ingest.providers.base import Answer
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar
from ingest.sources.fetch_state import FetchState
from ingest.sources.source import Source
from ingest.universe import ActiveSymbol, Role

# A difference up to this (relative) is a source's rounding, and the stored value stays.
SAME_VALUE = Decimal("0.00001")
# A split is sometimes reported some days late. For this long, a move of its size is not believed.
_SPLIT_KNOWN_AFTER = timedelta(days=7)
# The time of a claim's last sighting is written no more often than this.
_SEEN_AGAIN = timedelta(days=7)
# After this many sessions without a price, another company may have the symbol.
SILENT_SESSIONS = 60
# A dividend that has moved with another amount: one so near (relative) is the same.
_NEAR_AMOUNT = Decimal("0.25")
# What is told no longer, and of the same value so many sessions away since, may be one: a person is told.
_MAY_HAVE_MOVED_SESSIONS = 45
_WAITS = "told with closes that were put aside"


@dataclass
class SymbolPrices:
    """What is stored of one symbol in the sessions wanted, and what each source offers, by its place in the chain."""

    active: ActiveSymbol
    sessions: Sequence[date]
    stored: dict[date, StoredBar]
    claims: dict[ClaimKey, Claim]
    order: Sequence[str]
    calendar: Sequence[date]
    offers: list[dict[date, PriceBar]] = field(default_factory=list)
    settled: Settled = field(default_factory=Settled)
    changed_claims: dict[ClaimKey, Claim] = field(default_factory=dict)
    chosen: dict[date, int] = field(default_factory=dict)
    passed_over: dict[tuple[int, date], str] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    declined: list[tuple[str, Answer]] = field(default_factory=list)
    answered_live: bool = False
    queued: bool = False
    refetched: tuple[int, str] | None = None
    first_traded: date | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    unproven: list[tuple[date, Decimal]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    large_moves: dict[date, tuple[Decimal, Decimal]] = field(default_factory=dict)
    _moved_before: set[ClaimKey] = field(default_factory=set)
    _before_turn: dict[ClaimKey, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Settle what is believed of the claims as they are known now."""
        self.settled = settle(self.claims.values(), self.order, self.calendar)

    def claims_of(self, source: str) -> list[Claim]:
        """Return what one source has claimed."""
        return [claim for claim in self.claims.values() if claim.source == source]

    @property
    def took_place(self) -> frozenset[date]:
        """The dates of splits that closes have shown beside others of the same ratio nearby."""
        return frozenset(claim.action.ex_date for claim in self.claims.values() if claim.took_place)

    def own_days(self, told: Iterable[date] = ()) -> set[date]:
        """Return the sessions whose stored close is as traded, whatever is told since: stored within a week of them.

        What came when a later split was told already was read by it, and is no proof of where that split lies. Nor is
        what came on its ex-date or after it: it may have been adjusted before anybody told the split. `told` are the
        ex-dates of splits that are told tonight.
        """
        splits: list[tuple[date, datetime | None]] = [
            (claim.action.ex_date, claim.first_seen_at)
            for claim in self.claims.values()
            if claim.action.action_type == SPLIT
        ]
        splits += [(ex_date, None) for ex_date in told]

        def may_be_adjusted(day: date, bar: StoredBar) -> bool:
            return any(
                ex_date > day and ((seen is not None and seen <= bar.loaded_at) or ex_date <= bar.came_on)
                for ex_date, seen in splits
            )

        return {day for day, bar in self.stored.items() if bar.own_day and not may_be_adjusted(day, bar)}

    def word_on(self, ratio: Decimal, dates: Sequence[date]) -> str | None:
        """Return what a person has said of a split that is told on these dates: added, dismissed or nothing."""
        for claim in self.claims.values():
            told = (claim.action.ex_date, claim.action.value)
            if (
                claim.decision
                and claim.action.action_type == SPLIT
                and (
                    claim.action.ex_date in dates
                    or any(self.same_split(told, (day, ratio)) for day in dates if day not in self.took_place)
                )
            ):
                return claim.decision.kind
        return None

    def same_split(self, one: tuple[date, Decimal], other: tuple[date, Decimal]) -> bool:
        """Whether two splits, (ex-date, ratio), are told of one event."""
        apart = abs(bisect_left(self.calendar, one[0]) - bisect_left(self.calendar, other[0]))
        return apart <= ONE_EVENT_SESSIONS and same_value(SPLIT, one[1], other[1])

    def record_refused(self, source: str, told: Iterable[CorporateAction], reason: str) -> None:
        """Keep what a source told in a reply that was put aside; what was believed before stands."""
        for action in told:
            self._keep(Claim(source, action, refused_because=reason), only_new=True)
        self.settle()

    def record_told(
        self,
        source: str,
        told: Sequence[CorporateAction],
        span: tuple[date, date],
        dates: Mapping[date, date],
        now: datetime,
        took_place: AbstractSet[date] = frozenset(),
    ) -> None:
        """Keep what a source tells, and settle what is believed.

        Args:
            source: its name.
            told: its actions, as traded.
            span: the first and the last day that it was asked for.
            dates: of splits, the date that the closes show, by the date that is told.
            now: the moment of the run.
            took_place: the dates of splits that the closes show beside others of the same ratio nearby.
        """
        self._before_turn = dict(self.claims)
        on_the_day = {(action.ex_date, action.action_type) for action in told}
        now_told: dict[ClaimKey, CorporateAction] = {}
        for each in told:
            action = self._with_stored_digits(source, each)
            shown_on = dates.get(action.ex_date, action.ex_date) if action.action_type == SPLIT else action.ex_date
            proven = action.action_type == SPLIT and shown_on in took_place
            claim = Claim(source, action, last_seen_at=now, took_place=proven and shown_on == action.ex_date)
            now_told[claim.key] = action
            if shown_on == action.ex_date:
                self._keep(claim)
                continue
            reason = f"the closes show it on {shown_on}"
            if (shown_on, SPLIT) in on_the_day:
                reason = f"one with the split of {shown_on}, as far as the closes tell; {IF_TWO}"
            self._keep(replace(claim, refused_because=reason))
            moved = action._replace(ex_date=shown_on)
            if (shown_on, SPLIT) not in on_the_day and (shown_on, SPLIT) not in self.settled.actions:
                self._keep(Claim(source, moved, last_seen_at=now, took_place=proven))
            now_told[Claim(source, moved).key] = moved
        self._mark_moved(source, span, now_told)
        self.settle()

    def _mark_moved(
        self,
        source: str,
        span: tuple[date, date],
        told: Mapping[ClaimKey, CorporateAction],
    ) -> None:
        """Find what a source tells no longer and tells on another date, or with another value, since.

        A dividend may have both: then one within a quarter of its amount is the same. What may be one and is not taken
        for it is left among the doubts.
        """
        fresh = {
            key: action
            for key, action in told.items()
            if key in self.claims and (self.claims[key].first_seen_at is None or key in self._moved_before)
        }
        left = []
        for claim in self.claims_of(source):
            key, action = claim.key, claim.action
            if key in told or claim.moved_to or not span[0] <= action.ex_date <= span[1]:
                continue
            of_its_type = [other for other in fresh.values() if other.action_type == action.action_type]
            on_its_day = [other for other in of_its_type if other.ex_date == action.ex_date]
            near = sorted(
                (apart, other)
                for other in of_its_type
                if same_value(action.action_type, other.value, action.value)
                and (apart := self._apart(other.ex_date, action.ex_date)) <= ONE_EVENT_SESSIONS
            )
            found = on_its_day[0] if on_its_day else near[0][1] if near and not claim.took_place else None
            if found:
                if found.ex_date != action.ex_date:
                    fresh = {other: each for other, each in fresh.items() if each is not found}
                self._keep(replace(claim, moved_to=found.ex_date))
            else:
                left.append(claim)
        for claim in left:
            other = self._nearest_like(claim.action, fresh.values())
            if other is None or claim.took_place or claim.refused_because:
                continue
            near = self._apart(other.ex_date, claim.action.ex_date) <= ONE_EVENT_SESSIONS
            if near and other.action_type == DIVIDEND and agree(other.value, claim.action.value, _NEAR_AMOUNT):
                fresh = {key: each for key, each in fresh.items() if each is not other}
                self._keep(replace(claim, moved_to=other.ex_date))
            elif near or same_value(other.action_type, other.value, claim.action.value):
                kind, day = other.action_type, claim.action.ex_date
                self.doubts.append(
                    f"{source} no longer tells the {kind.lower()} {claim.action.value_text} of {day}, which stays, and"
                    f" tells {other.value_text} of {other.ex_date} since: if the two are one, `python run_nightly.py"
                    f" actions dismiss {self.active.symbol} {day} {kind}`"
                )

    def _nearest_like(self, action: CorporateAction, others: Iterable[CorporateAction]) -> CorporateAction | None:
        """Return the nearest split or dividend of the type of one that is told no longer, None where none is near."""
        near = [
            (self._apart(other.ex_date, action.ex_date), other)
            for other in others
            if other.action_type == action.action_type and action.action_type in (SPLIT, DIVIDEND)
        ]
        apart, nearest = min(near, default=(_MAY_HAVE_MOVED_SESSIONS + 1, None))
        return nearest if apart <= _MAY_HAVE_MOVED_SESSIONS else None

    def _apart(self, one: date, other: date) -> int:
        return abs(bisect_left(self.calendar, one) - bisect_left(self.calendar, other))

    def _with_stored_digits(self, source: str, action: CorporateAction) -> CorporateAction:
        """Return an action with the value that its source told before, where only the digits differ."""
        for claim in self.claims.values():
            same = (claim.source, *claim.action[1:3]) == (source, *action[1:3])
            if same and agree(action.value, claim.action.value, SAME_VALUE):
                return claim.action
        return action

    def _keep(self, claim: Claim, *, only_new: bool = False) -> None:
        """Keep a claim where it is new or has changed; that it was seen again is kept once a week."""
        old = self.claims.get(claim.key)
        if old is None:
            self.claims[claim.key] = self.changed_claims[claim.key] = claim
            return
        if only_new:
            return
        if old.moved_to and not claim.moved_to:
            self._moved_before.add(claim.key)
        seen = claim.last_seen_at or old.last_seen_at
        took_place = old.took_place or claim.took_place
        news = (old.moved_to, old.refused_because, old.took_place) != (
            claim.moved_to,
            claim.refused_because,
            took_place,
        )
        if news or (seen and old.last_seen_at and seen - old.last_seen_at >= _SEEN_AGAIN):
            new = replace(
                old,
                moved_to=claim.moved_to,
                refused_because=claim.refused_because,
                last_seen_at=seen,
                took_place=took_place,
            )
            self.claims[claim.key] = self.changed_claims[claim.key] = new

    def open_sessions(self, source: str, earlier_sources: AbstractSet[str]) -> list[date]:
        """Return the sessions that `source` may still answer for: those without an answer yet.

        A session that is stored from an earlier source in the chain is left to that one, or two sources that differ a
        little would restate each other for ever.
        """
        theirs = earlier_sources - {source}
        return [
            session
            for session in self.sessions
            if session not in self.chosen
            and not (theirs and session in self.stored and self.stored[session].source in theirs)
        ]

    def worth_asking(
        self, open_sessions: Sequence[date], overlap: int, state: FetchState | None, now: datetime
    ) -> list[date]:
        """Return those of the open sessions that a source which costs requests is asked for.

        They are the sessions without a price and the last `overlap` stored ones, which may have been corrected. What
        it had no price of when it was asked before the overlap is not asked for every night. The overlap alone is no
        reason to ask where a live source before it has answered tonight, nor for an option: a contract takes a request
        of its own, and few are allowed.
        """
        overlap_from = self.overlap_from(overlap)
        answered = (state.answered_from, state.answered_through) if state and state.answered_from else None
        if answered and (state.gaps_due_at is None or state.gaps_due_at <= now):
            answered = None
        worth = [
            session
            for session in open_sessions
            if session >= overlap_from
            or (session not in self.stored and not (answered and answered[0] <= session <= answered[1]))
        ]
        if (self.answered_live or self.active.role == Role.OPTION) and all(day in self.stored for day in worth):
            return []
        return worth

    def overlap_from(self, overlap: int) -> date:
        """Return the first of the last `overlap` stored sessions, or of the last sessions where less is stored.

        Without an overlap it is the last one: what came after it is asked for every night.
        """
        overlap = max(overlap, 1)
        stored = [session for session in self.sessions if session in self.stored]
        return min([*self.sessions[-overlap:][:1], *stored[-overlap:][:1]])

    def choose(self, sources: Sequence[Source], today: date) -> None:
        """Settle which offer is taken for each session."""
        offered = [min(offers) for offers in self.offers if offers]
        first_offered = min(offered, default=date.max)
        # The first offer is compared with the last stored close before it.
        since = max((day for day in self.stored if day < first_offered), default=date.min)
        stored_closes = {day: bar.close for day, bar in self.stored.items() if day >= since}
        if self.refetched:
            # A history that is being replaced is on another scale, so nothing is compared with it.
            place = self.refetched[0]
            stored_closes = {day: close for day, close in stored_closes.items() if day not in self.offers[place]}
        choice = choose_bars(
            stored_closes,
            self.offers,
            [(action.ex_date, action.value) for action in self.settled.splits],
            any_move=self.active.role == Role.OPTION,
            suspicion=Suspicion(
                today - _SPLIT_KNOWN_AFTER,
                frozenset(source.place for source in sources if source.is_live),
                self._volatility({day: bar.close for day, bar in self.stored.items()} or self._newest_offer()),
            ),
            sessions=self.sessions,
        )
        self.chosen, self.passed_over, self.large_moves = choice.chosen, choice.refused, choice.large_moves

    def put_returned_aside(self, *, is_accepted: Callable[[int, str], bool]) -> tuple[int, str] | None:
        """Put aside what comes after a long silence: (source, reason), None where there was none.

        Another company may bear the symbol by now. Options have no names to reuse.
        """
        if self.active.role == Role.OPTION:
            return None
        priced = sorted(self.chosen.keys() | self.stored.keys())
        returned, reason = None, ""
        for before, after in pairwise(priced):
            if after not in self.stored and self._apart(before, after) > SILENT_SESSIONS:
                returned = after
                reason = (
                    f"no price for more than {SILENT_SESSIONS} sessions before {after}, the last is of {before}:"
                    " another company under the same symbol?"
                )
                break
        last_stored = max(self.stored, default=None)
        if returned is None and self.first_traded and last_stored and last_stored < self.first_traded:
            returned = min((day for day in self.chosen if day > last_stored), default=None)
            reason = (
                f"its source says that it was first traded on {self.first_traded}, and the last price stored is of"
                f" {last_stored}: another company under the same symbol?"
            )
        if returned is None or is_accepted(self.chosen[returned], reason):
            return None
        place = self.chosen[returned]
        self.chosen = {day: at for day, at in self.chosen.items() if day < returned or day in self.stored}
        return place, reason

    def judge(self, source: Source, sources: Sequence[Source], shown: Mapping[date, Decimal]) -> Judgement:
        """Compare all closes that a source shows with those that are known."""
        if (moved := self._moved_over_closes(source.name)) is not None:
            return Judgement(Kind.REREAD, f"closes were read with the split of {moved} that is dated otherwise now")
        later = {other.name for other in sources[source.place + 1 :]} - {source.name}
        known = {
            day: StoredClose(self.offers[place][day].close, sources[place].name == source.name)
            for day, place in self.chosen.items()
            if day in shown
        }
        own_days = self.own_days()
        known |= {
            day: StoredClose(bar.close, bar.source == source.name, bar.source in later, day in own_days)
            for day in shown
            if (bar := self.stored.get(day))
        }
        new_splits = sorted(
            (key.ex_date, key.value)
            for key, claim in self.changed_claims.items()
            if key.action_type == SPLIT and key.source == source.name and claim.first_seen_at is None
        )
        told = {(key.ex_date, key.value) for key in self.claims if key.action_type == SPLIT}
        return judge(known, shown, new_splits, told)

    def _moved_over_closes(self, source: str) -> date | None:
        """Return the date of a split that its source has moved tonight over closes that were read with it, or None."""
        moved = [
            (key.ex_date, claim.moved_to)
            for key, claim in self.changed_claims.items()
            if key.source == source and key.action_type == SPLIT and claim.moved_to and not claim.decision
        ]
        if not moved:
            return None
        own_days = self.own_days()
        read_with_it = [day for day, bar in self.stored.items() if bar.source == source and day not in own_days]
        return next(
            (old for old, new in moved if any(min(old, new) <= day < max(old, new) for day in read_with_it)), None
        )

    def shows_otherwise(self, shown: Mapping[date, Decimal]) -> bool:
        """Whether the oldest, the middle and the newest close that are stored are all shown differently."""
        common = sorted(shown.keys() & self.stored.keys())
        some = {common[0], common[len(common) // 2], common[-1]} if common else set()
        return bool(some) and not any(agree(shown[day], self.stored[day].close, SAME_VALUE) for day in some)

    def take_back(self, source: Source) -> dict[date, PriceBar]:
        """Forget what a source offers, and return it; what it tells of actions that was not known before waits."""
        offered, self.offers[source.place] = self.offers[source.place], {}
        for key, claim in list(self.changed_claims.items()):
            if key.source != source.name:
                continue
            if claim.first_seen_at is None:
                reason = claim.refused_because or _WAITS
                self.claims[key] = self.changed_claims[key] = replace(
                    claim, moved_to=None, refused_because=reason, took_place=False
                )
            elif key in self._before_turn:
                self.claims[key] = self._before_turn[key]
                del self.changed_claims[key]
        self.settle()
        return offered

    def changed_bars(
        self, sources: Sequence[str], now: datetime
    ) -> tuple[list[tuple[PriceBar, str, datetime]], list[Restatement]]:
        """Return the bars to write, each with its source and when its close came, and which replace another price."""
        changed, restatements = [], []
        reason = self.refetched[1] if self.refetched else None
        for day, place in self.chosen.items():
            bar, old = self.offers[place][day], self.stored.get(day)
            if old is None:
                changed.append((bar, sources[place], now))
            elif bar[2:] == old[:5]:
                continue
            elif any(
                new_price is not None and old_price is not None and not agree(new_price, old_price, SAME_VALUE)
                for new_price, old_price in zip(bar[2:6], old[:4], strict=True)
            ):
                changed.append((bar, sources[place], now))
                restatements.append(Restatement(bar, sources[place], old, reason))
            elif (completed := _completed(bar, old)) is not None:
                changed.append((completed, sources[place], old.loaded_at))
        return changed, restatements

    def jumps(self) -> list[tuple[date, str]]:
        """Return the sessions whose close moves by a split's ratio, without one: (session, ratio).

        Looked for in everything that is newly taken, and where that joins on to what is stored.
        """
        growth = later_splits((action.ex_date, action.value) for action in self.settled.splits)
        old = {day: bar.close for day, bar in self.stored.items()}
        closes = old | {day: self.offers[place][day].close for day, place in self.chosen.items()}
        new = {day for day in self.chosen if day not in old or not agree(closes[day], old[day], SAME_VALUE)}
        if not new:
            return []
        dividends = {day: action.value for (day, kind), (action, _) in self.settled.actions.items() if kind == DIVIDEND}
        volatility = self._volatility(closes)
        found = []
        for before, day in pairwise(sorted(closes)):
            if not new & {before, day}:
                continue
            move = (closes[day] + dividends.get(day, 0)) / growth(day) / (closes[before] / growth(before))
            if Decimal("0.75") < move < Decimal("1.4"):
                continue
            ratio = suspected_split(move, volatility)
            # Nobody merges three shares into two, so a rise of that size is a true one.
            if ratio and not (move > 1 and "/" in ratio):
                found.append((day, ratio))
        return found

    def _newest_offer(self) -> dict[date, Decimal]:
        offered = next((bars for bars in reversed(self.offers) if bars), {})
        return {day: bar.close for day, bar in offered.items()}

    def _volatility(self, closes: Mapping[date, Decimal]) -> Decimal | None:
        """Return what the share moves in a day by these closes, as traded; None where too little is known of it."""
        growth = later_splits((action.ex_date, action.value) for action in self.settled.splits)
        return daily_volatility(close / growth(day) for day, close in sorted(closes.items()))

    def implausible(self, place: int) -> list[tuple[PriceBar, str]]:
        """Return what one source offered in vain, and why."""
        return [(self.offers[place][day], reason) for (at, day), reason in self.passed_over.items() if at == place]


def wanted_sessions(active: ActiveSymbol, calendar: Sequence[date]) -> Sequence[date]:
    """Return the sessions of a calendar, in order, that a symbol is needed for."""
    return calendar[bisect_left(calendar, active.first) : bisect_right(calendar, active.last)]


def _completed(bar: PriceBar, old: StoredBar) -> PriceBar | None:
    """Return the stored bar with what it lacked, and another volume where that has changed; None where all is there."""
    prices = [new if kept is None else kept for new, kept in zip(bar[2:6], old[:4], strict=True)]
    volume = old.volume if bar.volume is None else bar.volume
    completed = PriceBar._make((bar.symbol, bar.price_date, *prices, volume))
    return None if completed[2:] == old[:5] else completed
