"""One symbol while the sources are asked: what is stored of it, what each source offers, and what is taken."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from ingest.market.restated import Judgement, StoredClose, judge
from ingest.market.row_checks import Suspicion, agree, choose_bars
from ingest.market.store import Restatement, StoredBar
from ingest.providers.base import Answer
from ingest.rows import SPLIT, CorporateAction, PriceBar
from ingest.sources.fetch_state import FetchState
from ingest.sources.source import Source
from ingest.universe import ActiveSymbol, Role

# What a source shows differently by no more than this (relative) is its rounding, and stays as it was stored.
SAME_VALUE = Decimal("0.00001")
# A split is reported some days late at times: so long a move of its size is not believed.
_SPLIT_KNOWN_AFTER = timedelta(days=7)


@dataclass
class SymbolPrices:
    """What is stored of one symbol in the sessions wanted, and what each source offers, by its place in the chain."""

    active: ActiveSymbol
    sessions: Sequence[date]
    stored: dict[date, StoredBar]
    stored_actions: dict[tuple[date, str], Decimal]
    offers: list[dict[date, PriceBar]] = field(default_factory=list)
    actions: dict[tuple[date, str], tuple[CorporateAction, str]] = field(default_factory=dict)
    chosen: dict[date, int] = field(default_factory=dict)
    passed_over: dict[tuple[int, date], str] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    declined: list[tuple[str, Answer]] = field(default_factory=list)
    answered_live: bool = False
    queued: bool = False
    refetched: tuple[int, str] | None = None

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
        first_offered = min((min(offers) for offers in self.offers if offers), default=date.max)
        # The last close before them is what the first of them is measured against.
        since = max((day for day in self.stored if day < first_offered), default=date.min)
        stored_closes = {day: bar.close for day, bar in self.stored.items() if day >= since}
        if self.refetched:
            # A history on another scale is no measure of the one that replaces it.
            place = self.refetched[0]
            stored_closes = {day: close for day, close in stored_closes.items() if day not in self.offers[place]}
        self.chosen, self.passed_over = choose_bars(
            stored_closes,
            self.offers,
            sorted(self._splits().items()),
            any_move=self.active.role == Role.OPTION,
            suspicion=Suspicion(
                today - _SPLIT_KNOWN_AFTER, frozenset(source.place for source in sources if source.is_live)
            ),
        )

    def judge(self, source: Source, sources: Sequence[Source], shown: Mapping[date, Decimal]) -> Judgement:
        """Compare all closes that a source shows with those that are known."""
        later = {other.name for other in sources[source.place + 1 :]} - {source.name}
        known = {
            day: StoredClose(self.offers[place][day].close, sources[place].name == source.name, False)
            for day, place in self.chosen.items()
            if day in shown
        }
        known |= {
            day: StoredClose(bar.close, bar.source == source.name, bar.source in later)
            for day in shown
            if (bar := self.stored.get(day))
        }
        new_splits = [
            (ex_date, action.value)
            for (ex_date, kind), (action, reporter) in sorted(self.actions.items())
            if kind == SPLIT and reporter == source.name and not self._is_stored(action)
        ]
        return judge(known, shown, new_splits)

    def take_back(self, source: Source) -> dict[date, PriceBar]:
        """Forget what a source offers, and return it."""
        offered, self.offers[source.place] = self.offers[source.place], {}
        self.actions = {key: found for key, found in self.actions.items() if found[1] != source.name}
        return offered

    def changed_bars(self, sources: Sequence[str]) -> tuple[list[tuple[PriceBar, str]], list[Restatement]]:
        """Return the bars to write, each with its source, and those among them that replace another price."""
        changed, restatements = [], []
        reason = self.refetched[1] if self.refetched else None
        for day, place in self.chosen.items():
            bar, old = self.offers[place][day], self.stored.get(day)
            if old is None:
                changed.append((bar, sources[place]))
            elif bar[2:] == old[:5]:
                continue
            elif any(
                new_price is not None and old_price is not None and not agree(new_price, old_price, SAME_VALUE)
                for new_price, old_price in zip(bar[2:6], old[:4], strict=True)
            ):
                changed.append((bar, sources[place]))
                restatements.append(Restatement(bar, sources[place], old, reason))
            elif (completed := _completed(bar, old)) is not None:
                changed.append((completed, sources[place]))
        return changed, restatements

    def changed_actions(self) -> list[tuple[CorporateAction, str]]:
        """Return the splits and dividends to write, each with its source."""
        return [(action, source) for action, source in self.actions.values() if not self._is_stored(action)]

    def implausible(self, place: int) -> list[tuple[PriceBar, str]]:
        """Return what one source offered in vain, and why."""
        return [(self.offers[place][day], reason) for (at, day), reason in self.passed_over.items() if at == place]

    def _splits(self) -> dict[date, Decimal]:
        splits = {ex_date: value for (ex_date, kind), value in self.stored_actions.items() if kind == SPLIT}
        return splits | {
            ex_date: action.value for (ex_date, kind), (action, _) in self.actions.items() if kind == SPLIT
        }

    def _is_stored(self, action: CorporateAction) -> bool:
        stored = self.stored_actions.get((action.ex_date, action.action_type))
        return stored is not None and agree(action.value, stored, SAME_VALUE)


def wanted_sessions(active: ActiveSymbol, calendar: Sequence[date]) -> Sequence[date]:
    """Return the sessions of a calendar, in order, that a symbol is needed for."""
    return calendar[bisect_left(calendar, active.first) : bisect_right(calendar, active.last)]


def _completed(bar: PriceBar, old: StoredBar) -> PriceBar | None:
    """Return the stored bar with what it lacked, and another volume where that has changed; None where all is there."""
    prices = [new if kept is None else kept for new, kept in zip(bar[2:6], old[:4], strict=True)]
    volume = old.volume if bar.volume is None else bar.volume
    completed = PriceBar(bar.symbol, bar.price_date, *prices, volume)
    return None if completed[2:] == old[:5] else completed
