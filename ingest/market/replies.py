"""Put what a source replied beside what is known: sound rows are offered, the others refused."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from ingest.market.knowledge import Knowledge
from ingest.market.row_checks import check_action, check_bar
from ingest.market.store import json_ready
from ingest.market.symbol_prices import SymbolPrices
from ingest.providers.base import PriceReply
from ingest.rows import CorporateAction, PriceBar, RejectedRow, combine_actions
from ingest.sources.source import Source


def take_in(
    reply: PriceReply,
    asked: dict[str, list[date]],
    symbols: dict[str, SymbolPrices],
    source: Source,
    sources: Sequence[Source],
    known: Knowledge,
) -> tuple[dict[str, dict[date, Decimal]], list[RejectedRow]]:
    """Put a reply's sound rows beside what is known of their symbols.

    What was not asked for is left out, good or bad: a session that has an answer already, and actions whose ex-date
    falls on one that is another source's. Returns the sound closes of all sessions, by symbol, and the rows that are
    refused.
    """
    earlier = {other.name for other in sources[: source.place]}
    open_sessions = {symbol: frozenset(days) for symbol, days in asked.items()}
    theirs = {symbol: frozenset(symbols[symbol].open_sessions(source.name, earlier)) for symbol in asked}
    accepted = {
        (row.relation, row.symbol, row.row_date, row.reason): row.payload
        for row in known.accepted
        if row.source == source.name
    }
    refused = [
        row
        for row in reply.rejected
        if (row.symbol not in asked or row.row_date not in known.sessions or row.row_date in open_sessions[row.symbol])
        and accepted.get((row.relation, row.symbol, row.row_date, row.reason)) != row.payload
    ]
    shown: dict[str, dict[date, Decimal]] = {}
    twice = set()
    for bar in reply.bars:
        is_open = bar.price_date in open_sessions[bar.symbol]
        reason = check_bar(bar, known.sessions, known.today)
        if reason:
            row = rejected_bar(bar, source.name, reason)
            is_accepted = accepted.get((row.relation, row.symbol, row.row_date, reason)) == row.payload
            if (is_open or bar.price_date not in known.sessions) and not is_accepted:
                refused.append(row)
            continue
        shown.setdefault(bar.symbol, {})[bar.price_date] = bar.close
        if is_open:
            offered = symbols[bar.symbol].offers[source.place]
            if offered.setdefault(bar.price_date, bar) != bar:
                twice.add((bar.symbol, bar.price_date))
                refused.append(rejected_bar(bar, source.name, "another row of the reply has this session differently"))
    for symbol, day in twice:
        del symbols[symbol].offers[source.place][day]
    for action in combine_actions(reply.actions):
        state = symbols[action.symbol]
        if reason := check_action(action):
            refused.append(_rejected_action(action, source.name, reason))
        elif _session_of(action.ex_date, state.sessions) in theirs[action.symbol]:
            state.actions.setdefault((action.ex_date, action.action_type), (action, source.name))
    return shown, refused


def rejected_bar(bar: PriceBar, source: str, reason: str) -> RejectedRow:
    """Return a bar as it goes to the quarantine."""
    return RejectedRow(source, "market_data_cache", bar.symbol, bar.price_date, reason, json_ready(bar._asdict()))


def _rejected_action(action: CorporateAction, source: str, reason: str) -> RejectedRow:
    return RejectedRow(source, "corporate_actions", action.symbol, action.ex_date, reason, json_ready(action._asdict()))


def _session_of(day: date, sessions: Sequence[date]) -> date | None:
    place = bisect_left(sessions, day)
    return sessions[place] if place < len(sessions) else None
