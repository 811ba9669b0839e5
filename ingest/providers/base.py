"""What every source of market data looks like to the loader: it is asked for symbols and dates, and knows no SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Protocol

from ingest.rows import CorporateAction, PriceBar, Profile, RejectedRow


class Outcome(StrEnum):
    """How a source answered for one symbol."""

    OK = "ok"
    NOTHING_IN_RANGE = "nothing in range"
    NOT_FOUND = "not found"
    BAD_DATA = "bad data"


class Want(NamedTuple):
    """One symbol, from the first to the last session that is wanted, both included."""

    symbol: str
    first: date
    last: date


class Answer(NamedTuple):
    """The outcome for one symbol, and what a person should know about it."""

    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} ({self.detail})" if self.detail else str(self.outcome)


@dataclass
class PriceReply:
    """Bars as traded and corporate actions, in any order; an answer for every symbol that was asked for.

    `rejected` are rows that could not be read; `problems` are lines about the source as a whole.
    """

    bars: list[PriceBar] = field(default_factory=list)
    actions: list[CorporateAction] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class ProfileReply:
    """Profiles of those symbols that the source has one for."""

    profiles: list[Profile] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Provider(Protocol):
    """A source of market data. Trouble with one symbol, or with the source, is in the reply and never raised.

    `name` is what the column `source` of every stored row says, `label` how summaries and errors call it.
    Symbols are canonical (`ingest.symbols`) on both sides: a source's own spelling stays inside its module.
    """

    name: str
    label: str

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Return bars and actions dated within each symbol's range, and nothing outside of it."""
        ...

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Return the profiles it has of these symbols."""
        ...
