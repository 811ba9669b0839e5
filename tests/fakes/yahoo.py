"""Yahoo Finance as the real yfinance knows it: cookie, crumb, charts, quote summaries, fundamentals, earnings dates.

Prices are served restated: open to close in the newest shares, adjusted closes after dividends too, dividends in the
newest shares. A company's other data is in `modules`, `statements` and `earnings`, by symbol.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.market import Bar, Listing
from tests.fakes.net import Reply, Request, sample

HOSTS = r"\.yahoo\.com$"
CHART = r"/v8/finance/chart/"
SUMMARY = r"/v10/finance/quoteSummary/"
CRUMB = r"/getcrumb$"
TIMESERIES = r"/ws/fundamentals-timeseries/"

_VALID_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_SESSIONS_IN_RANGE = {"1d": 1, "5d": 5, "1mo": 22, "3mo": 66, "6mo": 130, "1y": 260}
_PERIOD_TYPES = {"annual": "12M", "quarterly": "3M", "trailing": "TTM"}


class FakeYahoo:
    """The app for HOSTS; symbols in Yahoo's spelling (BRK-B).

    `modules[symbol]` are modules of quoteSummary, by name; `statements[symbol]` are time series, as in
    {"annualTotalRevenue": {"2025-09-30": 416e9}}; `earnings[symbol]` rows of the earnings page, as in
    ("October 30, 2025 at 4 PM EDT", estimate, actual, surprise). `live[symbol]` is a row of a session that goes on,
    or a second one of the last.
    """

    def __init__(self, listings: Iterable[Listing] = ()) -> None:
        self.listings: dict[str, Listing] = {}
        self.modules: dict[str, dict[str, Any]] = {}
        self.statements: dict[str, dict[str, dict[str, float]]] = {}
        self.earnings: dict[str, list[tuple[str, float | None, float | None, float | None]]] = {}
        self.live: dict[str, tuple[datetime, Bar]] = {}
        self.dividend_currency: dict[str, str] = {}
        self.capital_gains: dict[str, dict[date, float]] = {}
        self.cookie = "d=FAKEA3"
        self.crumb = "fAkE.Crumb1"
        for listing in listings:
            self.add(listing)

    def add(self, listing: Listing) -> Listing:
        """List a symbol."""
        self.listings[listing.symbol] = listing
        return listing

    def __call__(self, request: Request) -> Reply:
        path, symbol = request.path, request.path.rsplit("/", 1)[1]
        if request.host == "fc.yahoo.com":
            cookie = f"A3={self.cookie}; Max-Age=31557600; Domain=.yahoo.com; Path=/; Secure; HttpOnly"
            return Reply(404, "", "text/html", (("Set-Cookie", cookie),))  # which is how the real one gives it
        if path.endswith("/getcrumb"):
            return (
                Reply(200, self.crumb, "text/plain")
                if self._knows(request)
                else sample("yahoo_crumb_missing_cookie.401.json")
            )
        if path.startswith("/v8/finance/chart/"):
            return self._chart(request, symbol)
        if path.startswith("/ws/fundamentals-timeseries/"):
            return self._timeseries(request, symbol)
        if path == "/calendar/earnings":
            return self._earnings_page(request)
        if path.startswith(("/v10/finance/quoteSummary/", "/v7/finance/quote")):
            if not self._knows(request) or request.arg("crumb") != self.crumb:
                return sample("yahoo_invalid_crumb.401.json")
            return self._summary(request, symbol) if path.startswith("/v10") else self._quote(request)
        return _error(404, "finance", "Not Found", "HTTP 404 Not Found")

    def _knows(self, request: Request) -> bool:
        return f"A3={self.cookie}" in request.headers.get("cookie", "")

    def _chart(self, request: Request, symbol: str) -> Reply:
        listing = self.listings.get(symbol)
        if listing is None:
            return sample("yahoo_chart_unknown.404.json")
        first, end = _span(request, listing)
        bars = {_opening(listing, day): bar for day, bar in listing.split_adjusted().items()}
        adjusted = {_opening(listing, day): factor for day, factor in listing.dividend_factors().items()}
        rows = [(at, bar, bar and bar.close * adjusted[at]) for at, bar in bars.items() if first <= at < end]
        if symbol in self.live:
            # Yahoo puts it at the end, even if it is later than the range.
            now, bar = self.live[symbol]
            rows.append((int(now.timestamp()), bar, bar.close))
        quote, adjusted_closes = {}, {}
        if rows:
            quote = {
                name: [bar and getattr(bar, name) for _, bar, _ in rows]
                for name in ("open", "high", "low", "close", "volume")
            }
            adjusted_closes = {"adjclose": [close for *_, close in rows]}
        result = {
            "meta": self._meta(listing, request),
            "indicators": {"quote": [quote], "adjclose": [adjusted_closes]},
        }
        if rows:
            result["timestamp"] = [at for at, *_ in rows]
        if events := self._events(listing, first, end):
            result["events"] = events
        return Reply(body={"chart": {"result": [result], "error": None}})

    def _events(self, listing: Listing, first: int, end: int) -> dict[str, dict[str, dict[str, object]]]:
        paid_in = self.dividend_currency.get(listing.symbol)
        currency = {"currency": paid_in} if paid_in else {}
        kinds = {
            "dividends": {
                day: {"amount": amount * listing.factor(day), **currency} for day, amount in listing.dividends.items()
            },
            "splits": {
                day: {"numerator": float(new), "denominator": float(old), "splitRatio": f"{new:g}:{old:g}"}
                for day, (new, old) in listing.splits.items()
            },
            "capitalGains": {
                day: {"amount": amount} for day, amount in self.capital_gains.get(listing.symbol, {}).items()
            },
        }
        within = {
            kind: {
                str(at): {"date": at, **event}
                for day, event in events.items()
                if first <= (at := _opening(listing, day)) < end
            }
            for kind, events in kinds.items()
        }
        return {kind: events for kind, events in within.items() if events}

    def _meta(self, listing: Listing, request: Request) -> dict[str, object]:
        now = datetime.now(ZoneInfo(listing.time_zone))
        offset = {"timezone": now.tzname(), "gmtoffset": int(now.utcoffset().total_seconds())}
        last = max(listing.bars)
        hours = {"pre": ((4, 0), listing.opens_at), "regular": (listing.opens_at, listing.closes_at)}
        hours["post"] = (listing.closes_at, (20, 0))
        return {
            "currency": listing.currency,
            "symbol": listing.symbol,
            "exchangeName": listing.exchange,
            "fullExchangeName": listing.exchange,
            "instrumentType": listing.quote_type,
            "firstTradeDate": _opening(listing, listing.first_traded or min(listing.bars)),
            "regularMarketTime": _instant(listing, last, listing.closes_at),
            "hasPrePostMarketData": True,
            **offset,
            "exchangeTimezoneName": listing.time_zone,
            "regularMarketPrice": listing.bars[last] and listing.bars[last].close,
            "longName": listing.name,
            "shortName": listing.name,
            "priceHint": 2,
            "currentTradingPeriod": {
                part: {"start": _instant(listing, last, start), "end": _instant(listing, last, end), **offset}
                for part, (start, end) in hours.items()
            },
            "dataGranularity": request.arg("interval"),
            "range": request.arg("range"),
            "validRanges": _VALID_RANGES,
        }

    def _summary(self, request: Request, symbol: str) -> Reply:
        listing = self.listings.get(symbol)
        if listing is None:
            return _error(404, "quoteSummary", "Not Found", f"Quote not found for symbol: {symbol}")
        quote_type = {
            "symbol": symbol,
            "quoteType": listing.quote_type,
            "longName": listing.name,
            "shortName": listing.name,
            "exchange": listing.exchange,
            "timeZoneFullName": listing.time_zone,
            "maxAge": 1,
        }
        modules = {"quoteType": quote_type, **self.modules.get(symbol, {})}
        found = {name: modules[name] for name in request.arg("modules").split(",") if name in modules}
        if not found:
            return _error(404, "quoteSummary", "Not Found", f"No fundamentals data found for symbol: {symbol}")
        return Reply(body={"quoteSummary": {"result": [found], "error": None}})

    def _quote(self, request: Request) -> Reply:
        known = [self.listings[name] for name in request.arg("symbols").split(",") if name in self.listings]
        quotes = [
            {
                "symbol": listing.symbol,
                "quoteType": listing.quote_type,
                "currency": listing.currency,
                "exchange": listing.exchange,
                "longName": listing.name,
                "regularMarketPrice": next(bar.close for bar in reversed(list(listing.bars.values())) if bar),
                "marketState": "CLOSED",
                "exchangeTimezoneName": listing.time_zone,
            }
            for listing in known
        ]
        return Reply(body={"quoteResponse": {"result": quotes, "error": None}})

    def _timeseries(self, request: Request, symbol: str) -> Reply:
        summary = self.modules.get(symbol, {}).get("financialData", {})
        currency = summary.get("financialCurrency", "USD")
        series = [
            _series(symbol, name, self.statements.get(symbol, {}).get(name), currency)
            for name in request.arg("type").split(",")
        ]
        return Reply(body={"timeseries": {"result": series, "error": None}})

    def _earnings_page(self, request: Request) -> Reply:
        symbol, offset, size = request.arg("symbol"), int(request.arg("offset", "0")), int(request.arg("size", "25"))
        rows = self.earnings.get(symbol, [])[offset : offset + size]
        if not rows:
            return Reply(body="<html><body>No results</body></html>", content_type="text/html")
        names = ("Symbol", "Company", "Earnings Date", "EPS Estimate", "Reported EPS", "Surprise (%)")
        head = "".join(f"<th>{name}</th>" for name in names)
        lines = "".join(
            "<tr>" + "".join(f"<td>{'-' if cell is None else cell}</td>" for cell in (symbol, symbol, *row)) + "</tr>"
            for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
        return Reply(body=f"<html><body>{table}</body></html>", content_type="text/html")


def raw(value: float) -> dict[str, object]:
    """Write a figure as Yahoo's modules do."""
    return {"raw": value, "fmt": str(value)}


def _error(status: int, kind: str, code: str, description: str) -> Reply:
    return Reply(status, {kind: {"result": None, "error": {"code": code, "description": description}}})


def _instant(listing: Listing, day: date, clock: tuple[int, int]) -> int:
    at = datetime(day.year, day.month, day.day, *clock, tzinfo=ZoneInfo(listing.time_zone))
    return int(at.timestamp())


def _opening(listing: Listing, day: date) -> int:
    return _instant(listing, day, listing.opens_at)


def _span(request: Request, listing: Listing) -> tuple[int, int]:
    """Return the first instant that is asked for and the one after the last."""
    if "period1" in request.query:
        return int(request.arg("period1")), int(request.arg("period2"))
    days = sorted(listing.bars)[-_SESSIONS_IN_RANGE.get(request.arg("range", "1mo"), 10**6) :]
    return _opening(listing, days[0]), 2**40


def _series(symbol: str, name: str, points: dict[str, float] | None, currency: str) -> dict[str, object]:
    series: dict[str, object] = {"meta": {"symbol": [symbol], "type": [name]}}
    if points:
        period = next((code for prefix, code in _PERIOD_TYPES.items() if name.startswith(prefix)), "TTM")
        days = sorted(points)
        series["timestamp"] = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in days]
        series[name] = [
            {"asOfDate": day, "periodType": period, "currencyCode": currency, "reportedValue": raw(points[day])}
            for day in days
        ]
    return series
