"""Financial Modeling Prep: the `stable` endpoints with their silent caps, its plans' gates and its odd errors."""

import re
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from tests.fakes.market import Listing
from tests.fakes.net import JSON, Reply, Request, sample

HOSTS = r"financialmodelingprep\.com$"
KEY = "fmp-key-of-the-tests"

_ROW_CAP = 5000
_STATEMENTS = ("income-statement", "balance-sheet-statement", "cash-flow-statement")
_QUARTERS = ("Q1", "Q2", "Q3", "Q4")
_PRICES = ("open", "high", "low", "close")


class FakeFmp:
    """The app for HOSTS; symbols in FMP's spelling (BRK-B).

    `data[symbol][endpoint]` is what an endpoint answers: a list of rows, or {"annual": rows, "quarter": rows} where it
    has periods; `profile` is a list of one row. `symbol_changes` is of all symbols. Prices, splits and dividends come
    from the listings. The plan:
    symbols in `premium` and endpoints in `restricted` are behind a gate, `largest_limit` is that of the parameter
    limit, and after `daily_quota` requests it says `when_spent`.
    """

    def __init__(
        self,
        listings: Iterable[Listing] = (),
        *,
        premium: Collection[str] = (),
        restricted: Collection[str] = (),
        daily_quota: int = 250,
        largest_limit: int | None = None,
        when_spent: Reply | None = None,
    ) -> None:
        self.listings = {listing.symbol: listing for listing in listings}
        self.data: dict[str, dict[str, Any]] = {}
        self.symbol_changes: list[dict[str, str]] = []
        self.premium = set(premium)
        self.restricted = set(restricted)
        self.quota_left = daily_quota
        self.largest_limit = largest_limit
        self.when_spent = when_spent or sample("fmp_quota.429.json")

    def add(self, listing: Listing) -> Listing:
        """List a symbol."""
        self.listings[listing.symbol] = listing
        return listing

    def __call__(self, request: Request) -> Reply:
        if (request.arg("apikey") or request.headers.get("apikey")) != KEY:
            return sample("fmp_bad_key.401.json")
        if self.quota_left <= 0:
            return self.when_spent
        self.quota_left -= 1
        if request.path.startswith(("/api/v3", "/api/v4")):
            return sample("fmp_legacy_v3.403.json")
        endpoint, symbol = request.path.removeprefix("/stable/"), request.arg("symbol")
        if endpoint in self.restricted:
            return sample("fmp_gate_endpoint.402.txt")
        if endpoint == "batch-quote":
            known = [name for name in request.arg("symbols").split(",") if name in self.listings]
            return Reply(body=[self._quote(name) for name in known])
        if endpoint == "symbol-change":
            return Reply(body=self.symbol_changes)
        if not symbol:
            return sample("fmp_bad_param.400.txt")
        if symbol in self.premium:
            return sample("fmp_gate_symbol.402.txt")
        if self.largest_limit and int(request.arg("limit", "0")) > self.largest_limit:
            return sample("fmp_gate_limit.402.txt")
        return self._endpoint(endpoint, symbol, request)

    def _endpoint(self, endpoint: str, symbol: str, request: Request) -> Reply:
        listing, data = self.listings.get(symbol), self.data.get(symbol, {})
        if listing is None and not data:
            return sample("fmp_unknown_symbol.200.json")
        if listing and endpoint.startswith("historical-price-eod/"):
            return self._prices(listing, endpoint.rsplit("/", 1)[1], request)
        if listing and endpoint == "quote":
            return Reply(body=[self._quote(symbol)])
        if listing and endpoint in ("splits", "dividends"):
            rows = _splits(listing) if endpoint == "splits" else _dividends(listing)
            return Reply(body=rows[: int(request.arg("limit", str(len(rows))))])
        if endpoint == "analyst-estimates" and not request.arg("period"):
            return Reply(400, "Query Error: Invalid or missing query parameter - period", JSON)
        if endpoint in _STATEMENTS and re.match("Q[^1-4]", request.arg("period")):
            return Reply(400, "Query Error: Invalid or missing query parameter - period", JSON)
        rows = data.get(endpoint)
        if isinstance(rows, dict):
            rows = _of_period(rows, request.arg("period", "annual"))
        if rows is None:
            known = endpoint in (*_STATEMENTS, "profile", "earnings", "analyst-estimates", "etf/sector-weightings")
            return Reply(body=[]) if known else sample("fmp_unknown_endpoint.404.json")
        limit = request.arg("limit", "5" if endpoint in _STATEMENTS else str(len(rows)))
        return Reply(body=rows[: int(limit)])

    def _quote(self, symbol: str) -> dict[str, object]:
        bar = next(bar for bar in reversed(list(self.listings[symbol].bars.values())) if bar)
        return {
            "symbol": symbol,
            "name": self.listings[symbol].name,
            "price": bar.close,
            "volume": bar.volume,
            "dayLow": bar.low,
            "dayHigh": bar.high,
            "open": bar.open,
            "exchange": "NASDAQ",
            "timestamp": 1759521601,
        }

    def _prices(self, listing: Listing, basis: str, request: Request) -> Reply:
        """Answer newest first; beyond 5000 rows the oldest are gone without a word."""
        first = date.fromisoformat(request.arg("from", "1900-01-01"))
        last = date.fromisoformat(request.arg("to", "2999-12-31"))
        dividend_factors = listing.dividend_factors()
        rows: list[dict[str, object]] = []
        for day, bar in sorted(listing.bars.items(), reverse=True):
            if bar is None or not first <= day <= last:
                continue
            key, adjusted = {"symbol": listing.symbol, "date": day.isoformat()}, bar.restated(listing.factor(day))
            if basis == "light":
                rows.append({**key, "price": adjusted.close, "volume": adjusted.volume})
            elif basis == "full":
                change = adjusted.close - adjusted.open
                rows.append({**key, **adjusted._asdict(), "change": change, "vwap": adjusted.close})
            elif basis == "non-split-adjusted":
                rows.append(
                    {**key, **{f"adj{name.title()}": getattr(bar, name) for name in _PRICES}, "volume": bar.volume}
                )
            else:
                after_dividends = adjusted.restated(dividend_factors[day])
                prices = {f"adj{name.title()}": getattr(after_dividends, name) for name in _PRICES}
                rows.append({**key, **prices, "volume": adjusted.volume})
        return Reply(body=rows[:_ROW_CAP])


def _splits(listing: Listing) -> list[dict[str, object]]:
    return [
        {
            "symbol": listing.symbol,
            "date": day.isoformat(),
            "numerator": new,
            "denominator": old,
            "splitType": "stock-split",
        }
        for day, (new, old) in sorted(listing.splits.items(), reverse=True)
    ]


def _dividends(listing: Listing) -> list[dict[str, object]]:
    return [
        {
            "symbol": listing.symbol,
            "date": day.isoformat(),
            "recordDate": day.isoformat(),
            "paymentDate": "",
            "declarationDate": "",
            "adjDividend": amount * listing.factor(day),
            "dividend": amount,
            "yield": 0.4,
            "frequency": "Quarterly",
        }
        for day, amount in sorted(listing.dividends.items(), reverse=True)
    ]


def _of_period(rows: dict[str, list[dict[str, Any]]], period: str) -> list[dict[str, Any]]:
    """Return the rows of a period; a word that FMP does not know is taken for annual."""
    if period in _QUARTERS:
        return [row for row in rows.get("quarter", []) if row.get("period") == period]
    return rows.get("quarter" if period == "quarter" else "annual", [])
