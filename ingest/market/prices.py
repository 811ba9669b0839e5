"""Ask the sources in turn for the bars and actions of some symbols, and settle what is to be stored."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date

from ingest.market.knowledge import Collected, Knowledge
from ingest.market.refetch import judge_histories
from ingest.market.replies import rejected_bar, take_in
from ingest.market.symbol_prices import SymbolPrices
from ingest.providers.base import Answer, Outcome, Want
from ingest.sources.fetch_state import Covered, is_due, not_due
from ingest.sources.source import Source
from ingest.universe import Role

# A live source is asked from so many sessions earlier on: it costs no more, brings splits and dividends that were
# reported late, and shows on which scale its closes stand.
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
        asked = _to_ask(symbols, source, sources, known, collected)
        if not asked:
            continue
        reply = source.fetch_prices(_wants(asked, symbols, source))
        shown, refused = take_in(reply, asked, symbols, source, sources, known)
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
            judge_histories(shown, answers, symbols, source, sources, known, collected, refused)
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
            rejected_bar(bar, source.name, reason)
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
