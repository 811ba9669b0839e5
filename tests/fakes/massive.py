"""Massive, once Polygon: daily bars of options, contracts page by page, five requests a minute and no more."""

import base64
import re
import time
from collections import deque
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.market import Bar
from tests.fakes.net import Reply, Request, sample

HOSTS = r"api\.(polygon\.io|massive\.com)$"
KEY = "polygon-key-of-the-tests"

_NEW_YORK = ZoneInfo("America/New_York")
_OPTION = re.compile(r"O:([A-Z]{1,6}\d?)(\d{6})([CP])(\d{8})")
_AGGREGATES = re.compile(r"/v2/aggs/ticker/([^/]+)/range/1/day/([^/]+)/([^/]+)")
_OPEN_CLOSE = re.compile(r"/v1/open-close/([^/]+)/([^/]+)")
_CONTRACTS = "/v3/reference/options/contracts"


class FakeMassive:
    """The app for HOSTS: `bars[ticker]` by session (O:AAPL270115C00150000), none where the option did not trade.

    `requests` of them are allowed in `seconds`; nothing is told of before `earliest` or from `today` on. Pages hold
    `page` contracts, and name the next page at `next_host`.
    """

    def __init__(
        self,
        bars: dict[str, dict[date, Bar]] | None = None,
        *,
        requests: float = 5,
        seconds: float = 60.0,
        earliest: date = date(1990, 1, 1),
        today: date = date(2999, 1, 1),
        next_host: str = "https://api.polygon.io",
        page: int = 2,
    ) -> None:
        self.bars = bars or {}
        self.requests = requests
        self.seconds = seconds
        self.earliest = earliest
        self.today = today
        self.next_host = next_host
        self.page = page
        self._asked_at: deque[float] = deque()

    def __call__(self, request: Request) -> Reply:
        key = request.arg("apiKey") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key:
            return Reply(401, {"status": "ERROR", "request_id": "1", "error": "API Key was not provided"})
        if key != KEY:
            return sample("massive_bad_key.401.json")
        if self._too_many():
            return sample("massive_ratelimited.429.json")
        if asked := _AGGREGATES.fullmatch(request.path):
            return self._aggregates(asked[1], *map(date.fromisoformat, asked.groups()[1:]), request)
        if asked := _OPEN_CLOSE.fullmatch(request.path):
            return self._open_close(asked[1], date.fromisoformat(asked[2]))
        if request.path == _CONTRACTS:
            return self._contracts(request)
        contract = next(
            (row for row in map(contract_of, self.bars) if request.path == f"{_CONTRACTS}/{row['ticker']}"), None
        )
        if contract:
            return Reply(body={"request_id": "1", "status": "OK", "results": contract})
        return Reply(404, {"request_id": "1", "status": "NOT_FOUND", "message": "Resource not found."})

    def _too_many(self) -> bool:
        now = time.monotonic()
        while self._asked_at and now - self._asked_at[0] > self.seconds:
            self._asked_at.popleft()
        if len(self._asked_at) >= self.requests:
            return True
        self._asked_at.append(now)
        return False

    def _aggregates(self, ticker: str, first: date, last: date, request: Request) -> Reply:
        if last < self.earliest or first >= self.today:
            return sample("massive_timeframe.403.json")
        rows = [
            {
                "v": bar.volume,
                "vw": bar.close,
                "o": bar.open,
                "c": bar.close,
                "h": bar.high,
                "l": bar.low,
                "t": int(datetime(day.year, day.month, day.day, tzinfo=_NEW_YORK).timestamp() * 1000),
                "n": 1,
            }
            for day, bar in sorted(self.bars.get(ticker, {}).items(), reverse=request.arg("sort") == "desc")
            if max(first, self.earliest) <= day <= last
        ]
        body: dict[str, Any] = {
            "ticker": ticker,
            "queryCount": len(rows),
            "resultsCount": len(rows),
            "adjusted": request.arg("adjusted", "true") != "false",
            "status": "OK",
            "request_id": "1",
            "count": len(rows),
        }
        return Reply(body=body | {"results": rows} if rows else body)

    def _open_close(self, ticker: str, day: date) -> Reply:
        bar = self.bars.get(ticker, {}).get(day)
        if bar is None:
            return sample("massive_open_close_no_trade.404.json")
        prices = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume}
        return Reply(body={"status": "OK", "from": day.isoformat(), "symbol": ticker, **prices})

    def _contracts(self, request: Request) -> Reply:
        """Answer a page; the address of the next one holds a cursor and no key."""
        underlying, start = request.arg("underlying_ticker"), 0
        if cursor := request.arg("cursor"):
            underlying, start_text = base64.urlsafe_b64decode(cursor).decode().split(",")
            start = int(start_text)
        rows = [row for row in map(contract_of, self.bars) if underlying in ("", row["underlying_ticker"])]
        end = start + min(int(request.arg("limit", "10")), self.page)
        body: dict[str, Any] = {"results": rows[start:end], "status": "OK", "request_id": "1"}
        if end < len(rows):
            cursor = base64.urlsafe_b64encode(f"{underlying},{end}".encode()).decode()
            body["next_url"] = f"{self.next_host}{_CONTRACTS}?cursor={cursor}"
        return Reply(body=body)


def contract_of(ticker: str) -> dict[str, Any]:
    """Return what the reference endpoint says of an option."""
    root, expiration, letter, strike = _OPTION.fullmatch(ticker).groups()
    return {
        "cfi": f"O{letter}ASPS",
        "contract_type": "call" if letter == "C" else "put",
        "exercise_style": "american",
        "expiration_date": f"20{expiration[:2]}-{expiration[2:4]}-{expiration[4:]}",
        "primary_exchange": "BATO",
        "shares_per_contract": 100,
        "strike_price": int(strike) / 1000,
        "ticker": ticker,
        "underlying_ticker": root,
    }
