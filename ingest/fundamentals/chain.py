"""The sources of fundamentals among those that AFTERCLOSE_PROVIDERS names, in the same order."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date

from ingest.providers.base import Answer, FundamentalsProvider, FundamentalsReply, Part, Usage
from ingest.providers.limits import Deadline
from ingest.sources.aliases import Alias, read_aliases
from warehouse.settings import Settings


def fundamentals_chain(settings: Settings, *, today: date, deadline: Deadline) -> list[FundamentalsProvider]:
    """Build the providers of fundamentals, the first to be asked first: Yahoo, and FMP where it has a key.

    None of them is no error: a folder of files has no fundamentals.

    Args:
        settings: their names, keys, addresses and limits.
        today: the date in New York.
        deadline: when nothing new is asked any more.

    Raises:
        BadInput: what is wrong in the file of symbol aliases.
    """
    named = dict.fromkeys(entry.strip().lower() for entry in settings.providers.split(","))
    chain: list[FundamentalsProvider] = []
    # Imported here: each brings the library that it speaks with.
    for name in named:
        if name == "yahoo":
            from ingest.providers.yahoo_client import YahooClient
            from ingest.providers.yahoo_fundamentals import YahooFundamentals

            chain.append(YahooFundamentals(YahooClient(settings.yahoo_per_minute, deadline), today))
        elif name == "fmp" and settings.fmp_api_key is not None:
            from ingest.providers.fmp_client import FmpClient
            from ingest.providers.fmp_fundamentals import FmpFundamentals

            client = FmpClient(
                settings.fmp_api_key, settings.fmp_url, per_minute=settings.fmp_per_minute, deadline=deadline
            )
            chain.append(FmpFundamentals(client, today))
    if not chain:
        return []
    aliases = read_aliases()
    return [Renamed(provider, lasting_names(aliases, provider.name)) for provider in chain]


def lasting_names(aliases: list[Alias], provider: str) -> dict[str, str]:
    """Return what a source calls symbols now; a name that has ended says nothing of fundamentals, which are of now."""
    return {
        alias.symbol: alias.provider_symbol
        for alias in aliases
        if alias.provider == provider and alias.valid_to == date.max
    }


@dataclass
class Renamed:
    """A provider that is asked for symbols by its own `names` for them, and answers by ours."""

    provider: FundamentalsProvider
    names: Mapping[str, str]

    def __post_init__(self) -> None:
        self.name, self.label = self.provider.name, self.provider.label

    @property
    def usage(self) -> Usage:
        """What the provider has cost."""
        return self.provider.usage

    def probe(self) -> Answer:
        """Probe the provider."""
        return self.provider.probe()

    def fetch_fundamentals(self, wants: Mapping[str, AbstractSet[Part]]) -> FundamentalsReply:
        """Fetch what bears these symbols now."""
        called = {symbol: self.names.get(symbol, symbol) for symbol in wants}
        asked: dict[str, AbstractSet[Part]] = {}
        for symbol, parts in wants.items():
            asked[called[symbol]] = asked.get(called[symbol], frozenset()) | parts
        theirs = self.provider.fetch_fundamentals(asked)
        ours: dict[str, list[str]] = {}
        for symbol, name in called.items():
            ours.setdefault(name, []).append(symbol)
        return replace(
            theirs,
            statements=[row._replace(symbol=symbol) for row in theirs.statements for symbol in ours[row.symbol]],
            estimates=[row._replace(symbol=symbol) for row in theirs.estimates for symbol in ours[row.symbol]],
            earnings=[row._replace(symbol=symbol) for row in theirs.earnings for symbol in ours[row.symbol]],
            answers={symbol: theirs.answers[name] for symbol, name in called.items()},
        )
