"""What funds hold, by sector: which weights are believed, and those of the book's funds brought up to date.

A set of weights is of a fund and a day. What a person has said of a fund stands, and no source is asked about it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from ingest.market.report import MarketDataReport
from ingest.market.settlement import PERSON
from ingest.market.store import read_profiles, write_rejected
from ingest.providers.base import Answer, FundSectorsReply
from ingest.rows import RejectedRow, SectorWeight
from ingest.sources.fetch_state import FUND_SECTORS, FetchState, is_due, read_states, record_answers
from ingest.sources.source import Source
from warehouse.bulk import MergeCounts, merge_rows

# A live source is asked again for a fund's sectors when they are older than this.
_FRESH = timedelta(days=30)
_FUNDS = frozenset({"ETF", "MUTUALFUND", "FUND"})
# Sources round, so a sum of weights up to this is accepted.
_MOST = Decimal("1.02")

Weights = dict[str, Decimal]


class SectorSet(NamedTuple):
    """The sectors of a fund on a day (None: the source does not say), by name, and who says so."""

    symbol: str
    as_of: date | None
    weights: Weights
    source: str


def sets_of(weights: Iterable[SectorWeight], source: str) -> list[SectorSet]:
    """Gather weights into sets; those of one name are added up."""
    sets: dict[tuple[str, date | None], Weights] = {}
    for row in weights:
        of_set = sets.setdefault((row.symbol, row.as_of), {})
        of_set[row.sector] = of_set.get(row.sector, Decimal(0)) + row.weight
    return [SectorSet(symbol, as_of, of_set, source) for (symbol, as_of), of_set in sets.items()]


def problem_of(weights: Mapping[str, Decimal]) -> str | None:
    """Return why a set of weights cannot be true, None where nothing speaks against it."""
    if negative := [sector for sector, weight in weights.items() if weight < 0]:
        return f"the weight of {min(negative)} is negative"
    if sum(weights.values()) > _MOST:
        return "its weights add up to more than the whole fund"
    return None


def collect_fund_sectors(
    conn: psycopg.Connection[Any],
    sources: Sequence[Source],
    symbols: Sequence[str],
    today: date,
    now: datetime,
    report: MarketDataReport,
) -> None:
    """Bring the stored sectors of the funds among `symbols` up to date, and add what was done to `report`.

    Files are read each night, and their sets replace those that they gave before. A live source is asked of funds
    (by their stored profile) for which no source before it has any, once a month; what it says is of `today`, and
    stored where it differs from what was known by then. A source further down the chain adds nothing to one before it.
    """
    sources = [source for source in sources if source.knows_funds]
    ranks = {source.name: source.place for source in reversed(sources)}
    stored = _read_latest(conn, symbols)
    profiles = read_profiles(conn, symbols)
    funds = [symbol for symbol, (profile, _) in profiles.items() if (profile.quote_type or "").upper() in _FUNDS]
    states = {source.name: read_states(conn, source.name, FUND_SECTORS, funds) for source in sources if source.is_live}
    fresh = {symbol for known in states.values() for symbol, state in known.items() if _is_fresh(state, now)}
    found: dict[str, list[SectorSet]] = {}
    answers: dict[str, dict[str, Answer]] = {}
    rejected: list[RejectedRow] = []
    for source in sources:
        asked = symbols
        if source.is_live:
            due = [symbol for symbol in funds if symbol not in fresh and is_due(states[source.name].get(symbol), now)]
            asked = [symbol for symbol in due if not source.provider.declines(symbol)]
        asked = [symbol for symbol in asked if symbol not in found and _may_tell(source, stored.get(symbol), ranks)]
        # If a source is not up, this was reported when it was asked for prices.
        if not asked or (source.is_live and not source.is_up):
            continue
        reply = source.fetch_fund_sectors(asked)
        sound, refused = _judge(reply, source.name, today)
        for each in sound:
            found.setdefault(each.symbol, []).append(each)
        rejected += [*reply.rejected, *refused]
        source.tally.rejected = (source.tally.rejected or 0) + len(reply.rejected) + len(refused)
        report.problems += [(source.label, problem) for problem in reply.problems]
        if source.is_live:
            answers[source.name] = reply.answers
    with conn.transaction():
        for source_name, given in answers.items():
            record_answers(conn, source_name, FUND_SECTORS, given, now)
        for source in sources:
            told = [each for sets in found.values() for each in sets if each.source == source.name]
            if not source.is_live:
                report.fund_sectors += replace_sets(conn, told, all_of=source.name)
                continue
            news = [each for each in told if each.symbol not in stored or stored[each.symbol].weights != each.weights]
            known = sum(len(each.weights) for each in told if each not in news)
            report.fund_sectors += MergeCounts(fetched=known, unchanged=known)
            report.fund_sectors += replace_sets(conn, [each._replace(as_of=today) for each in news], all_of=None)
        report.newly_rejected += write_rejected(conn, rejected)
    report.rejected += rejected


def replace_sets(conn: psycopg.Connection[Any], sets: Sequence[SectorSet], *, all_of: str | None) -> MergeCounts:
    """Store dated sets, each as a whole, in place of all that `all_of` has said of their funds.

    In place of what a person says nothing else is kept, whoever said it; with None, only the sets of the same day go.
    """
    if not sets:
        return MergeCounts()
    return merge_rows(
        conn,
        "raw.fund_sector_weights",
        ["symbol", "as_of", "sector"],
        ["symbol", "as_of", "sector", "weight", "source"],
        ((each.symbol, each.as_of, *weight, each.source) for each in sets for weight in each.weights.items()),
        compare=["weight", "source"],
        within="(symbol, as_of) in (select * from unnest(%(symbols)s::text[], %(days)s::date[]))"
        " or (symbol = any(%(symbols)s) and %(all_of)s::text in (source, 'person'))",
        parameters={
            "symbols": [each.symbol for each in sets],
            "days": [each.as_of for each in sets],
            "all_of": all_of,
        },
    )


def _read_latest(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> dict[str, SectorSet]:
    """The latest set that is stored of each fund."""
    rows = conn.execute(
        """
        select symbol, as_of, array_agg(sector), array_agg(weight::numeric), min(source)
        from raw.fund_sector_weights
        inner join (
            select symbol, max(as_of) as as_of from raw.fund_sector_weights where symbol = any(%s) group by symbol
        ) as latest using (symbol, as_of)
        group by symbol, as_of
        """,
        [list(symbols)],
    )
    return {
        symbol: SectorSet(symbol, as_of, dict(zip(sectors, weights, strict=True)), source)
        for symbol, as_of, sectors, weights, source in rows
    }


def _may_tell(source: Source, known: SectorSet | None, ranks: Mapping[str, int]) -> bool:
    """Whether a source is believed beside what is stored: not beside a person, nor a source before it."""
    if known is None:
        return True
    return known.source != PERSON and source.place <= ranks.get(known.source, len(ranks))


def _judge(reply: FundSectorsReply, source: str, today: date) -> tuple[list[SectorSet], list[RejectedRow]]:
    """Part the sets that may be stored from those that cannot be true."""
    sound, refused = [], []
    for each in sets_of(reply.weights, source):
        in_the_future = "in the future" if each.as_of and each.as_of > today else None
        if reason := problem_of(each.weights) or in_the_future:
            payload: dict[str, object] = {sector: str(weight) for sector, weight in each.weights.items()}
            refused.append(RejectedRow(source, "fund_sector_weights", each.symbol, each.as_of, reason, payload))
        else:
            sound.append(each)
    return sound, refused


def _is_fresh(state: FetchState, now: datetime) -> bool:
    return state.last_success_at is not None and now - state.last_success_at < _FRESH
