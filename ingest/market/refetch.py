"""Judge whole histories: what stands on another scale is put aside, what was restated is fetched again as a whole."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from ingest.market.knowledge import Collected, Knowledge
from ingest.market.replies import take_in
from ingest.market.restated import Judgement, Kind
from ingest.market.symbol_prices import SymbolPrices
from ingest.providers.base import Answer, Outcome, Want
from ingest.rows import RejectedRow
from ingest.sources.source import Source


def judge_histories(
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
    _, newly_refused = take_in(reply, asked, symbols, source, sources, known)
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


def _rejected_history(state: SymbolPrices, source: Source, closes: Mapping[date, Decimal], reason: str) -> RejectedRow:
    """Return the one row that stands for a reply which was put aside: its closes, beside those that are stored."""
    closes_by_day: dict[str, object] = {
        day.isoformat(): {"shown": str(close), "stored": str(state.stored[day].close) if day in state.stored else None}
        for day, close in sorted(closes.items())[-10:]
    }
    return RejectedRow(source.name, "market_data_cache", state.active.symbol, None, reason, {"history": closes_by_day})
