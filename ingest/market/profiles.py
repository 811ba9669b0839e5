"""Company profiles: the first source that has one is believed, later ones fill in what it leaves open."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from ingest.market.report import MarketDataReport
from ingest.market.store import read_profiles, write_profiles, write_rejected
from ingest.providers.base import Answer, Outcome, ProfileReply
from ingest.rows import Profile
from ingest.sources.fetch_state import PROFILE, FetchState, is_due, read_states, record_answers
from ingest.sources.source import Source
from warehouse.bulk import MergeCounts

# A live source is asked again for a profile that is older than this.
_FRESH = timedelta(days=30)


def collect_profiles(
    conn: psycopg.Connection[Any],
    sources: Sequence[Source],
    symbols: Sequence[str],
    now: datetime,
    report: MarketDataReport,
) -> None:
    """Bring the stored profiles of `symbols` up to date, and add what was done to `report`.

    Files are read each night. A live source is asked where no profile was found before it tonight and no live source
    gave one for a month. A field that no source fills tonight stays as it is stored: an answer may be partial.
    """
    ranks = {source.name: source.place for source in reversed(sources)}
    states = {source.name: read_states(conn, source.name, PROFILE, symbols) for source in sources if source.is_live}
    fresh = {symbol for known in states.values() for symbol, state in known.items() if _is_fresh(state, now)}
    found: dict[str, tuple[Profile, str]] = {}
    answers: dict[str, dict[str, Answer]] = {}
    rejected = []
    for source in sources:
        if source.is_live:
            asked = _worth_asking(source, symbols, fresh | found.keys(), states[source.name], now)
        else:
            asked = [symbol for symbol in symbols if symbol not in found or None in found[symbol][0]]
        # If a source is not up, this was reported when it was asked for prices.
        if not asked or (source.is_live and not source.is_up):
            continue
        reply = source.fetch_profiles(asked)
        source.tally.rejected = (source.tally.rejected or 0) + len(reply.rejected)
        for profile in reply.profiles:
            first, first_source = found.get(profile.symbol, (profile, source.name))
            found[profile.symbol] = (fill_in(first, profile), first_source)
        rejected += reply.rejected
        report.problems += [(source.label, problem) for problem in reply.problems]
        if source.is_live:
            answers[source.name] = _answers(reply, asked)
    changed = []
    # In one transaction, because a source whose answer is on record is not asked again for a month.
    with conn.transaction():
        for source_name, given in answers.items():
            record_answers(conn, source_name, PROFILE, given, now)
        stored = read_profiles(conn, symbols)
        for symbol, (profile, source_name) in found.items():
            kept, kept_source = stored.get(symbol, (profile, source_name))
            # A later source in the chain may complete what an earlier one has said, but not contradict it.
            if ranks.get(kept_source, len(ranks)) < ranks[source_name]:
                profile, source_name = fill_in(kept, profile), kept_source
            else:
                profile = fill_in(profile, kept)
            if symbol not in stored or profile != kept:
                changed.append((profile, source_name))
        counts = write_profiles(conn, changed)
        report.newly_rejected += write_rejected(conn, rejected)
    report.rejected += rejected
    report.profiles += MergeCounts(len(found), counts.inserted, counts.updated, len(found) - len(changed))


def fill_in(profile: Profile, other: Profile) -> Profile:
    """Return `profile` with what it leaves open taken from `other`."""
    return Profile._make(mine if mine is not None else theirs for mine, theirs in zip(profile, other, strict=True))


def _is_fresh(state: FetchState, now: datetime) -> bool:
    return state.last_success_at is not None and now - state.last_success_at < _FRESH


def _answers(reply: ProfileReply, asked: Sequence[str]) -> dict[str, Answer]:
    answers = dict.fromkeys((profile.symbol for profile in reply.profiles), Answer(Outcome.OK))
    silence = {} if reply.problems else dict.fromkeys(asked, Answer(Outcome.NOT_FOUND))
    return silence | reply.answers | answers


def _worth_asking(
    source: Source,
    symbols: Sequence[str],
    had: Collection[str],
    states: Mapping[str, FetchState],
    now: datetime,
) -> list[str]:
    return [
        symbol
        for symbol in symbols
        if symbol not in had and is_due(states.get(symbol), now) and not source.provider.declines(symbol)
    ]
