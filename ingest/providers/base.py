"""What every source of market data looks like to the loader: it is asked for symbols and dates, and knows no SQL."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Protocol

from ingest.rows import CorporateAction, EarningsDate, Estimate, PriceBar, Profile, RejectedRow, SectorWeight, Statement


class Outcome(StrEnum):
    """How a source answered for one symbol. Only the first three are answers about the symbol; the rest is trouble."""

    OK = "ok"
    NOTHING_IN_RANGE = "nothing in range"
    NOT_FOUND = "not found"
    BAD_DATA = "bad data"
    RATE_LIMITED = "rate limited"
    REFUSED = "refused"  # by the key or the plan
    UNREACHABLE = "unreachable"  # timeouts, dropped connections, 5xx, after the retries
    NOT_ASKED = "not asked"  # not this source's kind of symbol, or its turn did not come: later nights ask again


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
class Usage:
    """What a source has cost so far: requests sent, retries among them."""

    requests: int = 0
    retries: int = 0


class Restating(NamedTuple):
    """A span of days whose bars a source shows in today's shares, and the splits that it tells through today.

    `splits` are as the source tells them: doubled, moved or not in its closes yet, it may be. Those of another kind
    (SPINOFF) restate too, and give no shares of the symbol.
    """

    first: date
    last: date
    splits: list[CorporateAction]


@dataclass
class PriceReply:
    """Bars and corporate actions, in any order; an answer for every symbol that was asked for.

    Bars and dividends are as traded, but for the symbols in `restated`: theirs are in today's shares. `first_traded`
    is when a symbol began to trade, where the source says so. `rejected` are rows that could not be read; `problems`
    are lines about the source as a whole.
    """

    bars: list[PriceBar] = field(default_factory=list)
    actions: list[CorporateAction] = field(default_factory=list)
    restated: dict[str, list[Restating]] = field(default_factory=dict)
    first_traded: dict[str, date] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class ProfileReply:
    """Profiles of those symbols that the source has one for.

    `answers` tells of the others why not; a symbol without one counts as not known to the source, unless there are
    `problems`.
    """

    profiles: list[Profile] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass
class FundSectorsReply:
    """The sectors of those funds that the source knows them of; the terms are those of `ProfileReply`."""

    weights: list[SectorWeight] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)


class Part(NamedTuple):
    """One part of a company's fundamentals: a statement (income, balance, cash_flow) of one frequency, or a list."""

    kind: str
    frequency: str = ""

    def __str__(self) -> str:
        return f"{self.frequency} {self.kind}".strip().replace("_", " ")


STATEMENTS = tuple(
    Part(kind, frequency) for kind in ("income", "balance", "cash_flow") for frequency in ("annual", "quarterly")
)
ESTIMATES = Part("estimates")
EARNINGS = Part("earnings dates")
ALL_PARTS = frozenset((*STATEMENTS, ESTIMATES, EARNINGS))


@dataclass
class FundamentalsReply:
    """Statements, estimates and earnings dates; an answer for every symbol that was asked for.

    Where there was trouble with a part of a symbol, the answer is that trouble, and the parts that came are there all
    the same. What the plan leaves out for every symbol is no trouble of this one, and told once in `problems`.
    """

    statements: list[Statement] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    earnings: list[EarningsDate] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Provider(Protocol):
    """A source of market data. Trouble with one symbol, or with the source, is in the reply and never raised.

    `name` is what the column `source` of every stored row says, `label` how summaries and errors call it.
    Symbols are canonical (`ingest.symbols`) on both sides: a source's own spelling stays inside its module.
    `overlap_sessions` is how many of the last stored sessions are asked again each night; None: all of them, for a
    source that costs nothing. `usage` counts what its calls have cost since it was made.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def overlap_sessions(self) -> int | None: ...  # noqa: D102
    @property
    def usage(self) -> Usage: ...  # noqa: D102

    def declines(self, symbol: str) -> str | None:
        """Return why this source is never asked for a symbol (an option at a source of stocks), None where it is."""
        ...

    def probe(self) -> Answer:
        """Ask for one symbol that must be there: whether the source can be believed when it says that it has none."""
        ...

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Return bars and actions dated within each symbol's range, and nothing outside of it."""
        ...

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Return the profiles it has of these symbols."""
        ...


class FundProvider(Provider, Protocol):
    """A source of market data that can say what funds hold."""

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Return the sector weights of those of these symbols that are funds, as shares of the whole fund."""
        ...


class FundamentalsProvider(Protocol):
    """A source of fundamentals; the terms are those of `Provider`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def usage(self) -> Usage: ...  # noqa: D102

    def probe(self) -> Answer:
        """Ask for one symbol that must be there."""
        ...

    def fetch_fundamentals(self, wants: Mapping[str, AbstractSet[Part]]) -> FundamentalsReply:
        """Return what the source has of the parts wanted of each symbol; nothing at all is NOTHING_IN_RANGE."""
        ...
