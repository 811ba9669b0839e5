"""What a load did, or why it did nothing, for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.books.csv_files import FileProblem
from warehouse.bulk import MergeCounts


@dataclass(slots=True)
class LoadReport:
    """The result of a load: `counts` by kind of row in the order of loading, `lost` rows that went with removed lots.

    `marks_spread` counts earlier marks that were given to new lots of their symbol.
    """

    loaded_from: str
    counts: dict[str, MergeCounts] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    marks_spread: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """The number of rows written or deleted."""
        written = sum(counts.inserted + counts.updated + counts.deleted for counts in self.counts.values())
        return written + self.marks_spread

    def lines(self) -> list[str]:
        """Return the report for a person: a headline, a line for each kind of row, and then the notes."""
        outcome = "loaded" if self.changed else "nothing has changed"
        lines = [f"{self.loaded_from}: {outcome}"]
        for kind, counts in self.counts.items():
            lines.append(
                f"  {kind.replace('_', ' '):<10} {counts.fetched:>7,} read: {counts.inserted:,} inserted,"
                f" {counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.deleted:,} deleted"
            )
        if any(self.lost.values()):
            lost = ", ".join(f"{count:,} {kind}" for kind, count in self.lost.items() if count)
            lines.append(f"  lots that are no longer in the file took with them: {lost}")
        if self.marks_spread:
            lines.append(f"  marks given to new lots of their symbol: {self.marks_spread:,}")
        return lines + [f"  {note}" for note in self.notes]


def summarised(problems: Sequence[FileProblem]) -> list[str]:
    """Return the problems for a person, with the statement that nothing was loaded."""
    files = {problem.file for problem in problems}
    counted = f"{len(problems)} problem{'s' * (len(problems) > 1)} in {', '.join(sorted(files))}"
    return [*map(str, problems), f"nothing was loaded: {counted}"]
