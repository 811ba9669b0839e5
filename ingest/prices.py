"""Ask the sources in turn for the bars and actions of some symbols, and settle what is to be stored."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from ingest.fetch_state import Covered, FetchState, is_due, not_due
from ingest.market_store import AcceptedRow, Restatement, StoredBar, json_ready
from ingest.providers.base import Answer, Outcome, PriceReply, Want
from ingest.restated import Judgement, Kind, StoredClose, judge
from ingest.row_checks import Suspicion, agree, check_action, check_bar, choose_bars
from ingest.rows import SPLIT, CorporateAction, PriceBar, RejectedRow, combine_actions
from ingest.sources import Source
from ingest.universe import ActiveSymbol, Role

# What a source shows differently by no more than this (relative) is its rounding, and stays as it was stored.
SAME_VALUE = Decimal("0.00001")
# A whole history costs as much as a new symbol; a source in trouble might ask for all of them at once.
MOST_REFETCHES = 50
# A split is reported some days late at times: so long a move of its size is not believed.
_SPLIT_KNOWN_AFTER = timedelta(days=7)
# A live source is asked from so many sessions earlier on: it costs no more, brings splits and dividends that were
# reported late, and shows on which scale its closes stand.
_LOOK_BACK = 30

StoredHistory = tuple[dict[date, StoredBar], dict[tuple[date, str], Decimal]]


@dataclass
class Knowledge:
    """What is known when the sources are asked for some symbols.

    Attributes:
        sessions: the trading sessions up to the end of the run.
        calendar: the same, in order.
        today: the date in New York; a price of a later date cannot be true.
        now: the moment of the run.
        fetch_states: what each live source answered before, by source and symbol.
        accepted: refused rows that a person has accepted.
        read_history: everything that is stored of some symbols, bars and actions, by symbol.
        refetches_left: how many whole histories may still be fetched again in this run.
    """

    sessions: AbstractSet[date]
    calendar: Sequence[date]
    today: date
    now: datetime
    fetch_states: Mapping[str, Mapping[str, FetchState]] = field(default_factory=dict)
    accepted: Sequence[AcceptedRow] = ()
    read_history: Callable[[Sequence[str]], Mapping[str, StoredHistory]] = lambda symbols: {}
    refetches_left: int = MOST_REFETCHES  # falls as the sources are asked


@dataclass
class Collected:
    """What the sources answered besides bars and actions: for the quarantine, the report and `ops.fetch_state`."""

    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, dict[str, Answer]] = field(default_factory=lambda: defaultdict(dict))
    covered: dict[str, dict[str, Covered]] = field(default_factory=lambda: defaultdict(dict))
    refetched: dict[str, str] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    used_up: list[AcceptedRow] = field(default_factory=list)


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


def ask_chain(symbols: dict[str, SymbolPrices], sources: Sequence[Source], known: Knowledge) -> Collected:
    """Ask each source for what those before it missed, per symbol and session, and settle what is taken.

    The answers are left in `symbols`, and counted in the sources' tallies. A live source is asked once for a symbol,
    unless it shows a restated history: then that is asked for as a whole.
    """
    collected = Collected()
    for source in sources:
        for state in symbols.values():
            state.offers.append({})
        asked = _to_ask(symbols, source, sources, known, collected)
        if not asked:
            continue
        reply = source.fetch_prices(_wants(asked, symbols, source))
        shown, refused = _take_in(reply, asked, symbols, source, sources, known)
        collected.problems += [(source.label, problem) for problem in reply.problems]
        answers = {symbol: reply.answers[symbol] for symbol in asked}
        _count(answers, source)
        if source.is_live:
            collected.answers[source.name] |= {
                symbol: Answer(Outcome.OK)
                if symbol in shown
                else _as_remembered(answer, symbols[symbol], asked[symbol])
                for symbol, answer in answers.items()
            }
        if source.is_live:
            _judge_histories(shown, answers, symbols, source, sources, known, collected, refused)
        for symbol, answer in answers.items():
            state = symbols[symbol]
            state.answers.append((source.label, answer))
            state.queued |= state.active.role == Role.OPTION and answer.outcome == Outcome.NOT_ASKED
            state.answered_live |= source.is_live and answer.outcome == Outcome.OK
            state.choose(sources, known.today)
        if source.is_live:
            _note_coverage(asked, symbols, source, collected)
        source.tally.rejected += len(refused)
        collected.rejected += refused
    for source in sources:
        implausible = [
            _rejected_bar(bar, source.name, reason)
            for state in symbols.values()
            for bar, reason in state.implausible(source.place)
        ]
        source.tally.rejected += len(implausible)
        collected.rejected += implausible
    return collected


def _to_ask(
    symbols: dict[str, SymbolPrices],
    source: Source,
    sources: Sequence[Source],
    known: Knowledge,
    collected: Collected,
) -> dict[str, list[date]]:
    """Return the sessions to ask a source for, by symbol; why one is not asked is left among its answers."""
    earlier = {other.name for other in sources[: source.place]}
    fetch_states = known.fetch_states.get(source.name, {})
    asked: dict[str, list[date]] = {}
    for symbol, state in symbols.items():
        days = state.open_sessions(source.name, earlier)
        if days and source.is_live:
            days = state.worth_asking(days, source.overlap, fetch_states.get(symbol), known.now)
        if not days:
            continue
        if declined := source.provider.declines(symbol):
            state.declined.append((source.label, Answer(Outcome.NOT_ASKED, declined)))
        elif source.is_live and not is_due(fetch_states.get(symbol), known.now):
            state.answers.append((source.label, not_due(fetch_states[symbol])))
            source.tally.resting += 1
        else:
            asked[symbol] = days
    if asked and not source.is_up:
        left_alone = Answer(
            Outcome.NOT_ASKED, f"it did not answer for a symbol that must be there: {source.standing()}"
        )
        for symbol in asked:
            symbols[symbol].answers.append((source.label, left_alone))
        collected.problems.append((source.label, f"asked for nothing, {left_alone.detail}"))
        return {}
    return asked


def _wants(asked: dict[str, list[date]], symbols: dict[str, SymbolPrices], source: Source) -> list[Want]:
    """Return one want for each symbol, the neediest first: held now and never priced, then the longest without.

    The benchmark goes before all: the statistics of every symbol rest on it.
    """

    def need(symbol: str) -> tuple[bool, bool, date]:
        state = symbols[symbol]
        is_benchmark = state.active.role == Role.BENCHMARK
        return not is_benchmark, state.active.last < known_end, max(state.stored, default=date.min)

    known_end = max(state.active.last for state in symbols.values())
    wants = []
    for symbol in sorted(asked, key=need):
        sessions, first = symbols[symbol].sessions, asked[symbol][0]
        if source.is_live:
            first = sessions[max(0, bisect_left(sessions, first) - _LOOK_BACK)]
        wants.append(Want(symbol, first, asked[symbol][-1]))
    return wants


def _as_remembered(answer: Answer, state: SymbolPrices, asked: Sequence[date]) -> Answer:
    """Return what an answer says of the symbol: no bar for weeks is as good as not known, but for an option."""
    weeks = bisect_left(state.sessions, asked[-1]) >= _LOOK_BACK
    if answer.outcome == Outcome.NOTHING_IN_RANGE and weeks and state.active.role != Role.OPTION:
        return Answer(Outcome.NOT_FOUND, "nothing for weeks")
    return answer


def _count(answers: Mapping[str, Answer], source: Source) -> None:
    for answer in answers.values():
        if answer.outcome == Outcome.NOT_ASKED:
            source.tally.waiting += 1
        else:
            source.tally.asked += 1
            source.tally.got += answer.outcome == Outcome.OK


def _note_coverage(
    asked: dict[str, list[date]], symbols: dict[str, SymbolPrices], source: Source, collected: Collected
) -> None:
    """Note which sessions a live source has answered about, and whether it leaves some of the older ones open."""
    for symbol, days in asked.items():
        state = symbols[symbol]
        overlap_from = state.overlap_from(source.overlap)
        gaps = any(day < overlap_from and day not in state.chosen and day not in state.stored for day in days)
        collected.covered[source.name][symbol] = Covered(days[0], days[-1], gaps)


def _take_in(
    reply: PriceReply,
    asked: dict[str, list[date]],
    symbols: dict[str, SymbolPrices],
    source: Source,
    sources: Sequence[Source],
    known: Knowledge,
) -> tuple[dict[str, dict[date, Decimal]], list[RejectedRow]]:
    """Put a reply's sound rows beside what is known of their symbols.

    What was not asked for is left out, good or bad: a session that has an answer already, and actions whose ex-date
    falls on one that is another source's. Returns the sound closes of all sessions, by symbol, and the rows that are
    refused.
    """
    earlier = {other.name for other in sources[: source.place]}
    open_sessions = {symbol: frozenset(days) for symbol, days in asked.items()}
    theirs = {symbol: frozenset(symbols[symbol].open_sessions(source.name, earlier)) for symbol in asked}
    accepted = {
        (row.relation, row.symbol, row.row_date, row.reason): row.payload
        for row in known.accepted
        if row.source == source.name
    }
    refused = [
        row
        for row in reply.rejected
        if (row.symbol not in asked or row.row_date not in known.sessions or row.row_date in open_sessions[row.symbol])
        and accepted.get((row.relation, row.symbol, row.row_date, row.reason)) != row.payload
    ]
    shown: dict[str, dict[date, Decimal]] = {}
    twice = set()
    for bar in reply.bars:
        is_open = bar.price_date in open_sessions[bar.symbol]
        reason = check_bar(bar, known.sessions, known.today)
        if reason:
            row = _rejected_bar(bar, source.name, reason)
            is_accepted = accepted.get((row.relation, row.symbol, row.row_date, reason)) == row.payload
            if (is_open or bar.price_date not in known.sessions) and not is_accepted:
                refused.append(row)
            continue
        shown.setdefault(bar.symbol, {})[bar.price_date] = bar.close
        if is_open:
            offered = symbols[bar.symbol].offers[source.place]
            if offered.setdefault(bar.price_date, bar) != bar:
                twice.add((bar.symbol, bar.price_date))
                refused.append(_rejected_bar(bar, source.name, "another row of the reply has this session differently"))
    for symbol, day in twice:
        del symbols[symbol].offers[source.place][day]
    for action in combine_actions(reply.actions):
        state = symbols[action.symbol]
        if reason := check_action(action):
            refused.append(_rejected_action(action, source.name, reason))
        elif _session_of(action.ex_date, state.sessions) in theirs[action.symbol]:
            state.actions.setdefault((action.ex_date, action.action_type), (action, source.name))
    return shown, refused


def _judge_histories(
    shown: Mapping[str, Mapping[date, Decimal]],
    answers: dict[str, Answer],
    symbols: dict[str, SymbolPrices],
    source: Source,
    sources: Sequence[Source],
    known: Knowledge,
    collected: Collected,
    refused: list[RejectedRow],
) -> None:
    """Put aside what stands on another scale than what is stored, and fetch restated histories again as a whole.

    The answers of those symbols are replaced by what a person should know of them.
    """
    accepted = {
        (row.symbol, row.reason): row
        for row in known.accepted
        if row.source == source.name and "history" in row.payload
    }
    restated: dict[str, Judgement] = {}
    for symbol, closes in shown.items():
        state = symbols[symbol]
        judgement = state.judge(source, sources, closes)
        if judgement.kind == Kind.TAKE:
            continue
        acceptance = accepted.get((symbol, judgement.reason))
        if judgement.kind == Kind.REFETCH or acceptance:
            restated[symbol] = judgement
        else:
            state.take_back(source)
            answers[symbol] = Answer(Outcome.BAD_DATA, judgement.reason)
            refused.append(_rejected_history(state, source, closes, judgement.reason))
    for symbol in list(restated)[known.refetches_left :]:
        symbols[symbol].take_back(source)
        answers[symbol] = Answer(Outcome.NOT_ASKED, "restated, to be fetched again as a whole on a later night")
        collected.postponed.append(symbol)
        del restated[symbol]
    known.refetches_left -= len(restated)
    if restated:
        _refetch(restated, answers, symbols, source, sources, known, collected, refused)
        collected.used_up += [
            row
            for (symbol, reason), row in accepted.items()
            if symbol in collected.refetched and restated[symbol].reason == reason
        ]


def _refetch(
    restated: Mapping[str, Judgement],
    answers: dict[str, Answer],
    symbols: dict[str, SymbolPrices],
    source: Source,
    sources: Sequence[Source],
    known: Knowledge,
    collected: Collected,
    refused: list[RejectedRow],
) -> None:
    """Ask for all that is stored of these symbols from this source, to replace it."""
    earlier = {other.name for other in sources[: source.place]}
    histories = known.read_history(list(restated))
    asked: dict[str, list[date]] = {}
    offered_before = {}
    for symbol in restated:
        state = symbols[symbol]
        offered_before[symbol] = state.take_back(source)
        state.stored, state.stored_actions = histories[symbol]
        first = min((day for day, bar in state.stored.items() if bar.source == source.name), default=date.max)
        start = bisect_left(known.calendar, min(first, state.sessions[0]))
        state.sessions = known.calendar[start : bisect_right(known.calendar, state.active.last)]
        asked[symbol] = state.open_sessions(source.name, earlier)
    wants = [Want(symbol, days[0], days[-1]) for symbol, days in asked.items()]
    reply = source.fetch_prices(wants)
    _, newly_refused = _take_in(reply, asked, symbols, source, sources, known)
    refused += newly_refused
    collected.problems += [(source.label, problem) for problem in reply.problems]
    for symbol, judgement in restated.items():
        state, answer = symbols[symbol], reply.answers[symbol]
        if answer.outcome == Outcome.OK and offered_before[symbol].keys() <= state.offers[source.place].keys():
            state.refetched = (source.place, judgement.reason)
            collected.refetched[symbol] = judgement.reason
        else:
            # All of it or nothing: half a history would stand on one scale and half on another.
            state.take_back(source)
            answers[symbol] = Answer(answer.outcome, f"{judgement.reason}, and the whole could not be fetched")
            collected.postponed.append(symbol)


def wanted_sessions(active: ActiveSymbol, calendar: Sequence[date]) -> Sequence[date]:
    """Return the sessions of a calendar, in order, that a symbol is needed for."""
    return calendar[bisect_left(calendar, active.first) : bisect_right(calendar, active.last)]


def _session_of(day: date, sessions: Sequence[date]) -> date | None:
    place = bisect_left(sessions, day)
    return sessions[place] if place < len(sessions) else None


def _completed(bar: PriceBar, old: StoredBar) -> PriceBar | None:
    """Return the stored bar with what it lacked, and another volume where that has changed; None where all is there."""
    prices = [new if kept is None else kept for new, kept in zip(bar[2:6], old[:4], strict=True)]
    volume = old.volume if bar.volume is None else bar.volume
    completed = PriceBar(bar.symbol, bar.price_date, *prices, volume)
    return None if completed[2:] == old[:5] else completed


def _rejected_bar(bar: PriceBar, source: str, reason: str) -> RejectedRow:
    return RejectedRow(source, "market_data_cache", bar.symbol, bar.price_date, reason, json_ready(bar._asdict()))


def _rejected_action(action: CorporateAction, source: str, reason: str) -> RejectedRow:
    return RejectedRow(source, "corporate_actions", action.symbol, action.ex_date, reason, json_ready(action._asdict()))


def _rejected_history(state: SymbolPrices, source: Source, closes: Mapping[date, Decimal], reason: str) -> RejectedRow:
    """Return the one row that stands for a reply which was put aside: its closes, beside those that are stored."""
    closes_by_day: dict[str, object] = {
        day.isoformat(): {"shown": str(close), "stored": str(state.stored[day].close) if day in state.stored else None}
        for day, close in sorted(closes.items())[-10:]
    }
    return RejectedRow(source.name, "market_data_cache", state.active.symbol, None, reason, {"history": closes_by_day})
