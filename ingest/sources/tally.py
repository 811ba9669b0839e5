"""What each source did and cost in a run."""

from dataclasses import dataclass

from warehouse.phrases import count

TOLD_APART = 5  # if more symbols than this are missed for one reason, they share a line


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
        cost = [f"{count(self.requests, 'request')} ({self.retries:,} retries)"] * bool(self.requests)
        parts = [
            f"asked for {count(self.asked, 'symbol')}",
            f"got {self.got:,}",
            f"missed {self.missed:,}",
            *spared,
            *([] if self.rejected is None else [f"rejected {count(self.rejected, 'row')}"]),
            *cost,
            f"{self.seconds:.1f} s",
        ]
        return f"{self.label}: {', '.join(parts)}"
