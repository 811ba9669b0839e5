"""A company's fundamentals as the fakes of Yahoo and FMP serve them."""

from datetime import date
from typing import Any

from tests.fakes.fmp import FakeFmp
from tests.fakes.market import Listing, random_walk, weekdays
from tests.fakes.yahoo import FakeYahoo, raw

TODAY = date(2026, 11, 23)
NEXT_REPORT = date(2027, 1, 28)
LAST_REPORT = date(2026, 10, 29)

_FIGURES = {
    "TotalRevenue": 1e11,
    "NetIncome": 24e9,
    "DilutedEPS": 1.6,
    "TotalAssets": 36e10,
    "StockholdersEquity": 7e10,
    "OperatingCashFlow": 3e10,
    "CapitalExpenditure": -3e9,
    # The noise of a binary fraction, which may be missing on the next night.
    "FreeCashFlow": 26999999999.999996,
}
_PERIODS = {
    "annual": ("2023-09-30", "2024-09-30", "2025-09-30", "2026-09-30"),
    "quarterly": ("2025-09-30", "2025-12-31", "2026-03-31", "2026-06-30", "2026-09-30"),
}
# Three statements, each of four years and five quarters.
STATEMENTS_OF_YAHOO = 3 * (4 + 5)


def list_at_yahoo(yahoo: FakeYahoo, symbol: str, currency: str = "USD") -> None:
    """Give Yahoo a company with statements, estimates and earnings dates."""
    yahoo.add(Listing(symbol, random_walk(weekdays(date(2026, 11, 2), 15))))
    yahoo.statements[symbol] = {
        frequency + item: dict.fromkeys(periods, figure)
        for frequency, periods in _PERIODS.items()
        for item, figure in _FIGURES.items()
    }
    yahoo.modules[symbol] = {
        "financialData": {"financialCurrency": currency},
        "earningsTrend": {
            "trend": [
                _trend("0q", "2026-12-31", 2.6, 13e10, currency),
                _trend("0y", "2026-12-31", 8.1, 44e10, currency),
                {"period": "+5y", "endDate": None, "growth": raw(0.1)},
            ]
        },
        # 21:30 in London is 16:30 in New York, and the day after in Tokyo.
        "calendarEvents": {"earnings": {"earningsDate": [raw(1801171800)], "earningsAverage": raw(2.6)}},
    }
    yahoo.earnings[symbol] = [
        ("January 28, 2027 at 4:30 PM EST", 2.6, None, None),
        ("October 29, 2026 at 4 PM EDT", 1.77, 1.85, 4.52),
        ("July 30, 2026 at 4 PM EDT", 1.43, 1.57, 9.5),
    ]


def list_at_fmp(fmp: FakeFmp, symbol: str, currency: str = "USD") -> None:
    """Give FMP a company with a statement of each kind and frequency, estimates and earnings dates."""
    head = {"date": "2026-09-26", "symbol": symbol, "reportedCurrency": currency, "filingDate": "2026-10-30"}
    endpoints = {
        "income-statement": {"revenue": 416161000000, "netIncome": 112010000000, "epsDiluted": 7.46},
        "balance-sheet-statement": {"totalAssets": 359241000000, "totalStockholdersEquity": 73733000000},
        "cash-flow-statement": {"operatingCashFlow": 111482000000, "capitalExpenditure": -12715000000},
    }
    data: dict[str, Any] = {
        endpoint: {"annual": [{**head, "period": "FY", **items}], "quarter": [{**head, "period": "Q4", **items}]}
        for endpoint, items in endpoints.items()
    }
    years = [{"symbol": symbol, "date": f"{year}-09-26", "epsAvg": year / 1000} for year in range(2034, 2023, -1)]
    data["analyst-estimates"] = {"annual": years, "quarter": []}
    data["earnings"] = [
        {"symbol": symbol, "date": "2027-01-28", "epsActual": None, "epsEstimated": 2.6},
        {"symbol": symbol, "date": "2026-10-29", "epsActual": 1.85, "epsEstimated": 1.77},
    ]
    fmp.data[symbol] = data


def _trend(period: str, end: str, eps: float, revenue: float, currency: str) -> dict[str, object]:
    return {
        "maxAge": 1,
        "period": period,
        "endDate": end,
        "earningsEstimate": {"avg": raw(eps), "numberOfAnalysts": raw(28), "earningsCurrency": currency, "low": {}},
        "revenueEstimate": {"avg": raw(revenue), "numberOfAnalysts": raw(27), "revenueCurrency": currency},
        "epsTrend": {"current": raw(eps), "90daysAgo": {}},
    }
