"""What each live source was asked about a symbol: a source that has nothing is asked less and less often."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from ingest.providers.base import Answer, Outcome
from warehouse.bulk import merge_rows

PRICES = "prices"
PROFILE = "profile"
FUNDAMENTALS = "fundamentals"
FUND_SECTORS = "fund sectors"

# Days until a source is asked again for something it did not have: after the first time, the second, and so on.
BACKOFF_DAYS = (1, 3, 7, 30)
# A night may begin somewhat earlier than the one before.
_SLACK = timedelta(hours=6)

# Outcomes that say that a source has nothing. For prices, an empty range is an answer, because a symbol may not have
# traded.
_FAILURES = {Outcome.NOT_FOUND, Outcome.NOTHING_IN_RANGE, Outcome.BAD_DATA}
_PRICE_FAILURES = _FAILURES - {Outcome.NOTHING_IN_RANGE}


@dataclass(frozen=True, slots=True)
class FetchState:
    """One source's record of one symbol and kind. Times have their zone; a field is None where there is none.

    `answered_from` to `answered_through` are the sessions that it has answered about, whether it had a price or not;
    those it had none of (gaps) are asked for again from `gaps_due_at` on.
    """

    symbol: str
    consecutive_failures: int = 0
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    next_attempt_at: datetime | None = None
    reason: str | None = None
    answered_from: date | None = None
    answered_through: date | None = None
    gap_attempts: int = 0
    gaps_due_at: datetime | None = None


class Covered(NamedTuple):
    """The sessions that an answer is about, and whether it leaves gaps among them that it was asked to fill."""

    first: date
    last: date
    gaps: bool


_COLUMNS = [field.name for field in fields(FetchState)]


def is_due(state: FetchState | None, now: datetime) -> bool:
    """Whether a source may be asked for a symbol again: it has not failed to have it, or long enough ago."""
    return state is None or state.next_attempt_at is None or state.next_attempt_at <= now


def not_due(state: FetchState) -> Answer:
    """Return the answer that stands for a source which is not asked because of what it answered before."""
    nights = f"on {state.consecutive_failures} nights" if state.consecutive_failures > 1 else "on one night"
    return Answer(Outcome.NOT_ASKED, f"{state.reason} {nights}, asked again from {state.next_attempt_at:%Y-%m-%d}")


def after(state: FetchState, answer: Answer, kind: str, now: datetime, covered: Covered | None = None) -> FetchState:
    """Return the state after an answer; one that tells of trouble and not of the symbol changes nothing."""
    if answer.outcome in (_PRICE_FAILURES if kind == PRICES else _FAILURES):
        failures = state.consecutive_failures + 1
        return replace(
            state,
            consecutive_failures=failures,
            last_attempt_at=now,
            next_attempt_at=_again(failures, now),
            reason=str(answer),
        )
    if answer.outcome not in (Outcome.OK, Outcome.NOTHING_IN_RANGE):
        return state
    answered = replace(
        state, consecutive_failures=0, last_attempt_at=now, last_success_at=now, next_attempt_at=None, reason=None
    )
    return _covering(answered, covered, now) if covered else answered


def read_states(
    conn: psycopg.Connection[Any], source: str, kind: str, symbols: Collection[str]
) -> dict[str, FetchState]:
    """Return what is known of these symbols, by symbol; one that was never asked for is not among them."""
    query = f"select {', '.join(_COLUMNS)} from ops.fetch_state where source = %s and kind = %s and symbol = any(%s)"
    return {row[0]: FetchState(*row) for row in conn.execute(query, [source, kind, list(symbols)])}


def record_answers(
    conn: psycopg.Connection[Any],
    source: str,
    kind: str,
    answers: Mapping[str, Answer],
    now: datetime,
    covered: Mapping[str, Covered] | None = None,
) -> None:
    """Keep what a source answered; only for a source whose probe was fine, since "not found" is believed.

    Args:
        conn: where `ops` is.
        source: its name.
        kind: PRICES, PROFILE, FUNDAMENTALS or FUND_SECTORS.
        answers: by symbol; those that tell of trouble with the source leave no trace.
        now: when it was asked.
        covered: of prices, which sessions were asked for.
    """
    known = read_states(conn, source, kind, answers.keys())
    changed = []
    for symbol, answer in answers.items():
        old = known.get(symbol, FetchState(symbol))
        new = after(old, answer, kind, now, (covered or {}).get(symbol))
        if new != old:
            changed.append((source, kind, *(getattr(new, name) for name in _COLUMNS)))
    if changed:
        merge_rows(conn, "ops.fetch_state", ["source", "kind", "symbol"], ["source", "kind", *_COLUMNS], changed)


def forget_failures_of_new_lots(conn: psycopg.Connection[Any]) -> None:
    """Have every source asked again for the symbols of lots that the open transaction has inserted or changed.

    Whoever loads a lot anew expects a price: what a source did not have before tells nothing of tonight.
    """
    conn.execute(
        "delete from ops.fetch_state as state using raw.position_terms as lot"
        " where lot.loaded_at = now() and lot.deleted_at is null"
        " and state.symbol in (lot.symbol, lot.underlying_symbol)"
        " and (state.next_attempt_at is not null or state.gaps_due_at is not null)"
    )


def _again(times: int, now: datetime) -> datetime:
    return now + timedelta(days=BACKOFF_DAYS[min(times, len(BACKOFF_DAYS)) - 1]) - _SLACK


def _covering(state: FetchState, covered: Covered, now: datetime) -> FetchState:
    first, last = covered.first, covered.last
    # Two spans of answered sessions become one only if they touch. A gap of a week contains a session.
    week = timedelta(days=7)
    if state.answered_from and first <= state.answered_through + week and last >= state.answered_from - week:
        first, last = min(first, state.answered_from), max(last, state.answered_through)
    state = replace(state, answered_from=first, answered_through=last)
    if not covered.gaps:
        return state
    attempts = state.gap_attempts + 1
    return replace(state, gap_attempts=attempts, gaps_due_at=_again(attempts, now))
