"""Ask the sources in turn for the bars and actions of some symbols, and settle what is to be stored."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.market_report import ProviderTally
from ingest.market_store import Restatement, StoredBar, json_ready
from ingest.providers.base import Answer, Outcome, PriceReply, Provider, Want
from ingest.row_checks import IMPLAUSIBLE_MOVE, agree, check_action, check_bar, choose_bars
from ingest.rows import SPLIT, CorporateAction, PriceBar, RejectedRow, combine_actions
from ingest.universe import ActiveSymbol, Role

# What a source shows differently by no more than this (relative) is its rounding, and stays as it was stored.
SAME_VALUE = Decimal("0.00001")


@dataclass
class SymbolPrices:
    """What is stored of one symbol in the sessions wanted, and what each source offers, by its place in the chain."""

    active: ActiveSymbol
    sessions: Sequence[date]
    stored: dict[date, StoredBar]
    stored_actions: dict[tuple[date, str], Decimal]
    offers: list[dict[date, PriceBar]] = field(default_factory=list)
    actions: dict[tuple[date, str], tuple[CorporateAction, str]] = field(default_factory=dict)
    chosen: dict[date, int] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    def open_sessions(self, source: str, earlier_sources: AbstractSet[str]) -> list[date]:
        """Return the sessions to ask `source` for: those without an answer yet.

        A session that is stored from an earlier source in the chain is left to that one, or two sources that differ a
        little would restate each other for ever.
        """
        theirs = earlier_sources - {source}
        return [
            session
            for session in self.sessions
            if session not in self.chosen
            and not (theirs and session in self.stored and self.stored[session].source in theirs)
        ]

    def choose(self) -> None:
        """Settle which offer is taken for each session."""
        splits = {ex_date: value for (ex_date, kind), value in self.stored_actions.items() if kind == SPLIT}
        splits |= {ex_date: action.value for (ex_date, kind), (action, _) in self.actions.items() if kind == SPLIT}
        self.chosen = choose_bars(
            {day: bar.close for day, bar in self.stored.items()},
            self.offers,
            sorted(splits.items()),
            any_move=self.active.role == Role.OPTION,
        )

    def changed_bars(self, sources: Sequence[str]) -> tuple[list[tuple[PriceBar, str]], list[Restatement]]:
        """Return the bars to write, each with its source, and those among them that replace another price."""
        changed, restatements = [], []
        for day, place in self.chosen.items():
            bar, old = self.offers[place][day], self.stored.get(day)
            if old is None:
                changed.append((bar, sources[place]))
            elif bar[2:] == old[:5]:
                continue
            elif any(
                new_price is not None and old_price is not None and not agree(new_price, old_price, SAME_VALUE)
                for new_price, old_price in zip(bar[2:6], old[:4], strict=True)
            ):
                changed.append((bar, sources[place]))
                restatements.append(Restatement(bar, sources[place], old))
            elif (completed := _completed(bar, old)) is not None:
                changed.append((completed, sources[place]))
        return changed, restatements

    def changed_actions(self) -> list[tuple[CorporateAction, str]]:
        """Return the splits and dividends to write, each with its source."""
        return [
            (action, source)
            for key, (action, source) in self.actions.items()
            if key not in self.stored_actions or not agree(action.value, self.stored_actions[key], SAME_VALUE)
        ]

    def implausible(self, place: int) -> list[PriceBar]:
        """Return what one source offered in vain: its close is too far from the last one."""
        return [bar for day, bar in self.offers[place].items() if self.chosen.get(day, len(self.offers)) > place]


def ask_chain(
    symbols: dict[str, SymbolPrices],
    providers: Sequence[Provider],
    tallies: Sequence[ProviderTally],
    sessions: AbstractSet[date],
    today: date,
) -> tuple[list[RejectedRow], list[tuple[str, str]]]:
    """Ask each provider for what those before it missed, per symbol and session, and settle what is taken.

    The answers are left in `symbols`, and counted in `tallies` (one a provider). Returns the rows that are refused and
    (scope, message) of what is wrong with a source as a whole.
    """
    rejected: list[RejectedRow] = []
    problems: list[tuple[str, str]] = []
    sources = [provider.name for provider in providers]
    for place, (provider, tally) in enumerate(zip(providers, tallies, strict=True)):
        asked = {
            symbol: open_sessions
            for symbol, state in symbols.items()
            if (open_sessions := state.open_sessions(provider.name, set(sources[:place])))
        }
        for state in symbols.values():
            state.offers.append({})
        if not asked:
            continue
        started = time.monotonic()
        reply = provider.fetch_prices([Want(symbol, days[0], days[-1]) for symbol, days in asked.items()])
        tally.seconds += time.monotonic() - started
        refused = _take_in(reply, asked, symbols, provider.name, sessions, today)
        for symbol in asked:
            state, answer = symbols[symbol], reply.answers[symbol]
            state.answers.append((provider.label, answer))
            state.choose()
            tally.asked += 1
            tally.got += answer.outcome == Outcome.OK
        tally.rejected += len(refused)
        rejected += refused
        problems += [(provider.label, problem) for problem in reply.problems]
    for place, tally in enumerate(tallies):
        implausible = [
            _rejected_bar(bar, sources[place], IMPLAUSIBLE_MOVE)
            for state in symbols.values()
            for bar in state.implausible(place)
        ]
        tally.rejected += len(implausible)
        rejected += implausible
    return rejected, problems


def _take_in(
    reply: PriceReply,
    asked: dict[str, list[date]],
    symbols: dict[str, SymbolPrices],
    source: str,
    sessions: AbstractSet[date],
    today: date,
) -> list[RejectedRow]:
    """Put a reply's sound rows beside what is known of their symbols; return the others.

    What was not asked for is left out, good or bad: a session that has an answer already, and actions whose ex-date
    falls on one.
    """
    open_sessions = {symbol: frozenset(days) for symbol, days in asked.items()}
    refused = [
        row
        for row in reply.rejected
        if row.symbol not in asked or row.row_date not in sessions or row.row_date in open_sessions[row.symbol]
    ]
    for bar in reply.bars:
        if bar.price_date in sessions and bar.price_date not in open_sessions[bar.symbol]:
            continue
        if reason := check_bar(bar, sessions, today):
            refused.append(_rejected_bar(bar, source, reason))
        else:
            symbols[bar.symbol].offers[-1][bar.price_date] = bar
    for action in combine_actions(reply.actions):
        state = symbols[action.symbol]
        if reason := check_action(action):
            refused.append(_rejected_action(action, source, reason))
        elif _session_of(action.ex_date, state.sessions) in open_sessions[action.symbol]:
            state.actions.setdefault((action.ex_date, action.action_type), (action, source))
    return refused


def wanted_sessions(active: ActiveSymbol, calendar: Sequence[date]) -> Sequence[date]:
    """Return the sessions of a calendar, in order, that a symbol is needed for."""
    return calendar[bisect_left(calendar, active.first) : bisect_right(calendar, active.last)]


def _session_of(day: date, sessions: Sequence[date]) -> date | None:
    place = bisect_left(sessions, day)
    return sessions[place] if place < len(sessions) else None


def _completed(bar: PriceBar, old: StoredBar) -> PriceBar | None:
    """Return the stored bar with what it lacked, and another volume where that has changed; None where all is there."""
    prices = [new if kept is None else kept for new, kept in zip(bar[2:6], old[:4], strict=True)]
    volume = old.volume if bar.volume is None else bar.volume
    completed = PriceBar(bar.symbol, bar.price_date, *prices, volume)
    return None if completed[2:] == old[:5] else completed


def _rejected_bar(bar: PriceBar, source: str, reason: str) -> RejectedRow:
    return RejectedRow(source, "market_data_cache", bar.symbol, bar.price_date, reason, json_ready(bar._asdict()))


def _rejected_action(action: CorporateAction, source: str, reason: str) -> RejectedRow:
    return RejectedRow(source, "corporate_actions", action.symbol, action.ex_date, reason, json_ready(action._asdict()))
