"""Yahoo Finance, through yfinance: daily bars, splits, dividends and profiles of what is quoted in USD.

Yahoo shows prices, volumes and dividends in today's shares, most of the time. A reply says so, with all the splits
through today, and `ingest.market.evidence` finds out how they were traded. A symbol costs one request.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from ingest.market.ratios import is_adjusted_spin_off, ratio_of_terms, spin_off_reason
from ingest.providers.base import (
    Answer,
    FundSectorsReply,
    Outcome,
    PriceReply,
    ProfileReply,
    Restating,
    Usage,
    Want,
)
from ingest.providers.http import SourceError, one_line
from ingest.providers.yahoo_client import YahooClient
from ingest.providers.yahoo_funds import read_sectors
from ingest.rows import DIVIDEND, SPINOFF, SPLIT, CorporateAction, PriceBar, Profile, RejectedRow, SectorWeight
from ingest.symbols import canonical_symbol, parse_option_symbol, with_dashed_class

if TYPE_CHECKING:
    import yfinance

T = TypeVar("T")

CANARY = "SPY"

_CURRENCY = "USD"
_PRICES = ("Open", "High", "Low", "Close")
_SUMMARY_URL = "https://query2.finance.yahoo.com/v10/finance/quoteSummary/"
_MODULES = "quoteType,price,summaryDetail,assetProfile,defaultKeyStatistics,calendarEvents"
_NEW_YORK = ZoneInfo("America/New_York")
_SINGLE_PRECISION = struct.Struct("f")
_LARGEST_SINGLE = 3e38
_LARGEST_TERM = 10_000


class _Prices(NamedTuple):
    """One symbol's answer."""

    bars: list[PriceBar]
    actions: list[CorporateAction]
    rejected: list[RejectedRow]
    splits: list[CorporateAction]
    first_traded: date | None


class YahooProvider:
    """Market data from Yahoo, one symbol a request, several at a time."""

    name = "yahoo"
    label = "yahoo"
    overlap_sessions = 7

    def __init__(self, client: YahooClient, today: date) -> None:
        """Prepare, without importing yfinance; `today` is the date in New York."""
        self._client = client
        self._today = today

    @property
    def usage(self) -> Usage:
        """What Yahoo has cost, with everything else that is asked through the same client."""
        return self._client.usage

    def declines(self, symbol: str) -> str | None:
        """Options, which Yahoo has no history of, and what cannot be the symbol of a listing."""
        try:
            if parse_option_symbol(symbol):
                return "Yahoo has no history of options"
            listed = canonical_symbol(symbol) == symbol and not set(symbol) & set("/_")
        except ValueError:
            listed = False
        return None if listed else "it is not the symbol of a listing"

    def probe(self) -> Answer:
        """Ask for the last days of a fund that trades every session."""
        last_days = Want(CANARY, self._today - timedelta(days=10), self._today)
        return self.fetch_prices([last_days]).answers[CANARY]

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Ask for the history of each symbol from its first session wanted through today.

        A row without a close is no bar, but its split or dividend counts. Dividends in another currency and spin-offs
        are rejected. Distributed capital gains are dividends, unless that day's dividend has them in it already.

        Raises:
            UserError: the installed yfinance is not one that this works with.
        """
        asked = {with_dashed_class(want.symbol): want for want in wants if self.declines(want.symbol) is None}
        found, failed = self._client.ask_each(list(asked), lambda ticker: self._prices(ticker, asked[ticker.ticker]))
        reply = PriceReply(problems=self._client.problems())
        for want in wants:
            if reason := self.declines(want.symbol):
                reply.answers[want.symbol] = Answer(Outcome.NOT_ASKED, reason)
        for spelling, want in asked.items():
            if prices := found.get(spelling):
                reply.bars += prices.bars
                reply.actions += prices.actions
                reply.rejected += prices.rejected
                reply.restated[want.symbol] = [Restating(want.first, want.last, prices.splits)]
                if prices.first_traded:
                    reply.first_traded[want.symbol] = prices.first_traded
            reply.answers[want.symbol] = _answer(prices) if prices else failed[spelling]
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Ask for the profile of each symbol.

        Raises:
            UserError: the installed yfinance is not one that this works with.
        """
        profiles, answers = self._ask_each(symbols, self._profile)
        return ProfileReply(profiles, answers=answers, problems=self._client.problems())

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Ask for what each fund holds, one request each: the same that yfinance's `funds_data` is made of.

        Raises:
            UserError: the installed yfinance is not one that this works with.
        """
        funds, answers = self._ask_each(symbols, self._fund_sectors)
        weights = [weight for fund in funds for weight in fund]
        return FundSectorsReply(weights, answers=answers, problems=self._client.problems())

    def _ask_each(
        self, symbols: Sequence[str], ask: Callable[["yfinance.Ticker", str], T]
    ) -> tuple[list[T], dict[str, Answer]]:
        """Call `ask` for each symbol that is a listing's; return what it returned, and the answers of all symbols."""
        asked = {with_dashed_class(symbol): symbol for symbol in symbols if self.declines(symbol) is None}
        found, failed = self._client.ask_each(list(asked), lambda ticker: ask(ticker, asked[str(ticker.ticker)]))
        answers = {}
        for symbol in symbols:
            if reason := self.declines(symbol):
                answers[symbol] = Answer(Outcome.NOT_ASKED, reason)
            else:
                answers[symbol] = failed.get(with_dashed_class(symbol), Answer(Outcome.OK))
        return [found[spelling] for spelling in asked if spelling in found], answers

    def _prices(self, ticker: "yfinance.Ticker", want: Want) -> _Prices:
        """Ask for one history.

        Raises:
            SourceError: the answer is about no listing in USD, or not what was asked for.
        """
        from yfinance.exceptions import YFPricesMissingError

        from ingest.providers.yahoo_session import dividend_currencies

        try:
            history = ticker.history(
                start=want.first, end=self._today + timedelta(days=1), auto_adjust=False, actions=True
            )
        except YFPricesMissingError as error:
            if error.yahoo_reason is None:
                # What yfinance calls "possibly delisted" is often a listing without a session in the range.
                _check_listing(ticker)
            raise
        _check_listing(ticker)
        rows = [(at.date(), row) for at, row in zip(history.index, history.to_dict("records"), strict=True)]
        chart = self._client.session.last_chart()
        dividends, rejected = _dividends(want.symbol, rows, dividend_currencies(ticker))
        splits, spin_offs = _splits(want.symbol, rows, chart)
        rejected += spin_offs
        bars = [bar for day, row in rows if (bar := _bar(want.symbol, day, row))]
        told = [*dividends, *(split for split in splits if split.action_type == SPLIT)]
        return _Prices(
            [bar for bar in bars if want.first <= bar.price_date <= want.last],
            [action for action in told if want.first <= action.ex_date <= want.last],
            [row for row in rejected if row.row_date and want.first <= row.row_date <= want.last],
            splits,
            _first_traded(chart),
        )

    def _profile(self, ticker: "yfinance.Ticker", symbol: str) -> Profile:
        """Ask for one profile; the name, the currency and the next earnings date come with it.

        Raises:
            SourceError: Yahoo has none.
        """
        return _read_profile(symbol, self._summary(ticker, _MODULES, "profile"), self._today)

    def _fund_sectors(self, ticker: "yfinance.Ticker", symbol: str) -> list[SectorWeight]:
        """Ask for the sectors of one fund.

        Raises:
            SourceError: Yahoo has none.
        """
        weights = read_sectors(symbol, self._summary(ticker, "topHoldings", "holdings").get("topHoldings") or {})
        if not weights:
            raise SourceError(Outcome.NOTHING_IN_RANGE, "Yahoo has no sectors of it")
        return weights

    def _summary(self, ticker: "yfinance.Ticker", modules: str, what: str) -> Mapping[str, Any]:
        """Ask for modules of one symbol's summary; those that Yahoo does not have of it are not among the answer.

        Raises:
            SourceError: Yahoo has none of them.
        """
        parameters = {"modules": modules, "corsDomain": "finance.yahoo.com", "formatted": "false"}
        url = f"{_SUMMARY_URL}{ticker.ticker}"
        answer = self._client.session.get_json(url, {**parameters, "symbol": ticker.ticker}).get("quoteSummary") or {}
        if not answer.get("result"):
            said = one_line(str((answer.get("error") or {}).get("description") or "nothing"))
            if "no fundamentals data" in said.lower():
                raise SourceError(Outcome.NOTHING_IN_RANGE, f"Yahoo has no {what} of it")
            raise SourceError(Outcome.NOT_FOUND if "not found" in said.lower() else Outcome.BAD_DATA, said)
        return answer["result"][0]


def _check_listing(ticker: "yfinance.Ticker") -> None:
    """Raise SourceError unless the last answer is the daily chart of this symbol, in USD."""
    about = ticker.history_metadata
    theirs = about.get("symbol")
    if theirs is None:
        raise SourceError(Outcome.BAD_DATA, "the answer is about no symbol")
    if theirs.upper() != ticker.ticker:
        raise SourceError(Outcome.BAD_DATA, f"Yahoo answers for {one_line(theirs)}")
    if about.get("currency") != _CURRENCY:
        quoted_in = one_line(str(about.get("currency") or "no currency"))
        raise SourceError(Outcome.BAD_DATA, f"quoted in {quoted_in}, and only {_CURRENCY} is handled")
    if about.get("dataGranularity", "1d") != "1d":
        raise SourceError(Outcome.BAD_DATA, f"rows of {one_line(str(about['dataGranularity']))} instead of a day")


def _answer(prices: _Prices) -> Answer:
    if prices.bars:
        return Answer(Outcome.OK)
    return Answer(Outcome.NOTHING_IN_RANGE, "Yahoo has no close of these days")


def _bar(symbol: str, day: date, row: Mapping[str, Any]) -> PriceBar | None:
    """Return a row as Yahoo shows it, None where it has no close."""
    prices = [None if math.isnan(row[name]) else _shortest(row[name]) for name in _PRICES]
    if prices[-1] is None:
        return None
    return PriceBar(symbol, day, *prices, volume=int(row["Volume"]))


def _dividends(
    symbol: str, rows: Sequence[tuple[date, Mapping[str, Any]]], currencies: Mapping[date, str]
) -> tuple[list[CorporateAction], list[RejectedRow]]:
    """Return the dividends of a history as Yahoo shows them, and those in another currency."""
    dividends, rejected = [], []
    for day, row in rows:
        dividend, gain = (row.get(name) or 0.0 for name in ("Dividends", "Capital Gains"))
        if (currency := currencies.get(day, _CURRENCY)) != _CURRENCY:
            foreign = CorporateAction(symbol, day, DIVIDEND, _shortest(dividend))
            rejected.append(_rejected(foreign, f"a dividend in {one_line(currency)}, and only {_CURRENCY} is handled"))
            dividend = 0.0
        # For some funds Yahoo counts the gains in the dividend, for others beside it.
        distributed = dividend if dividend >= gain else dividend + gain
        if distributed:
            dividends.append(CorporateAction(symbol, day, DIVIDEND, _shortest(distributed)))
    return dividends, rejected


def _splits(
    symbol: str, rows: Sequence[tuple[date, Mapping[str, Any]]], chart: Mapping[str, Any]
) -> tuple[list[CorporateAction], list[RejectedRow]]:
    """Return what Yahoo restates for: splits, and spin-offs (SPINOFF) that it writes as splits, which are refused."""
    splits, rejected = [], []
    told = _told_splits(chart)
    if not told:
        told = [
            (day, Decimal(ratio.numerator), Decimal(ratio.denominator))
            for day, row in rows
            if (split := row.get("Stock Splits") or 0.0)
            for ratio in (Fraction(split).limit_denominator(_LARGEST_TERM),)
        ]
    for day, new, old in told:
        action = CorporateAction(symbol, day, SPLIT, ratio_of_terms(new, old))
        if is_adjusted_spin_off(new, old):
            rejected.append(_rejected(action, spin_off_reason(symbol, day, new, old)))
            action = action._replace(action_type=SPINOFF)
        splits.append(action)
    return splits, rejected


def _told_splits(chart: Mapping[str, Any]) -> list[tuple[date, Decimal, Decimal]]:
    """Return (ex-date, numerator, denominator) of each split as Yahoo writes it."""
    told = []
    for at, event in ((chart.get("events") or {}).get("splits") or {}).items():
        new, old = event.get("numerator"), event.get("denominator")
        if _is_number(new) and _is_number(old) and new > 0 and old > 0:
            day = datetime.fromtimestamp(int(event.get("date", at)), UTC).astimezone(_NEW_YORK).date()
            told.append((day, Decimal(str(new)), Decimal(str(old))))
    return sorted(told)


def _first_traded(chart: Mapping[str, Any]) -> date | None:
    first = (chart.get("meta") or {}).get("firstTradeDate")
    return datetime.fromtimestamp(first, UTC).astimezone(_NEW_YORK).date() if _is_number(first) else None


def _rejected(action: CorporateAction, reason: str) -> RejectedRow:
    payload: dict[str, object] = {"action_type": action.action_type, "value": str(action.value)}
    return RejectedRow(YahooProvider.name, "corporate_actions", action.symbol, action.ex_date, reason, payload)


def _shortest(value: float) -> Decimal:
    """Return the shortest decimal that Yahoo can have meant: it writes single precision with the digits of double.

    124.80999755859375 is 124.81. What is not in single precision stays as it is written.
    """
    if abs(value) < _LARGEST_SINGLE and _single(value) == value:
        for digits in range(6, 9):
            text = f"{value:.{digits}g}"
            if _single(float(text)) == value:
                return Decimal(text)
    return Decimal(repr(value))


def _single(value: float) -> float:
    return _SINGLE_PRECISION.unpack(_SINGLE_PRECISION.pack(value))[0]


def _read_profile(symbol: str, modules: Mapping[str, Any], today: date) -> Profile:
    def field(*places: str) -> Any:
        """Return the first value that is there, of places such as `price.longName`."""
        for place in places:
            module, name = place.split(".")
            value = _plain((modules.get(module) or {}).get(name))
            if value is not None and value != "":
                return value
        return None

    def text(*places: str) -> str | None:
        value = field(*places)
        return one_line(value) or None if isinstance(value, str) else None

    market_cap, beta = (
        field("summaryDetail.marketCap", "price.marketCap"),
        field("summaryDetail.beta", "defaultKeyStatistics.beta"),
    )
    return Profile(
        symbol,
        name=text("quoteType.longName", "price.longName", "quoteType.shortName", "price.shortName"),
        sector=text("assetProfile.sector"),
        industry=text("assetProfile.industry"),
        country=text("assetProfile.country"),
        exchange=text("quoteType.exchange", "price.exchange"),
        currency=text("price.currency", "summaryDetail.currency"),
        quote_type=text("quoteType.quoteType", "price.quoteType"),
        market_cap=Decimal(repr(market_cap)) if _is_number(market_cap) else None,
        beta=float(beta) if _is_number(beta) else None,
        next_earnings_date=_next_earnings_date(modules, today),
    )


def _next_earnings_date(modules: Mapping[str, Any], today: date) -> date | None:
    """Return the nearest day from today on for which Yahoo announces earnings, in New York."""
    announced = ((modules.get("calendarEvents") or {}).get("earnings") or {}).get("earningsDate") or []
    days = [
        datetime.fromtimestamp(at, UTC).astimezone(_NEW_YORK).date() for at in map(_plain, announced) if _is_number(at)
    ]
    return min((day for day in days if day >= today), default=None)


def _plain(value: Any) -> Any:
    """Return the figure of {"raw": figure, "fmt": text}, which is how some answers write one."""
    return value.get("raw") if isinstance(value, Mapping) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
