"""One client for each vendor and run: its rate limit, its breaker and its session are shared by all that ask of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ingest.providers.limits import Deadline
from warehouse.settings import Settings

if TYPE_CHECKING:
    from ingest.providers.fmp_client import FmpClient
    from ingest.providers.yahoo_client import YahooClient


@dataclass
class Clients:
    """The clients of one run, each made when it is first needed: a limit is a vendor's, and so is a quota used up."""

    settings: Settings
    deadline: Deadline

    # Imported where they are used, because each provider imports the library that it uses.
    @cached_property
    def yahoo(self) -> "YahooClient":
        """Yahoo's."""
        from ingest.providers.yahoo_client import YahooClient

        return YahooClient(self.settings.yahoo_per_minute, self.deadline)

    @cached_property
    def fmp(self) -> "FmpClient":
        """FMP's; there must be a key."""
        from ingest.providers.fmp_client import FmpClient

        assert self.settings.fmp_api_key  # noqa: S101 - who has none is not asked
        return FmpClient(
            self.settings.fmp_api_key,
            self.settings.fmp_url,
            per_minute=self.settings.fmp_per_minute,
            deadline=self.deadline,
        )
