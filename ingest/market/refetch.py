"""Judge whole histories: what stands on another scale is put aside, what was restated is fetched again as a whole."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import date

from ingest.market.replies import sift_reply
from ingest.market.restated import FEWEST_SESSIONS, Judgement, Kind
from ingest.market.turn import Turn
from ingest.providers.base import Answer, Outcome, Want
from ingest.rows import RejectedRow


def judge_histories(turn: Turn) -> None:
    """Put aside what stands on another scale than what is stored, and fetch restated histories again as a whole.

    The answers of those symbols are replaced by what a person should know of them.
    """
    restated: dict[str, Judgement] = {}
    for symbol, closes in turn.shown.items():
        state = turn.symbols[symbol]
        judgement = state.judge(turn.source, turn.sources, closes)
        if judgement.kind == Kind.TAKE:
            continue
        row = turn.refuse_history(symbol, closes, judgement.reason)
        if judgement.kind in (Kind.REFETCH, Kind.REREAD) or turn.is_accepted(row):
            restated[symbol] = judgement
        else:
            _put_aside(turn, row, symbol)
    for symbol in list(restated)[turn.known.refetches_left :]:
        turn.symbols[symbol].take_back(turn.source)
        turn.answers[symbol] = Answer(Outcome.NOT_ASKED, "restated, to be fetched again as a whole on a later night")
        turn.collected.postponed.append(symbol)
        del restated[symbol]
    turn.known.refetches_left -= len(restated)
    if restated:
        _refetch(turn, restated)
        turn.collected.used_up += [
            row
            for (_, symbol, _, reason), row in turn.accepted.items()
            if "history" in row.payload
            and symbol in turn.collected.refetched
            and symbol in restated
            and restated[symbol].reason == reason
        ]


def judge_folder(turn: Turn) -> None:
    """Doubt what a folder holds where every close is a split's ratio away from what is stored, and no split is told.

    Against closes that were stored on their own day it is put aside; otherwise people may have mended it, and are told.
    """
    for symbol, closes in turn.shown.items():
        state = turn.symbols[symbol]
        if not state.shows_otherwise(closes):
            continue
        judgement = state.judge(turn.source, turn.sources, closes)
        if judgement.kind != Kind.PUT_ASIDE:
            continue
        row = turn.refuse_history(symbol, closes, judgement.reason)
        if turn.is_accepted(row):
            turn.collected.used_up.append(turn.accepted[row.relation, symbol, row.row_date, row.reason])
        elif len(state.own_days() & closes.keys()) >= FEWEST_SESSIONS:
            _put_aside(turn, row, symbol)
        else:
            reason = judgement.reason if judgement.reason.endswith("?") else f"{judgement.reason}."
            state.doubts.append(
                f"{reason} The closes are taken as traded: if they are adjusted for a split, write them as"
                " they were traded, and the split into actions.csv"
            )


def _put_aside(turn: Turn, row: RejectedRow, symbol: str) -> None:
    """Take nothing of what the source shows of a symbol; `row` stands for it in the quarantine."""
    turn.symbols[symbol].take_back(turn.source)
    turn.answers[symbol] = Answer(Outcome.BAD_DATA, row.reason)
    turn.refused.append(row)


def _refetch(turn: Turn, restated: Mapping[str, Judgement]) -> None:
    """Ask for all that is stored of these symbols from this source, to replace it."""
    histories = turn.known.read_history(list(restated))
    offered_before = {}
    for symbol in restated:
        state = turn.symbols[symbol]
        offered_before[symbol] = state.take_back(turn.source)
        state.stored = histories[symbol]
        first = min((day for day, bar in state.stored.items() if bar.source == turn.source.name), default=date.max)
        start = bisect_left(turn.known.calendar, min(first, state.sessions[0]))
        state.sessions = turn.known.calendar[start : bisect_right(turn.known.calendar, state.active.last)]
        turn.asked[symbol] = turn.may_answer(symbol)
    wants = [Want(symbol, turn.asked[symbol][0], turn.asked[symbol][-1]) for symbol in restated]
    again = Turn(turn.source, turn.sources, turn.symbols, turn.known, turn.collected)
    again.asked = {want.symbol: turn.asked[want.symbol] for want in wants}
    again.spans = {want.symbol: (want.first, want.last) for want in wants}
    again.replaces = {symbol: judgement.kind for symbol, judgement in restated.items()}
    reply = again.ask(wants)
    again.answers = dict(reply.answers)
    sift_reply(again, reply)
    turn.refused += again.refused
    for symbol, judgement in restated.items():
        state, answer = turn.symbols[symbol], again.answers[symbol]
        if answer.outcome == Outcome.OK and offered_before[symbol].keys() <= state.offers[turn.source.place].keys():
            state.refetched = (turn.source.place, judgement.reason)
            turn.collected.refetched[symbol] = judgement.reason
        else:
            # All of it or nothing: otherwise one half of a history would be on one scale and the other on another.
            state.take_back(turn.source)
            turn.answers[symbol] = Answer(answer.outcome, f"{judgement.reason}, and the whole could not be fetched")
            turn.collected.postponed.append(symbol)
