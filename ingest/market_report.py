"""What the collection of market data did: counts for the ledger, lines for the summary, warnings with their scope."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from ingest.rows import RejectedRow
from ingest.universe import Role
from warehouse.bulk import MergeCounts

_NAMED = 8  # of many symbols a line names these


@dataclass
class ProviderTally:
    """One source: symbols asked for, answered and missed, rows refused, seconds spent waiting for it."""

    label: str
    asked: int = 0
    got: int = 0
    rejected: int = 0
    seconds: float = 0.0

    @property
    def missed(self) -> int:
        """How many of the symbols it had nothing for."""
        return self.asked - self.got


@dataclass(frozen=True)
class MissedSymbol:
    """A symbol without a price of the last session: why, source by source, and since when."""

    symbol: str
    role: Role
    reasons: str
    last_price_date: date | None


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
    restated: Counter[str] = field(default_factory=Counter)
    rejected: list[RejectedRow] = field(default_factory=list)
    newly_rejected: int = 0
    missed: list[MissedSymbol] = field(default_factory=list)
    holes: Counter[str] = field(default_factory=Counter)
    wanted_at_end: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

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
            "providers": [
                {
                    "provider": tally.label,
                    "asked": tally.asked,
                    "got": tally.got,
                    "missed": tally.missed,
                    "rejected": tally.rejected,
                    "seconds": round(tally.seconds, 3),
                }
                for tally in self.providers
            ],
            "prices": _changes(self.prices),
            "corporate_actions": _changes(self.actions),
            "profiles": _changes(self.profiles),
            "restated": self.restated.total(),
            "rejected": len(self.rejected),
            "newly_rejected": self.newly_rejected,
            "missed": [missed.symbol for missed in self.missed],
            "sessions_without_price": self.holes.total(),
            "coverage": round(self.coverage(), 6),
        }

    def lines(self) -> list[str]:
        """Return the summary, a line a fact."""
        lines = [
            f"{tally.label}: asked for {_number(tally.asked, 'symbol')}, got {tally.got:,}, missed {tally.missed:,}, "
            f"rejected {_number(tally.rejected, 'row')}, {tally.seconds:.1f} s"
            for tally in self.providers
        ]
        for what, counts in (("prices", self.prices), ("corporate actions", self.actions), ("profiles", self.profiles)):
            lines.append(
                f"{what}: {counts.fetched:,} fetched, {counts.inserted:,} new, {counts.updated:,} updated, "
                f"{counts.unchanged:,} unchanged"
            )
        if self.restated:
            lines.append(f"restated by their source: {_tally_by_symbol(self.restated)} (ops.price_restatements)")
        book_missed = len(self._missed_by_the_book())
        lines.append(
            f"{self.wanted_at_end - book_missed:,} of {_number(self.wanted_at_end, 'symbol')} of the book "
            f"{'has' if self.wanted_at_end == 1 else 'have'} a price of {self.end}"
        )
        if self.holes:
            lines.append(f"sessions without a price in between: {_tally_by_symbol(self.holes)}")
        if factors := [missed.symbol for missed in self.missed if missed.role == Role.FACTOR]:
            lines.append(f"factor ETFs that no source has for {self.end}: {_names(factors)}")
        return lines

    def warnings(self) -> list[tuple[str, str]]:
        """Return (scope, message): symbols missed, rows refused, sources in trouble.

        A missing factor ETF is none: each factor has others to fall back on, and its summary says which was used.
        """
        warnings = list(dict.fromkeys(self.problems))
        for missed in self.missed:
            if missed.role != Role.FACTOR:
                since = f"the last is of {missed.last_price_date}" if missed.last_price_date else "there is none before"
                warnings.append((missed.symbol, f"no price of {self.end}, {since}: {missed.reasons}"))
        for source, rows in _by_source(self.rejected).items():
            first = rows[0]
            when = f" {first.row_date}" if first.row_date else ""
            more = f", and {len(rows) - 1:,} more" if len(rows) > 1 else ""
            example = f"{first.symbol}{when}: {first.reason}{more}"
            warnings.append((source, f"{_number(len(rows), 'row')} refused ({example}): ops.rejected_rows"))
        return warnings

    def _missed_by_the_book(self) -> list[MissedSymbol]:
        return [missed for missed in self.missed if missed.role not in (Role.FACTOR, Role.BENCHMARK)]


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


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _names(symbols: list[str]) -> str:
    return ", ".join(symbols[:_NAMED]) + (f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else "")


def _tally_by_symbol(counter: Counter[str]) -> str:
    return f"{counter.total():,} ({_names([f'{symbol} {count:,}' for symbol, count in counter.most_common()])})"
