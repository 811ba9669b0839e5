"""Ask the sources in turn for the bars and actions of some symbols, and settle what is to be stored."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from ingest.market.knowledge import Collected, Knowledge
from ingest.market.refetch import judge_folder, judge_histories
from ingest.market.replies import sift_reply
from ingest.market.symbol_prices import SymbolPrices
from ingest.market.turn import Turn, rejected_bar, rejected_history
from ingest.providers.base import Answer, Outcome, Want
from ingest.rows import RejectedRow
from ingest.sources.fetch_state import Covered, is_due, not_due
from ingest.sources.source import Source
from ingest.universe import Role

# A live source is asked for this many earlier sessions as well. That costs no more, brings splits and dividends that
# were reported late, and shows the scale of its closes.
_LOOK_BACK = 30


def ask_chain(symbols: dict[str, SymbolPrices], sources: Sequence[Source], known: Knowledge) -> Collected:
    """Ask each source for what those before it missed, per symbol and session, and settle what is taken.

    The answers are left in `symbols`, and counted in the sources' tallies. A live source is asked once for a symbol,
    unless it shows a restated history: then that is asked for as a whole.
    """
    collected = Collected()
    for source in sources:
        for state in symbols.values():
            state.offers.append({})
        turn = Turn(source, sources, symbols, known, collected)
        _choose_what_to_ask(turn)
        if turn.asked:
            _ask(turn)
    refused = [*_returned(symbols, sources, known), *_implausible(symbols, sources)]
    for place, row in refused:
        sources[place].tally.rejected = (sources[place].tally.rejected or 0) + 1
        collected.rejected.append(row)
    return collected


def _ask(turn: Turn) -> None:
    source, collected = turn.source, turn.collected
    wants = _wants(turn)
    turn.spans = {want.symbol: (want.first, want.last) for want in wants}
    reply = turn.ask(wants)
    turn.answers = {symbol: reply.answers[symbol] for symbol in turn.asked}
    remembered = dict(turn.answers)
    _count(turn)
    sift_reply(turn, reply)
    if source.is_live:
        collected.answers[source.name] |= {
            symbol: Answer(Outcome.OK)
            if symbol in turn.shown
            else _as_remembered(answer, turn.symbols[symbol], turn.asked[symbol])
            for symbol, answer in remembered.items()
        }
        judge_histories(turn)
    else:
        judge_folder(turn)
    for symbol, answer in turn.answers.items():
        state = turn.symbols[symbol]
        state.answers.append((source.label, answer))
        state.queued |= state.active.role == Role.OPTION and answer.outcome == Outcome.NOT_ASKED
        state.answered_live |= source.is_live and answer.outcome == Outcome.OK
        state.choose(turn.sources, turn.known.today)
    if source.is_live:
        _record_coverage(turn)
    source.tally.rejected = (source.tally.rejected or 0) + len(turn.refused)
    collected.rejected += turn.refused


def _returned(
    symbols: Mapping[str, SymbolPrices], sources: Sequence[Source], known: Knowledge
) -> Iterator[tuple[int, RejectedRow]]:
    """Put aside what comes back after a long silence, and return a row for each such symbol."""
    accepted = {(row.source, row.symbol, row.reason) for row in known.accepted if "history" in row.payload}
    for symbol, state in symbols.items():

        def is_accepted(place: int, reason: str, symbol: str = symbol) -> bool:
            return (sources[place].name, symbol, reason) in accepted

        closes = {day: state.offers[place][day].close for day, place in state.chosen.items()}
        if found := state.put_returned_aside(is_accepted=is_accepted):
            place, reason = found
            put_aside = {day: close for day, close in closes.items() if day not in state.chosen}
            state.answers.append((sources[place].label, Answer(Outcome.BAD_DATA, reason)))
            yield place, rejected_history(state, sources[place].name, put_aside, reason)


def _implausible(symbols: Mapping[str, SymbolPrices], sources: Sequence[Source]) -> Iterator[tuple[int, RejectedRow]]:
    for source in sources:
        for state in symbols.values():
            for bar, reason in state.implausible(source.place):
                yield source.place, rejected_bar(bar, source.name, reason)


def _choose_what_to_ask(turn: Turn) -> None:
    """Note the sessions to ask a source for, by symbol; why one is not asked is left among its answers."""
    source, known = turn.source, turn.known
    fetch_states = known.fetch_states.get(source.name, {})
    asked: dict[str, list[date]] = {}
    for symbol, state in turn.symbols.items():
        days = turn.may_answer(symbol)
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
    # The readers of a folder's files report themselves what is wrong with each file, by name.
    if asked and source.is_live and not source.is_up:
        left_alone = Answer(
            Outcome.NOT_ASKED, f"it did not answer for a symbol that must be there: {source.standing()}"
        )
        for symbol in asked:
            turn.symbols[symbol].answers.append((source.label, left_alone))
        turn.collected.problems.append((source.label, f"asked for nothing, {left_alone.detail}"))
        return
    turn.asked = asked


def _wants(turn: Turn) -> list[Want]:
    """Return one want for each symbol, the neediest first: held now and never priced, then the longest without.

    The benchmark goes before all: the statistics of every symbol rest on it.
    """

    def need(symbol: str) -> tuple[bool, bool, date]:
        state = turn.symbols[symbol]
        is_benchmark = state.active.role == Role.BENCHMARK
        return not is_benchmark, state.active.last < known_end, max(state.stored, default=date.min)

    known_end = max(state.active.last for state in turn.symbols.values())
    wants = []
    for symbol in sorted(turn.asked, key=need):
        sessions, days = turn.symbols[symbol].sessions, turn.asked[symbol]
        first = days[0]
        if turn.source.is_live:
            first = sessions[max(0, bisect_left(sessions, first) - _LOOK_BACK)]
        wants.append(Want(symbol, first, days[-1]))
    return wants


def _as_remembered(answer: Answer, state: SymbolPrices, asked: Sequence[date]) -> Answer:
    """Return what an answer says of the symbol: no bar for weeks is as good as not known, but for an option."""
    weeks = bisect_left(state.sessions, asked[-1]) >= _LOOK_BACK
    if answer.outcome == Outcome.NOTHING_IN_RANGE and weeks and state.active.role != Role.OPTION:
        return Answer(Outcome.NOT_FOUND, "nothing for weeks")
    return answer


def _count(turn: Turn) -> None:
    for answer in turn.answers.values():
        if answer.outcome == Outcome.NOT_ASKED:
            turn.source.tally.waiting += 1
        else:
            turn.source.tally.asked += 1
            turn.source.tally.got += answer.outcome == Outcome.OK


def _record_coverage(turn: Turn) -> None:
    """Record which sessions a live source has answered about, and whether it leaves some of the older ones open."""
    for symbol, days in turn.asked.items():
        state = turn.symbols[symbol]
        overlap_from = state.overlap_from(turn.source.overlap)
        gaps = any(day < overlap_from and day not in state.chosen and day not in state.stored for day in days)
        turn.collected.covered[turn.source.name][symbol] = Covered(days[0], days[-1], gaps)
