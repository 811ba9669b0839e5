"""What is known before the sources are asked for prices, and what they have answered besides them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime

from ingest.market.store import AcceptedRow, StoredBar
from ingest.providers.base import Answer
from ingest.rows import RejectedRow
from ingest.sources.fetch_state import Covered, FetchState

# A whole history costs as much as a new symbol; a source in trouble might ask for all of them at once.
MOST_REFETCHES = 50


@dataclass
class Knowledge:
    """What is known when the sources are asked for some symbols.

    Attributes:
        sessions: the trading sessions up to the end of the run.
        calendar: the same, in order.
        today: the date in New York; a price of a later date cannot be true.
        now: the moment of the run.
        fetch_states: what each live source answered before, by source and symbol.
        accepted: refused rows that a person has accepted.
        read_history: all bars that are stored of some symbols, by symbol.
        refetches_left: how many whole histories may still be fetched again in this run.
    """

    sessions: AbstractSet[date]
    calendar: Sequence[date]
    today: date
    now: datetime
    fetch_states: Mapping[str, Mapping[str, FetchState]] = field(default_factory=dict)
    accepted: Sequence[AcceptedRow] = ()
    read_history: Callable[[Sequence[str]], Mapping[str, dict[date, StoredBar]]] = lambda symbols: {}
    refetches_left: int = MOST_REFETCHES  # decreases as the sources are asked


@dataclass
class Collected:
    """What the sources answered besides bars and actions: for the quarantine, the report and `ops.fetch_state`."""

    rejected: list[RejectedRow] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, dict[str, Answer]] = field(default_factory=lambda: defaultdict(dict))
    covered: dict[str, dict[str, Covered]] = field(default_factory=lambda: defaultdict(dict))
    refetched: dict[str, str] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    used_up: list[AcceptedRow] = field(default_factory=list)
    without_session: Counter[str] = field(default_factory=Counter)
