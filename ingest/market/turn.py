"""One source's turn with a group of symbols: what it is asked, what it answers, and what is refused of that."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.market.knowledge import Collected, Knowledge
from ingest.market.restated import Kind
from ingest.market.store import json_ready
from ingest.market.symbol_prices import SymbolPrices
from ingest.providers.base import Answer, PriceReply, Want
from ingest.rows import CorporateAction, PriceBar, RejectedRow
from ingest.sources.source import Source


@dataclass
class Turn:
    """A source, the symbols that it may be asked for, and what comes of it.

    Attributes:
        asked: the sessions that it is asked for, by symbol; fixed before it is asked.
        answers: how it answered, by symbol; replaced by what a person should know where a reply is put aside.
        shown: the sound closes of all sessions that it has shown, as traded, by symbol.
        refused: rows for the quarantine.
        spans: the first and the last day that it is asked for, by symbol.
        replaces: the symbols whose stored history is to be replaced, REFETCH or REREAD.
    """

    source: Source
    sources: Sequence[Source]
    symbols: Mapping[str, SymbolPrices]
    known: Knowledge
    collected: Collected
    asked: dict[str, list[date]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    shown: dict[str, dict[date, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    refused: list[RejectedRow] = field(default_factory=list)
    spans: dict[str, tuple[date, date]] = field(default_factory=dict)
    replaces: Mapping[str, Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.earlier = {other.name for other in self.sources[: self.source.place]}
        self.accepted = {
            (row.relation, row.symbol, row.row_date, row.reason): row
            for row in self.known.accepted
            if row.source == self.source.name
        }

    def ask(self, wants: Sequence[Want]) -> PriceReply:
        """Ask the source, and note what is wrong with it as a whole."""
        reply = self.source.fetch_prices(wants)
        self.collected.problems += [(self.source.label, problem) for problem in reply.problems]
        return reply

    def may_answer(self, symbol: str) -> list[date]:
        """Return the sessions of a symbol that this source may still answer for."""
        return self.symbols[symbol].open_sessions(self.source.name, self.earlier)

    def is_accepted(self, row: RejectedRow) -> bool:
        """Whether a person has said of this very row that it is right."""
        found = self.accepted.get((row.relation, row.symbol, row.row_date, row.reason))
        return found is not None and ("history" in row.payload or found.payload == row.payload)

    def refuse_bar(self, bar: PriceBar, reason: str) -> RejectedRow:
        """Return a bar as it goes to the quarantine."""
        return rejected_bar(bar, self.source.name, reason)

    def refuse_action(self, action: CorporateAction, reason: str) -> RejectedRow:
        """Return a split or dividend as it goes to the quarantine."""
        return RejectedRow(
            self.source.name,
            "corporate_actions",
            action.symbol,
            action.ex_date,
            reason,
            json_ready({name: value for name, value in action._asdict().items() if value is not None}),
        )

    def refuse_history(self, symbol: str, closes: Mapping[date, Decimal], reason: str) -> RejectedRow:
        """Return the one row that stands for a reply which is put aside: its closes, beside those that are stored."""
        return rejected_history(self.symbols[symbol], self.source.name, closes, reason)


def rejected_bar(bar: PriceBar, source: str, reason: str) -> RejectedRow:
    """Return a bar as it goes to the quarantine."""
    return RejectedRow(source, "market_data_cache", bar.symbol, bar.price_date, reason, json_ready(bar._asdict()))


def rejected_history(state: SymbolPrices, source: str, closes: Mapping[date, Decimal], reason: str) -> RejectedRow:
    """Return the row that stands for many closes: the last of them, each beside the stored one."""
    by_day: dict[str, object] = {
        day.isoformat(): {"shown": str(close), "stored": str(state.stored[day].close) if day in state.stored else None}
        for day, close in sorted(closes.items())[-10:]
    }
    return RejectedRow(source, "market_data_cache", state.active.symbol, None, reason, {"history": by_day})
