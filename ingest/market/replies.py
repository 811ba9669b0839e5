"""Put what a source replied beside what is known: sound rows are offered as they were traded, the others refused."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from ingest.market.as_traded import as_traded_action, as_traded_bar
from ingest.market.evidence import (
    KnownClose,
    Reading,
    SplitEvent,
    group_splits,
    read_as_traded,
    read_restated,
)
from ingest.market.restated import Kind
from ingest.market.row_rules import NOT_A_SESSION, check_action, check_bar, leave_out_contradictions
from ingest.market.symbol_prices import SymbolPrices
from ingest.market.turn import Turn
from ingest.providers.base import Answer, Outcome, PriceReply, Restating
from ingest.rows import SPLIT, CorporateAction, PriceBar

# An instrument that trades around the clock has bars of many days without a session. Up to this many are a slip.
_SLIPS = 2


def sift_reply(turn: Turn, reply: PriceReply) -> None:
    """Put a reply's sound rows beside what is known of their symbols.

    What was not asked for is left out, good or bad: a session that has an answer already, and actions whose ex-date
    falls on one that is another source's. Where the closes agree with no reading of the splits that are told, nothing
    of the symbol is taken.
    """
    open_sessions = {symbol: frozenset(days) for symbol, days in turn.asked.items()}
    turn.refused += [
        row
        for row in reply.rejected
        if (
            row.symbol not in turn.asked
            or row.row_date not in turn.known.sessions
            or row.row_date in open_sessions[row.symbol]
        )
        and not turn.is_accepted(row)
    ]
    bars: defaultdict[str, list[PriceBar]] = defaultdict(list)
    for bar in reply.bars:
        bars[bar.symbol].append(bar)
    told: defaultdict[str, list[CorporateAction]] = defaultdict(list)
    for action in dict.fromkeys(reply.actions):
        if reason := check_action(action):
            turn.refused.append(turn.refuse_action(action, reason))
        else:
            told[action.symbol].append(action)
    for symbol in turn.spans:
        if reply.answers[symbol].outcome == Outcome.OK or bars[symbol] or told[symbol]:
            _take_symbol(turn, symbol, bars[symbol], told[symbol], reply.restated.get(symbol))
        if symbol in reply.first_traded:
            turn.symbols[symbol].first_traded = reply.first_traded[symbol]


def _take_symbol(
    turn: Turn,
    symbol: str,
    bars: Sequence[PriceBar],
    told: Sequence[CorporateAction],
    restated: Sequence[Restating] | None,
) -> None:
    state = turn.symbols[symbol]
    told = _of_its_sessions(turn, state, told)
    closes = {
        bar.price_date: bar.close
        for bar in bars
        if bar.close.is_finite() and bar.close > 0 and bar.price_date in turn.known.sessions
    }
    readings = _read(turn, state, closes, told, restated)
    aside = next((reading.aside for _, reading in readings if reading.aside), None)
    if aside:
        aside = aside.replace("SYMBOL", symbol)
        row = turn.refuse_history(symbol, closes, aside)
        if not turn.is_accepted(row):
            turn.refused.append(row)
            turn.answers[symbol] = Answer(Outcome.BAD_DATA, aside)
            state.record_refused(turn.source.name, told, aside)
            return
    if restated is not None:
        bars = [_as_traded(bar, readings) for bar in bars]
        told = [_action_as_traded(action, readings) for action in told]
    _offer(turn, state, bars)
    shown_on = [found for _, reading in readings for found in reading.dates.items()]
    dates = {day: proven for event, proven in shown_on for day in event.dates}
    took_place = {proven for event, proven in shown_on if event.one_of_several}
    state.unproven += [split for _, reading in readings for split in reading.unproven]
    state.record_told(turn.source.name, told, turn.spans[symbol], dates, turn.known.now, took_place)


def _of_its_sessions(turn: Turn, state: SymbolPrices, told: Iterable[CorporateAction]) -> list[CorporateAction]:
    """Return the actions of sessions that are the source's to tell; those that nobody tells are nobody else's."""
    theirs = frozenset(turn.may_answer(state.active.symbol))
    mine = {(claim.action.ex_date, claim.action.action_type) for claim in state.claims_of(turn.source.name)}
    return [
        action
        for action in told
        if _session_of(action.ex_date, state.sessions) in theirs or (action.ex_date, action.action_type) in mine
    ]


def _read(
    turn: Turn,
    state: SymbolPrices,
    closes: dict[date, Decimal],
    told: Sequence[CorporateAction],
    restated: Sequence[Restating] | None,
) -> list[tuple[Restating | None, Reading]]:
    """Find out what the closes say of the splits that are told, for each span that has its own."""
    own_days = state.own_days(action.ex_date for action in told if action.action_type == SPLIT)
    known = {
        day: KnownClose(bar.close, day in own_days, bar.came_on if bar.source == turn.source.name else None)
        for day, bar in state.stored.items()
    }
    if state.active.symbol in turn.replaces:
        # Closes that will be replaced prove nothing. But if a split was dated wrongly, closes of their own day count.
        known = {day: known[day] for day in own_days} if turn.replaces[state.active.symbol] == Kind.REREAD else {}
    calendar = turn.known.calendar
    if restated is None:
        splits = [(action.ex_date, action.value) for action in told if action.action_type == SPLIT]
        events = _events(state, splits)
        return [(None, read_as_traded(closes, events, known, calendar))]
    readings: list[tuple[Restating | None, Reading]] = []
    for span in restated:
        of_span = {day: close for day, close in closes.items() if span.first <= day <= span.last}
        past = [action for action in span.splits if action.ex_date <= turn.known.today]
        splits = [(action.ex_date, action.value) for action in past if action.action_type == SPLIT]
        no_shares = [(action.ex_date, action.value) for action in past if action.action_type != SPLIT]
        events = _events(state, splits, min(of_span, default=None))
        events += group_splits(no_shares, calendar, shares=False)
        readings.append((span, read_restated(of_span, events, known, calendar)))
    return readings


def _events(state: SymbolPrices, told: Sequence[tuple[date, Decimal]], since: date | None = None) -> list[SplitEvent]:
    """Return the splits that are told or believed, each once, with what a person says of it.

    `since` is the first day of closes that are restated for what their source does not tell as well.
    """
    events = []
    believed = [(action.ex_date, action.value) for action in state.settled.splits]
    by_person = {action.ex_date for action, source in state.settled.actions.values() if source == "person"}
    used = set()
    dismissed = {day for day, ratio in told if day in state.took_place and state.word_on(ratio, [day]) == "dismissed"}
    events += [SplitEvent(ratio, (day,), shares=False) for day, ratio in told if day in dismissed]
    told = [(day, ratio) for day, ratio in told if day not in dismissed]
    for event in group_splits(told, state.calendar):
        word = state.word_on(event.ratio, event.dates)
        same = [each for each in believed if any(state.same_split(each, (day, event.ratio)) for day in event.dates)]
        used.update(same)
        if word == "dismissed":
            events.append(SplitEvent(event.ratio, event.dates, shares=False))
        elif persons := [day for day, _ in same if day in by_person]:
            events += [SplitEvent(event.ratio, (day,), certain=True) for day in persons]
        else:
            dates = dict.fromkeys([*event.dates, *(day for day, _ in same)])
            events.append(SplitEvent(event.ratio, tuple(dates), took_place=state.took_place))
    if since is not None:
        events += [
            SplitEvent(ratio, (day,), certain=day in by_person, told=False)
            for day, ratio in believed
            if day > since and (day, ratio) not in used
        ]
    return events


def _as_traded(bar: PriceBar, readings: Sequence[tuple[Restating | None, Reading]]) -> PriceBar:
    for span, reading in readings:
        if span is None or span.first <= bar.price_date <= span.last:
            return as_traded_bar(bar, reading.factor()(bar.price_date))
    return bar


def _action_as_traded(action: CorporateAction, readings: Sequence[tuple[Restating | None, Reading]]) -> CorporateAction:
    for span, reading in readings:
        if span is None or span.first <= action.ex_date <= span.last:
            return as_traded_action(action, reading.factor()(action.ex_date))
    return action


def _offer(turn: Turn, state: SymbolPrices, bars: Iterable[PriceBar]) -> None:
    """Check each bar, and offer what is sound of the sessions that the source was asked for."""
    symbol = state.active.symbol
    open_sessions = frozenset(turn.asked[symbol])
    offered = state.offers[turn.source.place]
    twice = set()
    without_session = []
    for each in bars:
        bar, left_out = leave_out_contradictions(each)
        reason = check_bar(bar, turn.known.sessions, turn.known.today)
        is_open = bar.price_date in open_sessions
        if reason:
            row = turn.refuse_bar(bar, reason)
            if reason == NOT_A_SESSION:
                without_session.append(row)
            elif (is_open or bar.price_date not in turn.known.sessions) and not turn.is_accepted(row):
                turn.refused.append(row)
            continue
        turn.shown[symbol][bar.price_date] = bar.close
        if is_open:
            state.left_out += left_out if bar.price_date not in state.stored else Counter()
            if offered.setdefault(bar.price_date, bar) != bar:
                twice.add(bar.price_date)
                turn.refused.append(turn.refuse_bar(bar, "another row of the reply has this session differently"))
    for day in twice:
        del offered[day]
    if len(without_session) <= _SLIPS:
        turn.refused += [row for row in without_session if not turn.is_accepted(row)]
    else:
        turn.collected.without_session[symbol] += len(without_session)


def _session_of(day: date, sessions: Sequence[date]) -> date | None:
    place = bisect_left(sessions, day)
    return sessions[place] if place < len(sessions) else None
