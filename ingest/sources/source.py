"""A provider in the course of one run: whether it can be asked, and what it has cost."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from ingest.providers.base import (
    Answer,
    FundProvider,
    FundSectorsReply,
    Outcome,
    PriceReply,
    ProfileReply,
    Provider,
    Want,
)
from ingest.sources.tally import ProviderTally
from warehouse.errors import UserError


@dataclass
class Source:
    """A provider at its place in the chain. A live one costs requests; files cost nothing and are always there."""

    provider: Provider
    place: int
    tally: ProviderTally
    _probed: Answer | None = None

    @property
    def name(self) -> str:
        """What the stored rows say that they come from."""
        return self.provider.name

    @property
    def label(self) -> str:
        """What people call it."""
        return self.provider.label

    @property
    def is_live(self) -> bool:
        """Whether asking costs something, so that only what is needed is asked for."""
        return self.provider.overlap_sessions is not None

    @property
    def overlap(self) -> int:
        """How many of the last stored sessions are asked for again."""
        return self.provider.overlap_sessions or 0

    def standing(self) -> Answer:
        """Return how it answered for a symbol that must be there; it is asked that once, when it is first needed."""
        if self._probed is None:
            with self._counted():
                try:
                    self._probed = self.provider.probe()
                except UserError as error:
                    # This source cannot work on this machine. The others can.
                    self._probed = Answer(Outcome.REFUSED, str(error))
        return self._probed

    @property
    def is_up(self) -> bool:
        """Whether it can be believed when it says that it has nothing."""
        return self.standing().outcome == Outcome.OK

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Ask for prices, and count what that took."""
        with self._counted():
            return self.provider.fetch_prices(wants)

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Ask for profiles, and count what that took."""
        with self._counted():
            return self.provider.fetch_profiles(symbols)

    @property
    def knows_funds(self) -> bool:
        """Whether it can say what funds hold."""
        return hasattr(self.provider, "fetch_fund_sectors")

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Ask for the sectors of funds, of a source that knows them, and count what that took."""
        with self._counted():
            return cast(FundProvider, self.provider).fetch_fund_sectors(symbols)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        usage = self.provider.usage
        started, requests, retries = time.monotonic(), usage.requests, usage.retries
        try:
            yield
        finally:
            self.tally.seconds += time.monotonic() - started
            self.tally.requests += usage.requests - requests
            self.tally.retries += usage.retries - retries


def make_sources(providers: Sequence[Provider]) -> list[Source]:
    """Return the providers at their places, with nothing counted yet."""
    return [Source(provider, place, ProviderTally(provider.label)) for place, provider in enumerate(providers)]
