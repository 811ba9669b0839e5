"""Company profiles: the first source that has one is believed, later ones fill in what it leaves open."""

import time
from collections.abc import Sequence
from typing import Any

import psycopg

from ingest.market_report import MarketDataReport
from ingest.market_store import read_profiles, write_profiles, write_rejected
from ingest.providers.base import Provider
from ingest.rows import Profile
from warehouse.bulk import MergeCounts


def collect_profiles(
    conn: psycopg.Connection[Any], providers: Sequence[Provider], symbols: Sequence[str], report: MarketDataReport
) -> None:
    """Bring the stored profiles of `symbols` up to date, and add what was done to `report`.

    A field that no source fills tonight stays as it is stored: an answer may be partial.
    """
    ranks = {provider.name: place for place, provider in reversed(list(enumerate(providers)))}
    found: dict[str, tuple[Profile, str]] = {}
    rejected = []
    for provider, tally in zip(providers, report.providers, strict=True):
        incomplete = [symbol for symbol in symbols if symbol not in found or None in found[symbol][0]]
        started = time.monotonic()
        reply = provider.fetch_profiles(incomplete)
        tally.seconds += time.monotonic() - started
        tally.rejected += len(reply.rejected)
        for profile in reply.profiles:
            first, source = found.get(profile.symbol, (profile, provider.name))
            found[profile.symbol] = (fill_in(first, profile), source)
        rejected += reply.rejected
        report.problems += [(provider.label, problem) for problem in reply.problems]
    changed = []
    with conn.transaction():
        stored = read_profiles(conn, symbols)
        for symbol, (profile, source) in found.items():
            kept, kept_source = stored.get(symbol, (profile, source))
            # A source further down the chain may complete what an earlier one has said, not contradict it.
            if ranks.get(kept_source, len(ranks)) < ranks[source]:
                profile, source = fill_in(kept, profile), kept_source
            else:
                profile = fill_in(profile, kept)
            if symbol not in stored or profile != kept:
                changed.append((profile, source))
        counts = write_profiles(conn, changed)
        report.newly_rejected += write_rejected(conn, rejected)
    report.rejected += rejected
    report.profiles += MergeCounts(len(found), counts.inserted, counts.updated, len(found) - len(changed))


def fill_in(profile: Profile, other: Profile) -> Profile:
    """Return `profile` with what it leaves open taken from `other`."""
    return Profile(*(mine if mine is not None else theirs for mine, theirs in zip(profile, other, strict=True)))
