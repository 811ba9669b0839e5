"""Phase 1.5, fundamental data: statements, estimates and earnings dates of the companies in the book, when due."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from ingest.fundamentals.due import is_due
from ingest.fundamentals.report import FundamentalsReport
from ingest.fundamentals.store import (
    Candidate,
    read_candidates,
    write_earnings,
    write_estimates,
    write_statements,
)
from ingest.providers.base import (
    ALL_PARTS,
    EARNINGS,
    ESTIMATES,
    Answer,
    FundamentalsProvider,
    FundamentalsReply,
    Outcome,
    Part,
)
from ingest.rows import EarningsDate, Estimate, Statement
from ingest.sources import fetch_state
from ingest.sources.fetch_state import FUNDAMENTALS, FetchState, read_states, record_answers
from ingest.sources.tally import ProviderTally
from ingest.universe import Role, active_symbols

# The number of symbols that are fetched and stored together. A killed run loses at most these.
BATCH_SIZE = 20

_COMPANY = "EQUITY"
_BOOK = (Role.HOLDING, Role.UNDERLYING)
_NOT_THERE = (Outcome.NOT_FOUND, Outcome.NOTHING_IN_RANGE)


@dataclass
class _Source:
    """A provider in this run, with what is known of the symbols that are due; `probed` is None until it is needed."""

    provider: FundamentalsProvider
    tally: ProviderTally
    states: dict[str, FetchState]
    probed: Answer | None = None

    def is_up(self, report: FundamentalsReport) -> bool:
        """Try it once; one that fails is not asked, and what it says is not believed."""
        if self.probed is None:
            self.probed = self.provider.probe()
            if self.probed.outcome != Outcome.OK:
                report.problems.append((self.provider.label, f"not asked for fundamentals: {self.probed}"))
        return self.probed.outcome == Outcome.OK


@dataclass
class _Batch:
    """What the sources had of some symbols, and what they said of them."""

    missing: dict[str, set[Part]]
    statements: list[tuple[Statement, str]] = field(default_factory=list)
    estimates: list[tuple[Estimate, str]] = field(default_factory=list)
    earnings: list[tuple[EarningsDate, str]] = field(default_factory=list)
    answers: dict[str, list[tuple[str, Answer]]] = field(default_factory=dict)
    to_record: list[tuple[str, dict[str, Answer]]] = field(default_factory=list)

    def add_reply(self, reply: FundamentalsReply, source: str) -> set[str]:
        """Add the parts that were missing, and return the symbols that got any."""
        rows: list[tuple[Part, Any, list[tuple[Any, str]]]] = [
            *((Part(row.statement, row.frequency), row, self.statements) for row in reply.statements),
            *((ESTIMATES, row, self.estimates) for row in reply.estimates),
            *((EARNINGS, row, self.earnings) for row in reply.earnings),
        ]
        taken = {(row.symbol, part) for part, row, _ in rows if part in self.missing.get(row.symbol, ())}
        for part, row, kept in rows:
            if (row.symbol, part) in taken:
                kept.append((row, source))
        for symbol, part in taken:
            self.missing[symbol].discard(part)
        return {symbol for symbol, _ in taken}


def collect_fundamentals(
    conn: psycopg.Connection[Any],
    providers: Sequence[FundamentalsProvider],
    trade_date: date,
    *,
    today: date,
    now: datetime,
    portfolio_ids: Sequence[UUID] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FundamentalsReport:
    """Fetch what is due of the companies that the book holds on `trade_date`, and store what is new of it.

    What the first provider has is taken, and the next ones are asked for the parts that are missing. Each batch of
    symbols is a transaction, so that a run that is killed goes on where it was. Where nothing is due, nothing is asked.

    Args:
        conn: where `raw` and `ops` are; autocommit.
        providers: the sources, the first to be asked first.
        trade_date: the session whose holdings count.
        today: the date in New York.
        now: when the run takes place; versions of statements are known from then on.
        portfolio_ids: the portfolios that the run is narrowed to; None: all.
        progress: called with (symbols done, symbols in all).

    Raises:
        UserError: the seed that names the factor ETFs has not been loaded.
    """
    active = active_symbols(
        conn, trade_date, trade_date, calendar=[trade_date], history_sessions=0, portfolio_ids=portfolio_ids
    )
    candidates = read_candidates(conn, [each.symbol for each in active if each.role in _BOOK], today)
    report = FundamentalsReport(symbols=len(candidates))
    due = []
    for candidate in candidates:
        if reason := _why_none(candidate):
            report.skipped[reason] += 1
        elif is_due(
            today,
            has_statements=candidate.has_statements,
            fetched_on=candidate.fetched_on,
            earnings_dates=candidate.earnings_dates,
            half_filled_since=candidate.half_filled_since,
        ):
            due.append(candidate.symbol)
    report.due = len(due)
    if not due:
        return report
    sources = [
        _Source(
            provider, ProviderTally(provider.label, rejected=None), read_states(conn, provider.name, FUNDAMENTALS, due)
        )
        for provider in providers
    ]
    report.providers = [source.tally for source in sources]
    progress(0, len(due))
    for start in range(0, len(due), BATCH_SIZE):
        symbols = due[start : start + BATCH_SIZE]
        batch = _ask(sources, symbols, now, report)
        _store(conn, batch, [provider.name for provider in providers], today, now, report)
        _report_outcomes(batch, symbols, report)
        progress(start + len(symbols), len(due))
    return report


def _why_none(candidate: Candidate) -> str | None:
    """Say why a symbol has no fundamentals, None where it is a company."""
    if candidate.quote_type is None:
        return "no profile says what it is"
    return None if candidate.quote_type.upper() == _COMPANY else f"{candidate.quote_type}: no company"


def _ask(sources: Sequence[_Source], symbols: Sequence[str], now: datetime, report: FundamentalsReport) -> _Batch:
    batch = _Batch({symbol: set(ALL_PARTS) for symbol in symbols}, answers={symbol: [] for symbol in symbols})
    for source in sources:
        provider, tally = source.provider, source.tally
        wants = {}
        for symbol, parts in batch.missing.items():
            if not parts:
                continue
            if fetch_state.is_due(source.states.get(symbol), now):
                wants[symbol] = frozenset(parts)
            else:
                tally.resting += 1
                answer = Answer(Outcome.NOTHING_IN_RANGE, fetch_state.not_due(source.states[symbol]).detail)
                batch.answers[symbol].append((provider.label, answer))
        before, started = (provider.usage.requests, provider.usage.retries), time.monotonic()
        if wants and source.is_up(report):
            reply = provider.fetch_fundamentals(wants)
            got = batch.add_reply(reply, provider.name)
            tally.asked += len(wants)
            tally.got += len(got)
            report.problems += [(provider.label, problem) for problem in reply.problems]
            # If a source cannot complete what another one has, this does not say whether it has the symbol.
            told = {
                symbol: answer
                for symbol, answer in reply.answers.items()
                if answer.outcome == Outcome.OK or wants[symbol] == ALL_PARTS
            }
            batch.to_record.append((provider.name, told))
        else:
            reply = FundamentalsReply(answers=dict.fromkeys(wants, source.probed) if wants else {})
        for symbol in wants:
            batch.answers[symbol].append((provider.label, reply.answers[symbol]))
        tally.seconds += time.monotonic() - started
        tally.requests += provider.usage.requests - before[0]
        tally.retries += provider.usage.retries - before[1]
    return batch


def _store(
    conn: psycopg.Connection[Any],
    batch: _Batch,
    sources: Sequence[str],
    today: date,
    now: datetime,
    report: FundamentalsReport,
) -> None:
    with conn.transaction():
        report.statements += write_statements(conn, batch.statements, now, sources)
        report.estimates += write_estimates(conn, batch.estimates, today)
        report.earnings += write_earnings(conn, batch.earnings, today)
        for source, answers in batch.to_record:
            record_answers(conn, source, FUNDAMENTALS, answers, now)


def _report_outcomes(batch: _Batch, symbols: Sequence[str], report: FundamentalsReport) -> None:
    """Sort the symbols by how their night ended."""
    with_statements = {row.symbol for row, _ in batch.statements}
    for symbol in symbols:
        answers = batch.answers[symbol]
        outcomes = {answer.outcome for _, answer in answers}
        reasons = "; ".join(f"{label}: {answer}" for label, answer in answers)
        if Outcome.OK in outcomes:
            continue
        if symbol in with_statements:
            report.partly.append((symbol, reasons))
        elif outcomes <= set(_NOT_THERE):
            report.unavailable.append(symbol)
        elif outcomes <= {Outcome.NOT_ASKED, *_NOT_THERE}:
            report.queued.append(symbol)
        else:
            report.missed.append((symbol, reasons))
