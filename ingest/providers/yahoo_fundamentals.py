"""Yahoo: statements, analysts' estimates and earnings dates, by way of the cookie and crumb that yfinance keeps.

yfinance's own tables of these leave out the currency of the reports, turn empty where one point of a series is null,
take the machine's time zone for a company's and fail on a report at 4:30 PM. So what it would read is read here.
A company costs one request for estimates and the next report, six for its statements and one for its earnings dates.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ingest.providers import json_values
from ingest.providers.base import (
    EARNINGS,
    ESTIMATES,
    STATEMENTS,
    Answer,
    FundamentalsReply,
    Outcome,
    Part,
    Usage,
)
from ingest.providers.http import SourceError, one_line
from ingest.providers.yahoo_client import YahooClient
from ingest.rows import EarningsDate, Estimate, Statement
from ingest.symbols import with_dashed_class

if TYPE_CHECKING:
    import yfinance

CANARY = "AAPL"

_QUERY = "https://query2.finance.yahoo.com"
_TIMESERIES = f"{_QUERY}/ws/fundamentals-timeseries/v1/finance/timeseries"
_SUMMARY = f"{_QUERY}/v10/finance/quoteSummary"
_EARNINGS_PAGE = "https://finance.yahoo.com/calendar/earnings"

# What yfinance calls the items of each statement.
_ITEMS = {"income": "financials", "balance": "balance-sheet", "cash_flow": "cash-flow"}
# Yahoo gives four years or five quarters, counted back from today.
_FIRST_DAY = datetime(2016, 12, 31, tzinfo=UTC)
_EXCHANGE = ZoneInfo("America/New_York")

_FREQUENCIES = {"0q": "quarterly", "+1q": "quarterly", "0y": "annual", "+1y": "annual"}
_ESTIMATE_FIELDS = ("earningsEstimate", "revenueEstimate", "epsTrend", "epsRevisions", "growth")
_PAGE_ROWS = "25"
_PAGE_DATE = re.compile(r"[A-Z][a-z]+ \d{1,2}, \d{4}")
_NO_SUCH_SYMBOL = "quote not found"


class YahooFundamentals:
    """Fundamentals from Yahoo, several companies at a time."""

    name = "yahoo"
    label = "yahoo"

    def __init__(self, client: YahooClient, today: date) -> None:
        """Prepare, without a connection; `today` is the date in New York."""
        self._client = client
        self._today = today

    @property
    def usage(self) -> Usage:
        """What Yahoo has cost, with everything else that is asked through the same client."""
        return self._client.usage

    def probe(self) -> Answer:
        """Ask what AAPL is."""
        found, failed = self._client.ask_each([CANARY], lambda ticker: self._summary(ticker.ticker, "quoteType"))
        if failed:
            return failed[CANARY]
        return Answer(Outcome.OK) if found[CANARY] else Answer(Outcome.BAD_DATA, f"it has nothing of {CANARY}")

    def fetch_fundamentals(self, wants: Mapping[str, AbstractSet[Part]]) -> FundamentalsReply:
        """Return what Yahoo has of these parts.

        Of the six statements of one company some may come and others not; what came before is kept when a company is
        asked for again.
        """
        companies = {with_dashed_class(symbol): _Company(symbol, parts) for symbol, parts in wants.items()}
        _, failed = self._client.ask_each(list(companies), lambda ticker: self._ask(ticker, companies[ticker.ticker]))
        reply = FundamentalsReply(problems=self._client.problems())
        for spelled, company in companies.items():
            reply.statements += company.statements
            reply.estimates += company.estimates
            reply.earnings += company.earnings
            reply.answers[company.symbol] = failed.get(spelled) or company.answer()
        return reply

    def _ask(self, ticker: "yfinance.Ticker", company: "_Company") -> None:
        """Ask for what is still open of a company.

        Raises:
            SourceError: some of it could not be had.
        """
        spelled, broken = ticker.ticker, None
        for part in company.open_parts():
            try:
                if part in STATEMENTS:
                    company.statements += self._statements(company.symbol, spelled, part)
                elif part == ESTIMATES:
                    summary = self._summary(spelled, "earningsTrend,calendarEvents")
                    company.estimates = read_estimates(company.symbol, summary)
                    company.upcoming = read_calendar(company.symbol, summary)
                else:
                    company.earnings = self._earnings(ticker, company)
            except SourceError as error:
                if error.outcome != Outcome.BAD_DATA:
                    raise
                broken = broken or error  # only this part is bad: the others may be sound
                continue
            company.asked.add(part)
        if broken:
            raise broken

    def _statements(self, symbol: str, spelled: str, part: Part) -> list[Statement]:
        from yfinance.const import fundamentals_keys

        prefix = part.frequency
        parameters = {
            "symbol": spelled,
            "type": ",".join(prefix + name for name in fundamentals_keys[_ITEMS[part.kind]]),
            "period1": str(int(_FIRST_DAY.timestamp())),
            "period2": str(int(datetime(self._today.year + 1, 1, 1, tzinfo=_EXCHANGE).timestamp())),
        }
        return read_statements(symbol, part, self._get_json(f"{_TIMESERIES}/{spelled}", parameters))

    def _earnings(self, ticker: "yfinance.Ticker", company: "_Company") -> list[EarningsDate]:
        """Read the page of earnings dates; where it has none to come, or cannot be read, the calendar's is added."""
        if company.upcoming is None:
            calendar = self._summary(ticker.ticker, "calendarEvents")
            company.upcoming = read_calendar(company.symbol, calendar)
        parameters = {"symbol": ticker.ticker, "offset": "0", "size": _PAGE_ROWS}
        try:
            page = ticker._data.get(_EARNINGS_PAGE, params=parameters).text
        except SourceError as error:
            if error.outcome != Outcome.BAD_DATA or not company.upcoming:
                raise
            return company.upcoming
        dates = read_earnings_page(company.symbol, page)
        if any(row.earnings_date >= self._today for row in dates):
            return dates
        return dates + [row for row in company.upcoming if row.earnings_date >= self._today]

    def _summary(self, spelled: str, modules: str) -> dict[str, Any]:
        """Return modules of what Yahoo knows of a symbol, none where it has no such data.

        Raises:
            SourceError: NOT_FOUND where it does not know the symbol.
        """
        body = self._get_json(f"{_SUMMARY}/{spelled}", {"modules": modules, "formatted": "false"})
        try:
            summary = body["quoteSummary"]
            if error := summary.get("error"):
                said = one_line(str(error.get("description") or error.get("code")))
                if _NO_SUCH_SYMBOL in said.lower():
                    raise SourceError(Outcome.NOT_FOUND, said)
                return {}
            return summary["result"][0] if summary["result"] else {}
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise _unreadable("summary", error) from error

    def _get_json(self, url: str, parameters: dict[str, str]) -> Any:
        return self._client.session.get_json(url, parameters)


class _Company:
    """What has come of one company so far; a later round asks for the rest."""

    def __init__(self, symbol: str, parts: AbstractSet[Part]) -> None:
        self.symbol = symbol
        self.parts = parts
        self.asked: set[Part] = set()
        self.statements: list[Statement] = []
        self.estimates: list[Estimate] = []
        self.earnings: list[EarningsDate] = []
        self.upcoming: list[EarningsDate] | None = None

    def open_parts(self) -> Iterator[Part]:
        """Yield what is still to be asked for: estimates first, which tells whether Yahoo knows the symbol at all."""
        return (part for part in (ESTIMATES, *STATEMENTS, EARNINGS) if part in self.parts and part not in self.asked)

    def answer(self) -> Answer:
        """Return the answer where nothing went wrong."""
        wanted_statements = self.parts & set(STATEMENTS)
        found = self.statements if wanted_statements else [*self.estimates, *self.earnings]
        return Answer(Outcome.OK) if found else Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has none of it")


def read_statements(symbol: str, part: Part, body: Any) -> list[Statement]:
    """Make statements of the time series of one statement and frequency; a null stays None: it was not said.

    Raises:
        SourceError: BAD_DATA where it has another form.
    """
    items: dict[date, dict[str, object]] = defaultdict(dict)
    currencies: dict[date, Counter[str]] = defaultdict(Counter)
    try:
        for series in body["timeseries"]["result"] or []:
            for name, points in series.items():
                if name in ("meta", "timestamp"):
                    continue
                item = name.removeprefix(part.frequency)
                # A value contains its date. For a null, only its place says which date is meant.
                for instant, point in zip_longest((series.get("timestamp") or [])[: len(points)], points):
                    if point is None and instant is None:
                        continue
                    if point is None:
                        items[datetime.fromtimestamp(instant, UTC).date()].setdefault(item, None)
                        continue
                    day = date.fromisoformat(point["asOfDate"])
                    items[day][item] = json_values.plain_number(point["reportedValue"]["raw"])
                    if currency := point.get("currencyCode"):
                        currencies[day][currency] += 1
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(str(part), error) from error
    return [
        Statement(symbol, part.kind, part.frequency, day, _commonest(currencies[day]), dict(sorted(values.items())))
        for day, values in sorted(items.items())
        if any(value is not None for value in values.values())
    ]


def read_estimates(symbol: str, summary: Mapping[str, Any]) -> list[Estimate]:
    """Make estimates of the module earningsTrend: this quarter and year, and the next.

    Raises:
        SourceError: BAD_DATA where it has another form.
    """
    by_period: dict[date, dict[str, object]] = defaultdict(dict)
    try:
        for trend in (summary.get("earningsTrend") or {}).get("trend") or []:
            frequency = _FREQUENCIES.get(trend["period"])
            if frequency is None or not trend.get("endDate"):
                continue
            values = {name: plain for name in _ESTIMATE_FIELDS if (plain := _plain(trend.get(name))) not in ({}, None)}
            if values:
                by_period[date.fromisoformat(trend["endDate"])][frequency] = values
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable("estimates", error) from error
    return [Estimate(symbol, day, estimates) for day, estimates in sorted(by_period.items())]


def read_calendar(symbol: str, summary: Mapping[str, Any]) -> list[EarningsDate]:
    """Return the next report by the module calendarEvents, if it names one: the first day of what may be a window.

    Raises:
        SourceError: BAD_DATA where it has another form.
    """
    try:
        earnings = (summary.get("calendarEvents") or {}).get("earnings") or {}
        instants = [_plain(instant) for instant in earnings.get("earningsDate") or []]
        if not instants:
            return []
        day = datetime.fromtimestamp(min(instants), _EXCHANGE).date()
        return [EarningsDate(symbol, day, json_values.as_amount(_plain(earnings.get("earningsAverage"))), None)]
    except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise _unreadable("calendar", error) from error


def read_earnings_page(symbol: str, page: str) -> list[EarningsDate]:
    """Read the table of earnings dates, whatever time of the day it says; none where there is no table.

    Raises:
        SourceError: BAD_DATA where the table has another form.
    """
    from bs4 import BeautifulSoup

    table = BeautifulSoup(page, "html.parser").find("table")
    if table is None:
        return []
    head, *rows = [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table("tr")]
    try:
        places = [head.index(name) for name in ("Earnings Date", "EPS Estimate", "Reported EPS")]
        dates = {}
        for row in rows:
            when, estimate, actual = (row[place] for place in places)
            if found := _PAGE_DATE.match(when):
                day = _spoken_date(found[0])
                # If one day occurs twice, both are the same report, and the row with figures counts.
                eps = EarningsDate(symbol, day, _page_number(estimate), _page_number(actual))
                if day not in dates or dates[day][2:] == (None, None):
                    dates[day] = eps
    except (ValueError, IndexError) as error:
        raise _unreadable("earnings dates", error) from error
    return list(dates.values())


def _spoken_date(text: str) -> date:
    for form in ("%B %d, %Y", "%b %d, %Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=_EXCHANGE).date()
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a date")


def _page_number(text: str) -> Any:
    try:
        return json_values.as_amount(float(text.replace(",", "")))
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """Take figures out of Yahoo's {"raw": …, "fmt": …}, and leave out what is empty."""
    if isinstance(value, Mapping):
        if "raw" in value:
            return json_values.plain_number(value["raw"])
        fields = {name: _plain(field) for name, field in value.items() if name != "maxAge"}
        return {name: field for name, field in fields.items() if field is not None and field != {}}
    return value if isinstance(value, str) else json_values.plain_number(value)


def _commonest(currencies: Counter[str]) -> str | None:
    return currencies.most_common(1)[0][0] if currencies else None


def _unreadable(what: str, error: Exception) -> SourceError:
    detail = one_line(f"{what}: {type(error).__name__}: {error}")
    return SourceError(Outcome.BAD_DATA, f"Yahoo's answer cannot be read: {detail}")
