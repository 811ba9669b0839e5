"""Symbols that a source calls otherwise, with the time for which it does: `symbol_aliases.csv`, and its use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ingest.books.cells import one_of, parse_date
from ingest.books.csv_files import Column, CsvFile, read_csv
from ingest.providers.base import (
    Answer,
    FundamentalsReply,
    FundSectorsReply,
    Outcome,
    Part,
    PriceReply,
    ProfileReply,
    Restating,
    Usage,
    Want,
)
from ingest.symbols import canonical_symbol
from warehouse.errors import BadInput

ALIASES = Path(__file__).with_name("symbol_aliases.csv")
NAMED_PROVIDERS = ("yahoo", "fmp", "polygon", "files")

_COLUMNS = (
    Column("symbol", canonical_symbol),
    Column("provider", lambda text: one_of(*(name.upper() for name in NAMED_PROVIDERS))(text).lower()),
    Column("provider_symbol", canonical_symbol),
    Column("valid_from", parse_date, optional=True, default=date.min),
    Column("valid_to", parse_date, optional=True, default=date.max),
)


class Alias(NamedTuple):
    """A symbol that one source calls `provider_symbol`, from the first to the last day, both included."""

    symbol: str
    provider: str
    provider_symbol: str
    valid_from: date
    valid_to: date


def read_aliases(path: Path = ALIASES) -> list[Alias]:
    """Read the file of aliases.

    Raises:
        BadInput: with every `file:line: column: what is wrong`.
    """
    read = read_csv(path, path.name, _COLUMNS)
    aliases: list[Alias] = []
    for row in read.rows:
        if not row.bad:
            alias = Alias(**row.cells)
            _check(alias, aliases, row.line, read)
            aliases.append(alias)
    if read.problems:
        raise BadInput([str(problem) for problem in read.problems])
    return aliases


def _check(alias: Alias, others: Sequence[Alias], line: int, read: CsvFile) -> None:
    if alias.valid_from > alias.valid_to:
        read.report(line, "valid_to", f"{alias.valid_to} is before valid_from, {alias.valid_from}")
    if alias.symbol == alias.provider_symbol:
        advice = f"name what {alias.provider} calls it, or leave the row out"
        read.report(line, "provider_symbol", f"{alias.symbol} is the symbol itself: {advice}")
    for other in others:
        same = (other.symbol, other.provider) == (alias.symbol, alias.provider)
        if same and alias.valid_from <= other.valid_to and other.valid_from <= alias.valid_to:
            what = f"{alias.symbol} is {other.provider_symbol} at {alias.provider} for a part of that time already"
            read.report(line, "valid_from", what)


class _Named(NamedTuple):
    """A part of a want, as its source calls it."""

    symbol: str
    asked: Want


@dataclass
class Aliased:
    """A provider of prices or fundamentals that is asked for symbols by its own names for them, and answers by ours.

    A want is cut at the dates where the name changes; outside of all aliases a symbol is called what it is.
    """

    provider: Any  # Provider, FundamentalsProvider, or both
    aliases: Sequence[Alias]

    def __post_init__(self) -> None:
        self.name, self.label = self.provider.name, self.provider.label
        self.overlap_sessions = getattr(self.provider, "overlap_sessions", None)
        self._by_symbol: defaultdict[str, list[Alias]] = defaultdict(list)
        for alias in self.aliases:
            if alias.provider == self.provider.name:
                self._by_symbol[alias.symbol].append(alias)

    @property
    def usage(self) -> Usage:
        """What the provider has cost."""
        return self.provider.usage

    def declines(self, symbol: str) -> str | None:
        """Return what the provider says to it, by its own name for it."""
        aliases = self._by_symbol.get(symbol)
        return self.provider.declines(aliases[-1].provider_symbol if aliases else symbol)

    def probe(self) -> Answer:
        """Probe the provider."""
        return self.provider.probe()

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Fetch each symbol's parts by the names they have; what is rejected keeps the provider's name."""
        parts = [part for want in wants for part in self._parts(want)]
        merged: dict[str, Want] = {}
        for _, asked in parts:
            before = merged.get(asked.symbol, asked)
            merged[asked.symbol] = Want(asked.symbol, min(before.first, asked.first), max(before.last, asked.last))
        theirs = self.provider.fetch_prices(list(merged.values()))
        called: defaultdict[str, list[_Named]] = defaultdict(list)
        answers: dict[str, Answer] = {}
        for part in parts:
            called[part.asked.symbol].append(part)
            answer = theirs.answers[part.asked.symbol]
            if part.symbol not in answers or answer.outcome == Outcome.OK:
                answers[part.symbol] = answer
        reply = PriceReply(answers=answers, problems=theirs.problems)
        for bar in theirs.bars:
            for symbol, asked in called[bar.symbol]:
                if asked.first <= bar.price_date <= asked.last:
                    reply.bars.append(bar._replace(symbol=symbol))
        for action in theirs.actions:
            for symbol, asked in called[action.symbol]:
                if asked.first <= action.ex_date <= asked.last:
                    reply.actions.append(action._replace(symbol=symbol))
        for symbol, asked in parts:
            for span in theirs.restated.get(asked.symbol, ()):
                first, last = max(span.first, asked.first), min(span.last, asked.last)
                if first <= last:
                    reply.restated.setdefault(symbol, []).append(Restating(first, last, span.splits))
            if began := theirs.first_traded.get(asked.symbol):
                reply.first_traded[symbol] = min(began, reply.first_traded.get(symbol, began))
        for row in theirs.rejected:
            named = called.get(row.symbol) or [_Named(row.symbol, Want(row.symbol, date.min, date.max))]
            reply.rejected += [row._replace(symbol=symbol) for symbol, _ in named]
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Fetch the profiles of what bears these symbols, or another name for them without an end."""
        called = {symbol: self._now(symbol) for symbol in symbols}
        theirs = self.provider.fetch_profiles(list(dict.fromkeys(called.values())))
        profiles = {profile.symbol: profile for profile in theirs.profiles}
        return replace(
            theirs,
            profiles=[profiles[name]._replace(symbol=symbol) for symbol, name in called.items() if name in profiles],
            answers={symbol: theirs.answers[name] for symbol, name in called.items() if name in theirs.answers},
        )

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Fetch the sectors of what bears these symbols now; a source that knows no funds has none."""
        if not hasattr(self.provider, "fetch_fund_sectors"):
            return FundSectorsReply()
        called = {symbol: self._now(symbol) for symbol in symbols}
        theirs = self.provider.fetch_fund_sectors(list(dict.fromkeys(called.values())))
        return replace(
            theirs,
            weights=[
                row._replace(symbol=symbol)
                for symbol, name in called.items()
                for row in theirs.weights
                if row.symbol == name
            ],
            answers={symbol: theirs.answers[name] for symbol, name in called.items() if name in theirs.answers},
        )

    def fetch_fundamentals(self, wants: Mapping[str, AbstractSet[Part]]) -> FundamentalsReply:
        """Fetch the fundamentals of what bears these symbols now; a name that has ended says nothing of them."""
        called = {symbol: self._now(symbol) for symbol in wants}
        asked: dict[str, AbstractSet[Part]] = {}
        for symbol, parts in wants.items():
            asked[called[symbol]] = asked.get(called[symbol], frozenset()) | parts
        theirs = self.provider.fetch_fundamentals(asked)
        ours: defaultdict[str, list[str]] = defaultdict(list)
        for symbol, name in called.items():
            ours[name].append(symbol)
        return replace(
            theirs,
            statements=[row._replace(symbol=symbol) for row in theirs.statements for symbol in ours[row.symbol]],
            estimates=[row._replace(symbol=symbol) for row in theirs.estimates for symbol in ours[row.symbol]],
            earnings=[row._replace(symbol=symbol) for row in theirs.earnings for symbol in ours[row.symbol]],
            answers={symbol: theirs.answers[name] for symbol, name in called.items()},
        )

    def _now(self, symbol: str) -> str:
        lasting = (alias for alias in self._by_symbol.get(symbol, ()) if alias.valid_to == date.max)
        return next((alias.provider_symbol for alias in lasting), symbol)

    def _parts(self, want: Want) -> list[_Named]:
        """Cut a want at the dates where its name changes."""
        parts = []
        begins = want.first
        for alias in sorted(self._by_symbol.get(want.symbol, ()), key=lambda alias: alias.valid_from):
            first, last = max(want.first, alias.valid_from), min(want.last, alias.valid_to)
            if first > last:
                continue
            if begins < first:
                parts.append(_Named(want.symbol, Want(want.symbol, begins, first - timedelta(days=1))))
            parts.append(_Named(want.symbol, Want(alias.provider_symbol, first, last)))
            begins = last + timedelta(days=1) if last < want.last else date.max
        if begins <= want.last:
            parts.append(_Named(want.symbol, Want(want.symbol, begins, want.last)))
        return parts
