"""Phase 1, market data collection: prices, splits, dividends, profiles and what funds hold, of active symbols."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import psycopg

from ingest.market.claims import adopt_stored, read_claims, store_settled, write_claims
from ingest.market.fund_sectors import collect_fund_sectors
from ingest.market.knowledge import MOST_REFETCHES, Knowledge
from ingest.market.prices import ask_chain
from ingest.market.profiles import collect_profiles
from ingest.market.ratios import as_written
from ingest.market.report import MarketDataReport, MissedSymbol
from ingest.market.settlement import ENDS_OF_A_SYMBOL
from ingest.market.store import (
    forget_used_acceptances,
    read_accepted,
    read_bars,
    read_dismissed,
    read_history,
    write_bars,
    write_rejected,
    write_restatements,
)
from ingest.market.symbol_prices import SymbolPrices, wanted_sessions
from ingest.providers.base import Outcome, Provider, Want
from ingest.rows import DIVIDEND, SPINOFF, SPLIT, RejectedRow
from ingest.sources.fetch_state import PRICES, read_states, record_answers
from ingest.sources.source import Source, make_sources
from ingest.universe import ActiveSymbol, Role, active_symbols
from warehouse.bulk import MergeCounts
from warehouse.sessions import FIRST_DAY, sessions_between

# Symbols are handled in groups of about this many symbol-sessions, so that memory does not grow with the book: one
# group is a night of more than a thousand symbols.
GROUP_SIZE = 500_000

# A claim that is the same event as another one, with the same content, is no news.
_QUIET_NOTES = ("the same split, told twice",)
_BOOK = (Role.HOLDING, Role.OPTION, Role.UNDERLYING)


def collect_market_data(
    conn: psycopg.Connection[Any],
    providers: Sequence[Provider],
    start: date,
    end: date,
    *,
    history_sessions: int,
    today: date,
    now: datetime | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MarketDataReport:
    """Load what a run of the sessions `start` to `end` needs and the sources have, up to `end` and nothing later.

    Every active symbol (see `active_symbols`) is asked of the providers in turn; sound rows are stored where they are
    new or differ from what is stored, the others go to the quarantine. Running it again writes nothing in `raw`.

    Args:
        conn: where `raw` and `ops` are; autocommit, so that each group of symbols is a transaction of its own.
        providers: the sources, the first to be asked first.
        start: the run's first session.
        end: its last.
        history_sessions: how many sessions before `start` the analytics look back.
        today: the date in New York; a price of a later date cannot be true.
        now: the moment of the run, from which it is counted when a source is asked again for what it does not have;
            by default the end of `today`.
        progress: called with (symbols done, symbols in all).

    Raises:
        UserError: the seed that names the factor ETFs has not been loaded.
    """
    calendar = sessions_between(conn, FIRST_DAY, end)
    symbols = active_symbols(conn, start, end, calendar=calendar, history_sessions=history_sessions)
    sources = make_sources(providers)
    report = MarketDataReport(start, end, first=min(active.first for active in symbols), symbols=len(symbols))
    report.providers = [source.tally for source in sources]
    known = Knowledge(
        frozenset(calendar),
        calendar,
        today,
        now or datetime.combine(today + timedelta(days=1), time(), UTC),
        read_history=partial(read_history, conn),
        refetches_left=MOST_REFETCHES,
    )
    done = 0
    progress(done, len(symbols))
    fresh = symbols
    while fresh:
        learned = False
        for group in _groups(fresh, calendar):
            learned |= _collect_group(conn, sources, group, known, report)
            done += len(group)
            progress(done, len(symbols))
        if not learned:
            break
        # the symbols that holdings have become by events that were found just now
        there = {active.symbol for active in symbols}
        needed = active_symbols(conn, start, end, calendar=calendar, history_sessions=history_sessions)
        fresh = [active for active in needed if active.symbol not in there]
        symbols += fresh
        report.symbols = len(symbols)
    with_profile = [active.symbol for active in symbols if active.role != Role.OPTION]
    collect_profiles(conn, sources, with_profile, known.now, report)
    held = [active.symbol for active in symbols if active.role in (Role.HOLDING, Role.UNDERLYING)]
    collect_fund_sectors(conn, sources, held, today, known.now, report)
    return report


def _collect_group(
    conn: psycopg.Connection[Any],
    sources: Sequence[Source],
    group: Sequence[ActiveSymbol],
    known: Knowledge,
    report: MarketDataReport,
) -> bool:
    """Collect one group; returns whether an event was told that may make other symbols needed."""
    wants = [Want(active.symbol, active.first, active.last) for active in group]
    names = [want.symbol for want in wants]
    adopt_stored(conn, names)
    stored, claims = read_bars(conn, wants), read_claims(conn, names)
    source_names = [source.name for source in sources]
    states = {
        active.symbol: SymbolPrices(
            active,
            wanted_sessions(active, known.calendar),
            stored[active.symbol],
            {claim.key: claim for claim in claims[active.symbol]},
            source_names,
            known.calendar,
        )
        for active in group
    }
    known.accepted = read_accepted(conn, names)
    known.fetch_states = {
        source.name: read_states(conn, source.name, PRICES, names) for source in sources if source.is_live
    }
    collected = ask_chain(states, sources, known)
    collected.rejected = [row for row in collected.rejected if not _is_told_otherwise(row, states)]
    dismissed = read_dismissed(conn, names)
    report.rejected += [row for row in collected.rejected if row[:5] not in dismissed]
    report.problems += collected.problems
    report.refetched |= collected.refetched
    report.postponed += collected.postponed

    bars, restatements = [], []
    for state in states.values():
        changed, replacing = state.changed_bars(source_names, known.now)
        bars += changed
        restatements += replacing
    with conn.transaction():
        if restatements:
            write_restatements(conn, restatements)
        written = write_bars(conn, bars)
        report.prices += _counts(sum(len(state.chosen) for state in states.values()), written)
        write_claims(conn, [claim for state in states.values() for claim in state.changed_claims.values()], known.now)
        settled = {symbol: state.settled for symbol, state in states.items()}
        changes = store_settled(conn, settled, known.calendar, known.now)
        report.actions += changes.counts
        report.action_restatements += changes.restated
        report.newly_rejected += write_rejected(conn, collected.rejected)
        if collected.used_up:
            forget_used_acceptances(conn, collected.used_up)
        for source, answers in collected.answers.items():
            record_answers(conn, source, PRICES, answers, known.now, collected.covered[source])
    report.restated.update(Counter(restatement.bar.symbol for restatement in restatements))
    report.without_session += collected.without_session
    for state in states.values():
        _report_evidence(state, report)
    refused = {row.symbol: row.reason for row in collected.rejected if row.row_date == report.end}
    for state in states.values():
        _report_coverage(state, report, refused.get(state.active.symbol))
    return any(key.action_type not in (SPLIT, DIVIDEND) for state in states.values() for key in state.changed_claims)


def _is_told_otherwise(row: RejectedRow, states: Mapping[str, SymbolPrices]) -> bool:
    """Whether a spin-off that was refused as a split is believed as what it is."""
    state = states.get(row.symbol)
    return (
        row.relation == "corporate_actions"
        and state is not None
        and row.row_date is not None
        and (row.row_date, SPINOFF) in state.settled.actions
        and row.payload.get("action_type") == SPLIT
    )


def _report_evidence(state: SymbolPrices, report: MarketDataReport) -> None:
    """Add what a person should look at of one symbol: doubtful actions, large moves, jumps without an event."""
    symbol = state.active.symbol
    report.left_out += state.left_out
    for key in state.changed_claims:
        note = state.settled.notes.get(key)
        if note and not note.startswith(_QUIET_NOTES):
            kind = f"the {key.action_type.lower()} {key.value.normalize():f} of {key.ex_date} that {key.source} tells"
            report.doubtful_actions.append((symbol, f"{kind}: {note}"))
    report.doubtful_actions += [
        (
            symbol,
            f"the split of {day} ({as_written(ratio)}) is new, and nothing was stored to check it against: closes"
            " before it are taken as already divided for it. Check that it has taken place; if it has not,"
            f" `python run_nightly.py actions dismiss {symbol} {day} SPLIT`",
        )
        for day, ratio in state.unproven
        if (day, SPLIT) in state.settled.actions
    ]
    report.doubtful_actions += [(symbol, doubt) for doubt in state.doubts]
    for day, (before, close) in state.large_moves.items():
        if day not in state.stored:
            report.large_moves.append((symbol, day, before, close))
    if state.active.role != Role.OPTION:
        report.jumps += [(symbol, *jump) for jump in state.jumps()]


def _report_coverage(state: SymbolPrices, report: MarketDataReport, refused: str | None) -> None:
    """Add what is missing of one symbol in the run's sessions: the last one, and those after its first price."""
    active = state.active
    if any(kind in ENDS_OF_A_SYMBOL and day <= report.end for day, kind in state.settled.actions):
        # nothing is traded under this name any more; what its lots have become is another symbol
        return
    priced = state.chosen.keys() | state.stored.keys()
    # an option that is settled today needs no price
    is_settled = active.expires == report.end and report.end not in priced
    if active.last == report.end and not is_settled:
        report.wanted_at_end += active.role in _BOOK
        if report.end not in priced:
            reasons = [
                f"{label}: {'nothing of that session' if answer.outcome == Outcome.OK else answer}"
                for label, answer in state.answers or state.declined
            ]
            reason = f"refused, {refused}" if refused else "; ".join(reasons)
            last = max(priced, default=None)
            report.missed.append(MissedSymbol(active.symbol, active.role, reason, last, state.queued and not refused))
        elif report.end in state.chosen and state.offers[state.chosen[report.end]][report.end].volume == 0:
            report.untraded += [active.symbol] if active.role != Role.OPTION else []
    listed_from = min(priced, default=report.end)
    holes = sum(
        max(report.start, listed_from) <= session < report.end and session not in priced and session != active.expires
        for session in state.sessions
    )
    if holes and active.role in _BOOK:
        report.holes[active.symbol] += holes


def _counts(fetched: int, written: MergeCounts) -> MergeCounts:
    return MergeCounts(fetched, written.inserted, written.updated, fetched - written.inserted - written.updated)


def _groups(symbols: Sequence[ActiveSymbol], calendar: Sequence[date]) -> Iterator[list[ActiveSymbol]]:
    group: list[ActiveSymbol] = []
    size = 0
    for active in symbols:
        group.append(active)
        size += len(wanted_sessions(active, calendar))
        if size >= GROUP_SIZE:
            yield group
            group, size = [], 0
    if group:
        yield group
