"""What each source did and cost, and the words in which reports tell of many symbols."""

from collections.abc import Sequence
from dataclasses import dataclass

TOLD_APART = 5  # more symbols than these that are missed for one reason share a line
_NAMED = 8  # of many symbols a line names these


@dataclass
class ProviderTally:
    """What one source did and cost in a run.

    Symbols: `asked` for, of which it `got` some; `resting` were not asked for, since it did not have them on earlier
    nights; `waiting` are those that it did not get to. `rejected` counts rows, None where they are not checked by
    themselves; `requests`, of which `retries`, and `seconds` are what it took.
    """

    label: str
    asked: int = 0
    got: int = 0
    resting: int = 0
    waiting: int = 0
    rejected: int | None = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def missed(self) -> int:
        """How many of the symbols asked for it had nothing of."""
        return self.asked - self.got

    def counts(self) -> dict[str, object]:
        """Return the figures for the ledger."""
        return {
            "provider": self.label,
            "asked": self.asked,
            "got": self.got,
            "missed": self.missed,
            "resting": self.resting,
            "waiting": self.waiting,
            "rejected": self.rejected,
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
        }

    def line(self) -> str:
        """Return the line for the summary; what did not happen is left out."""
        spared = [f"{self.resting:,} not due"] * bool(self.resting) + [f"{self.waiting:,} queued"] * bool(self.waiting)
        cost = [f"{number(self.requests, 'request')} ({self.retries:,} retries)"] * bool(self.requests)
        parts = [
            f"asked for {number(self.asked, 'symbol')}",
            f"got {self.got:,}",
            f"missed {self.missed:,}",
            *spared,
            *([] if self.rejected is None else [f"rejected {number(self.rejected, 'row')}"]),
            *cost,
            f"{self.seconds:.1f} s",
        ]
        return f"{self.label}: {', '.join(parts)}"


def number(count: int, noun: str) -> str:
    """Return a count with its noun: 1 symbol, 1,200 symbols."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def names(symbols: Sequence[str], separator: str = ", ") -> str:
    """Return the first few of them, and how many more there are."""
    return separator.join(symbols[:_NAMED]) + (f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else "")
