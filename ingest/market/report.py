"""What the collection of market data did: counts for the ledger, lines for the summary, warnings with their scope."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.market.claims import ActionRestatement
from ingest.rows import RejectedRow
from ingest.sources.tally import TOLD_APART, ProviderTally
from ingest.universe import Role
from warehouse.bulk import MergeCounts
from warehouse.phrases import and_more, count


@dataclass(frozen=True)
class MissedSymbol:
    """A symbol without a price of the last session: why, source by source, and since when.

    `queued`: a source would have it and did not get to it; a later night asks for it first.
    """

    symbol: str
    role: Role
    reasons: str
    last_price_date: date | None
    queued: bool = False


@dataclass
class MarketDataReport:
    """What one collection did for the sessions `start` to `end` of a run."""

    start: date
    end: date
    first: date
    symbols: int = 0
    providers: list[ProviderTally] = field(default_factory=list)
    prices: MergeCounts = field(default_factory=MergeCounts)
    actions: MergeCounts = field(default_factory=MergeCounts)
    profiles: MergeCounts = field(default_factory=MergeCounts)
    fund_sectors: MergeCounts = field(default_factory=MergeCounts)
    restated: Counter[str] = field(default_factory=Counter)
    refetched: dict[str, str] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    newly_rejected: int = 0
    missed: list[MissedSymbol] = field(default_factory=list)
    untraded: list[str] = field(default_factory=list)
    holes: Counter[str] = field(default_factory=Counter)
    wanted_at_end: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    action_restatements: list[ActionRestatement] = field(default_factory=list)
    doubtful_actions: list[tuple[str, str]] = field(default_factory=list)
    large_moves: list[tuple[str, date, Decimal, Decimal]] = field(default_factory=list)
    jumps: list[tuple[str, date, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    without_session: Counter[str] = field(default_factory=Counter)

    def coverage(self) -> float:
        """Return the share (0 to 1) of symbols that the book needs at the last session and that have its price.

        Factor ETFs and the benchmark do not count; without a book it is 1.
        """
        if not self.wanted_at_end:
            return 1.0
        return 1 - len(self._missed_by_the_book()) / self.wanted_at_end

    def counts(self) -> dict[str, object]:
        """Return the figures for the ledger, ready for JSON."""
        return {
            "sessions": {"start": self.start.isoformat(), "end": self.end.isoformat(), "from": self.first.isoformat()},
            "symbols": self.symbols,
            "providers": [tally.counts() for tally in self.providers],
            "prices": _changes(self.prices),
            "corporate_actions": _changes(self.actions),
            "profiles": _changes(self.profiles),
            "fund_sectors": _changes(self.fund_sectors),
            "restated": self.restated.total(),
            "refetched": self.refetched,
            "refetches_postponed": self.postponed,
            "actions_restated": [str(restated) for restated in self.action_restatements],
            "jumps_without_event": [f"{symbol} {day}" for symbol, day, _ in self.jumps],
            "left_out": dict(self.left_out),
            "rows_without_session": self.without_session.total(),
            "rejected": len(self.rejected),
            "newly_rejected": self.newly_rejected,
            "missed": [missed.symbol for missed in self.missed if not missed.queued],
            "queued": [missed.symbol for missed in self.missed if missed.queued],
            "sessions_without_price": self.holes.total(),
            "coverage": round(self.coverage(), 6),
        }

    def lines(self) -> list[str]:
        """Return the summary, a line a fact."""
        lines = [tally.line() for tally in self.providers]
        told = [("prices", self.prices), ("corporate actions", self.actions), ("profiles", self.profiles)]
        if self.fund_sectors.fetched:
            told.append(("sectors of funds", self.fund_sectors))
        for what, counts in told:
            lines.append(
                f"{what}: {counts.fetched:,} fetched, {counts.inserted:,} new, {counts.updated:,} updated, "
                f"{counts.unchanged:,} unchanged"
            )
        if self.restated:
            lines.append(f"restated by their source: {_tally_by_symbol(self.restated)} (ops.price_restatements)")
        if self.action_restatements:
            told = and_more([str(restated) for restated in self.action_restatements], separator="; ")
            lines.append(
                f"splits, dividends and events that have changed: {len(self.action_restatements):,} ({told};"
                " ops.action_restatements)"
            )
        if self.left_out:
            fields = ", ".join(f"{count:,} {name}" for name, count in sorted(self.left_out.items()))
            lines.append(f"left out where they contradict the close, which is kept: {fields}")
        if self.without_session:
            lines.append(f"rows of days without a session, left out: {_tally_by_symbol(self.without_session)}")
        if self.refetched:
            histories = and_more([f"{symbol}: {reason}" for symbol, reason in self.refetched.items()], separator="; ")
            lines.append(f"whole histories fetched again: {len(self.refetched):,} ({histories})")
        if self.postponed:
            lines.append(f"restated histories left for a later night: {and_more(self.postponed)}")
        book_missed = len(self._missed_by_the_book())
        lines.append(
            f"{self.wanted_at_end - book_missed:,} of {count(self.wanted_at_end, 'symbol')} of the book "
            f"{'has' if self.wanted_at_end == 1 else 'have'} a price of {self.end}"
        )
        if self.holes:
            lines.append(f"sessions without a price in between: {_tally_by_symbol(self.holes)}")
        if queued := [missed.symbol for missed in self.missed if missed.queued]:
            lines.append(f"queued for a later night, the neediest first: {len(queued):,} ({and_more(queued)})")
        if self.untraded:
            lines.append(f"no shares traded on {self.end}, if its source is right: {and_more(self.untraded)}")
        if factors := [missed.symbol for missed in self.missed if missed.role == Role.FACTOR]:
            lines.append(f"factor ETFs that no source has for {self.end}: {and_more(factors)}")
        return lines

    def warnings(self) -> list[tuple[str, str]]:
        """Return (scope, message): symbols missed, rows refused, sources in trouble.

        A missing factor ETF is none: each factor has others to fall back on, and its summary says which was used. Nor
        is what was queued.
        """
        warnings = list(dict.fromkeys(self.problems))
        by_reason: dict[str, list[MissedSymbol]] = {}
        for missed in self.missed:
            if missed.role != Role.FACTOR and not missed.queued:
                by_reason.setdefault(missed.reasons, []).append(missed)
        for reason, several in by_reason.items():
            if len(several) > TOLD_APART:
                symbols = ", ".join(missed.symbol for missed in several)
                warnings.append((f"{len(several)} symbols", f"no price of {self.end}: {reason} ({symbols})"))
                continue
            for missed in several:
                since = f"the last is of {missed.last_price_date}" if missed.last_price_date else "there is none before"
                warnings.append((missed.symbol, f"no price of {self.end}, {since}: {reason}"))
        warnings += [(restated.old.symbol, str(restated)) for restated in self.action_restatements]
        warnings += self.doubtful_actions
        warnings += [
            (
                symbol,
                f"the close moved from {before:f} to {close:f} on {day}, and is believed: check that it is no split",
            )
            for symbol, day, before, close in ((s, d, _short(b), _short(c)) for s, d, b, c in self.large_moves)
        ]
        warnings += [
            (
                symbol,
                f"the close of {day} is about {ratio} of the one before, as in a split that no source reports: if there"
                f" was one, `python run_nightly.py actions add {symbol} {day} SPLIT RATIO`",
            )
            for symbol, day, ratio in self.jumps
        ]
        for source, rows in _by_source(self.rejected).items():
            first = rows[0]
            when = f" {first.row_date}" if first.row_date else ""
            more = f", and {len(rows) - 1:,} more" if len(rows) > 1 else ""
            example = f"{first.symbol}{when}: {first.reason}{more}"
            warnings.append(
                (source, f"{count(len(rows), 'row')} refused ({example}): `python run_nightly.py quarantine`")
            )
        return warnings

    def _missed_by_the_book(self) -> list[MissedSymbol]:
        return [missed for missed in self.missed if missed.role not in (Role.FACTOR, Role.BENCHMARK)]


def _short(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.0001")).normalize()


def _changes(counts: MergeCounts) -> dict[str, int]:
    return {
        "fetched": counts.fetched,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
    }


def _by_source(rows: list[RejectedRow]) -> dict[str, list[RejectedRow]]:
    by_source: dict[str, list[RejectedRow]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    return by_source


def _tally_by_symbol(counter: Counter[str]) -> str:
    return f"{counter.total():,} ({and_more([f'{symbol} {count:,}' for symbol, count in counter.most_common()])})"
