"""What the collection of fundamentals did: counts for the ledger, lines for the summary, warnings with their scope."""

from collections import Counter
from dataclasses import dataclass, field

from ingest.fundamentals.store import StatementCounts
from ingest.sources.tally import TOLD_APART, ProviderTally
from warehouse.bulk import MergeCounts
from warehouse.phrases import and_more, count


@dataclass
class FundamentalsReport:
    """What one collection did.

    Of the `symbols` of the book those in `skipped` have no fundamentals, by reason; of the `due` ones no source has
    those in `unavailable`, `missed` could not be had tonight (symbol, reason), `partly` came with something missing,
    and `queued` were not reached: the last three are asked for again on the next night.
    """

    symbols: int = 0
    due: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    providers: list[ProviderTally] = field(default_factory=list)
    statements: StatementCounts = field(default_factory=StatementCounts)
    estimates: MergeCounts = field(default_factory=MergeCounts)
    earnings: MergeCounts = field(default_factory=MergeCounts)
    unavailable: list[str] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    partly: list[tuple[str, str]] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def counts(self) -> dict[str, object]:
        """Return the figures for the ledger, ready for JSON."""
        return {
            "symbols": self.symbols,
            "due": self.due,
            "skipped": dict(self.skipped),
            "providers": [tally.counts() for tally in self.providers],
            "statements": {
                "new": self.statements.new,
                "new_versions": self.statements.versions,
                "unchanged": self.statements.unchanged,
                "outranked": self.statements.outranked,
            },
            "estimates": _changes(self.estimates),
            "earnings_dates": _changes(self.earnings),
            "restated": list(self.statements.restated),
            "unavailable": self.unavailable,
            "missed": [symbol for symbol, _ in self.missed],
            "partly": [symbol for symbol, _ in self.partly],
            "queued": self.queued,
        }

    def lines(self) -> list[str]:
        """Return the summary, a line a fact."""
        skipped = [f"{count:,} skipped ({reason})" for reason, count in sorted(self.skipped.items())]
        companies = self.symbols - self.skipped.total()
        if not self.due:
            book = count(companies, "company", "companies")
            return [", ".join([f"nothing due: {book} in the book", *skipped])]
        lines = [", ".join([f"{self.due:,} of {count(self.symbols, 'symbol')} due", *skipped])]
        lines += [tally.line() for tally in self.providers]
        statements = self.statements
        lines.append(
            f"statements: {statements.new:,} new, {statements.versions:,} new versions, "
            f"{statements.unchanged:,} unchanged"
            + (f", {statements.outranked:,} left to the source that has them" if statements.outranked else "")
        )
        for what, counts in (("estimates", self.estimates), ("earnings dates", self.earnings)):
            gone = f", {counts.deleted:,} gone" if counts.deleted else ""
            lines.append(
                f"{what}: {counts.inserted:,} new, {counts.updated:,} updated, {counts.unchanged:,} unchanged{gone}"
            )
        if statements.restated:
            lines.append(f"restated: {and_more(sorted(set(statements.restated)))}")
        if self.unavailable:
            lines.append(f"not available, asked for less and less often: {and_more(self.unavailable)}")
        if self.queued:
            lines.append(f"queued for the next night: {len(self.queued):,} ({and_more(self.queued)})")
        return lines

    def warnings(self) -> list[tuple[str, str]]:
        """Return (scope, message): symbols missed wholly or partly, sources in trouble."""
        warnings = list(dict.fromkeys(self.problems))
        for what, symbols in (("no fundamentals", self.missed), ("fundamentals in part", self.partly)):
            by_reason: dict[str, list[str]] = {}
            for symbol, reason in symbols:
                by_reason.setdefault(reason, []).append(symbol)
            for reason, several in by_reason.items():
                if len(several) > TOLD_APART:
                    warnings.append((count(len(several), "symbol"), f"{what}: {reason} ({', '.join(several)})"))
                else:
                    warnings += [(symbol, f"{what}: {reason}") for symbol in several]
        return warnings


def _changes(counts: MergeCounts) -> dict[str, int]:
    return {
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "deleted": counts.deleted,
    }
