"""Nights of the real clients on the fakes of Yahoo and FMP, and what is stored after them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from math import prod
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from ingest.market.collection import collect_market_data
from ingest.market.report import MarketDataReport
from ingest.providers.base import Provider
from ingest.providers.fmp import FmpProvider
from ingest.providers.fmp_client import FmpClient
from ingest.providers.http import Pace
from ingest.providers.limits import Deadline
from ingest.providers.yahoo import YahooProvider
from ingest.providers.yahoo_client import YahooClient, YahooPace
from tests.fakes import fmp as fake_fmp
from tests.fakes.fmp import FakeFmp
from tests.fakes.market import Listing, bars_of
from tests.fakes.yahoo import FakeYahoo
from tests.ingest.market_book import Book, define_factors
from warehouse.sessions import sessions_between

SYMBOL = "XYZ"
HISTORY = 60
_MEMORY = ("raw.market_data_cache", "raw.corporate_actions", "raw.corporate_action_claims", "ops.rejected_rows")


class Nights:
    """A symbol's closes as traded, what the sources make of them, and nights on which they are asked."""

    def __init__(self, conn: Any, sessions: Sequence[date], yahoo: FakeYahoo, fmp: FakeFmp | None = None) -> None:
        self.conn, self.sessions, self.yahoo, self.fmp = conn, sessions, yahoo, fmp
        self.true: dict[date, float] = {}
        steady = bars_of(dict.fromkeys(sessions, 500.0))
        yahoo.add(Listing("SPY", dict(steady)))
        if fmp:
            for symbol in ("SPY", "AAPL"):
                fmp.add(Listing(symbol, dict(steady)))

    def trade(self, closes: Mapping[date, float]) -> None:
        """Let these be the closes of the symbol, as traded."""
        self.true = {day: round(close, 6) for day, close in closes.items()}

    def show(
        self,
        session: date,
        splits: Mapping[date, tuple[float, float]],
        app: FakeYahoo | FakeFmp | None = None,
        **more: Any,
    ) -> Listing:
        """Have a source, Yahoo unless another is named, know the closes up to a session, and these splits."""
        known = bars_of({day: close for day, close in self.true.items() if day <= session})
        return (app or self.yahoo).add(Listing(SYMBOL, dict(known), splits=dict(splits), **more))

    def night(self, session: date) -> MarketDataReport:
        """Ask the sources, as a process of its own would."""
        deadline = Deadline.after(60)
        hasty = YahooPace(backoff_seconds=0.001, limited_seconds=0.001)
        providers: list[Provider] = [YahooProvider(YahooClient(1e6, deadline, hasty), session)]
        if self.fmp:
            client = FmpClient(
                SecretStr(fake_fmp.KEY),
                "https://financialmodelingprep.com/stable",
                per_minute=1e6,
                deadline=deadline,
                pace=Pace(backoff_seconds=0.001, limited_seconds=0.001),
            )
            providers.append(FmpProvider(client, session))
        now = datetime.combine(session, time(18, 30), ZoneInfo("America/New_York"))
        return collect_market_data(
            self.conn, providers, session, session, history_sessions=HISTORY, today=session, now=now
        )

    def forget(self) -> None:
        """Forget all that was ever told of prices and actions."""
        for table in _MEMORY:
            self.conn.execute(f"delete from {table}")
        self.conn.execute("delete from ops.fetch_state")

    def closes(self) -> dict[date, float]:
        """The stored closes of the symbol."""
        query = "select price_date, close::float8 from raw.market_data_cache where symbol = %s order by 1"
        return dict(self.conn.execute(query, [SYMBOL]).fetchall())

    def actions(self, kind: str = "SPLIT") -> list[tuple[date, float]]:
        """The believed splits, or dividends."""
        query = (
            "select ex_date, value::float8 from raw.corporate_actions where symbol = %s and action_type = %s order by 1"
        )
        return self.conn.execute(query, [SYMBOL, kind]).fetchall()

    def shares(self, held: float, since: date, until: date | None = None) -> float:
        """What so many shares held at the close of a day have become."""
        return held * prod(value for day, value in self.actions() if since < day <= (until or date.max))

    def told(self, report: MarketDataReport, *words: str) -> bool:
        """Whether one warning has all these words in it."""
        lines = [f"{scope}: {message}" for scope, message in report.warnings()]
        return any(all(word in line for word in words) for line in lines)


def begin_nights(conn: Any, yahoo: FakeYahoo, fmp: FakeFmp | None = None) -> Nights:
    """Nights on a book that holds the symbol; none has been yet."""
    define_factors(conn)
    sessions = sessions_between(conn, date(2025, 5, 1), date(2025, 10, 15))
    Book(conn, inception=f"{sessions[HISTORY]}").lot(SYMBOL, f"{sessions[HISTORY]}")
    return Nights(conn, sessions, yahoo, fmp)
