"""The sources of fundamentals among those that AFTERCLOSE_PROVIDERS names, in the same order."""

from datetime import date

from ingest.providers.base import FundamentalsProvider
from ingest.sources.aliases import Aliased, read_aliases
from ingest.sources.clients import Clients


def fundamentals_chain(clients: Clients, *, today: date) -> list[FundamentalsProvider]:
    """Build the providers of fundamentals, the first to be asked first: Yahoo, and FMP where it has a key.

    None of them is no error: a folder of files has no fundamentals.

    Args:
        clients: those of the run, with its settings.
        today: the date in New York.

    Raises:
        BadInput: what is wrong in the file of symbol aliases.
    """
    named = dict.fromkeys(entry.strip().lower() for entry in clients.settings.providers.split(","))
    chain: list[FundamentalsProvider] = []
    # Imported here, because each provider imports the library that it uses.
    for name in named:
        if name == "yahoo":
            from ingest.providers.yahoo_fundamentals import YahooFundamentals

            chain.append(YahooFundamentals(clients.yahoo, today))
        elif name == "fmp" and clients.settings.fmp_api_key is not None:
            from ingest.providers.fmp_fundamentals import FmpFundamentals

            chain.append(FmpFundamentals(clients.fmp, today))
    if not chain:
        return []
    aliases = read_aliases()
    return [Aliased(provider, aliases) for provider in chain]
