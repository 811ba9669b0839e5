"""Massive, once Polygon: daily bars of option contracts, one request for each.

Its free plan allows five requests a minute, so a book of contracts may take several nights: they are asked in the
order in which they are wanted, and those whose turn does not come are NOT_ASKED. A contract that did not trade on a
session has no bar for it, and no error.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from ingest.providers import json_values
from ingest.providers.base import Answer, Outcome, PriceReply, ProfileReply, Usage, Want
from ingest.providers.http import PATIENT, ForeignHostError, JsonClient, Pace, Reply, SourceError, judge_status
from ingest.providers.limits import Deadline, RateLimiter
from ingest.rows import PriceBar, RejectedRow
from ingest.symbols import parse_option_symbol

_HOSTS = frozenset({"api.massive.com", "api.polygon.io"})
_NEW_YORK = ZoneInfo("America/New_York")
_FIELDS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_ROW_LIMIT = 50_000
# One page holds the whole life of a contract.
_MOST_PAGES = 5

# The length of expiration, C or P and strike, which follow the root.
_WITHOUT_ROOT = len("YYMMDDC00150000")

# The free plan reaches back two years; this stays a day or two inside.
_PLAN_REACH = timedelta(days=729)

# The share of the requests allowed in a minute that is sent, because those of one minute may arrive within less than
# one.
_SAFE_SHARE = 0.96


class TimeframeError(SourceError):
    """The plan does not include some of the dates asked for, or `today`'s bar is not there yet."""

    today: bool = False


class PolygonProvider:
    """Bars of option contracts from Polygon, or Massive as it calls itself now."""

    name = "polygon"
    label = "polygon"
    # Each request is expensive, and the prices of options are not restated.
    overlap_sessions = 0

    def __init__(
        self,
        key: SecretStr,
        base_url: str,
        today: date,
        *,
        per_minute: float,
        deadline: Deadline,
        pace: Pace = PATIENT,
    ) -> None:
        """Prepare, without a connection; `today` is the date in New York, the other terms are those of `JsonClient`."""
        self.usage = Usage()
        self._today = today
        # The dates that the plan includes, as far as the answers have shown.
        self._first_day, self._last_day = date.min, date.max
        self._http = JsonClient(
            "Polygon",
            base_url,
            key,
            header="Authorization",
            prefix="Bearer ",
            limiter=RateLimiter(per_minute * _SAFE_SHARE),
            deadline=deadline,
            usage=self.usage,
            judge=judge,
            other_hosts=_HOSTS,
            pace=pace,
        )

    def declines(self, symbol: str) -> str | None:
        """Whatever is no option, and options whose deliverable is not 100 shares."""
        try:
            contract = parse_option_symbol(symbol)
        except ValueError as error:
            return str(error)
        if contract is None:
            return "Polygon is asked for options alone"
        if any(char.isdigit() for char in symbol[:-_WITHOUT_ROOT]):
            return "an adjusted contract (a digit after its root) delivers something else than 100 shares"
        return None

    def probe(self) -> Answer:
        """Ask which options of AAPL there are: some, always."""
        try:
            path = "v3/reference/options/contracts"
            rows = self._http.get(path, {"underlying_ticker": "AAPL", "limit": 1}).body.get("results")
        except SourceError as error:
            return error.answer
        return Answer(Outcome.OK) if rows else Answer(Outcome.BAD_DATA, "it says that AAPL has no options")

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Return the bars within each contract's range, asked in the order of `wants`. There are no actions."""
        reply = PriceReply()
        for want in wants:
            if reason := self.declines(want.symbol):
                reply.answers[want.symbol] = Answer(Outcome.NOT_ASKED, reason)
                continue
            try:
                asked, rows, foreign = self._rows_the_plan_has(want)
                bars, rejected = _read(want, rows)
            except SourceError as error:
                reply.answers[want.symbol] = error.answer
                continue
            reply.bars += bars
            reply.rejected += rejected
            detail = "" if asked == want else f"the plan has only {asked.first} to {asked.last} of it"
            reply.answers[want.symbol] = foreign.answer if foreign else _answer(bars, rejected, detail)
            if foreign and foreign.detail not in reply.problems:
                reply.problems.append(foreign.detail)
        reply.problems += self._http.problems()
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Nothing: options have no profile."""
        return ProfileReply()

    def _rows_the_plan_has(self, want: Want) -> tuple[Want, list[Any], ForeignHostError | None]:
        """Return what was asked for of a contract, within what the plan has, and as `_rows`.

        Raises:
            SourceError: there are no rows to be had.
        """
        asked = self._clipped(want)
        while asked.first <= asked.last:
            try:
                return asked, *self._rows(asked)
            except TimeframeError as error:
                if not self._learn(asked, error):
                    raise
            asked = self._clipped(asked)
        raise TimeframeError(Outcome.REFUSED, "the plan does not include these dates, or not yet")

    def _learn(self, asked: Want, error: TimeframeError) -> bool:
        """Take a refusal for the edge of what the plan has; False where the range is inside of it.

        The reply does not say which end of the range it means: the old one is given up before today's bar.
        """
        edge = self._today - _PLAN_REACH
        if asked.first < edge and not error.today:
            self._first_day = edge
            return True
        if asked.last >= self._today:
            self._last_day = self._today - timedelta(days=1)
            return True
        return False

    def _clipped(self, want: Want) -> Want:
        return want._replace(first=max(want.first, self._first_day), last=min(want.last, self._last_day))

    def _rows(self, want: Want) -> tuple[list[Any], ForeignHostError | None]:
        """Return a contract's rows, and why there may be more of them on a page that was not asked for.

        Raises:
            SourceError: some page cannot be had.
        """
        reply = self._http.get(
            f"v2/aggs/ticker/O:{want.symbol}/range/1/day/{want.first}/{want.last}",
            {"adjusted": "false", "sort": "asc", "limit": _ROW_LIMIT},
        )
        rows: list[Any] = []
        for _ in range(_MOST_PAGES):
            # If nothing was traded, this key is missing.
            found = reply.body.get("results", [])
            if not isinstance(found, list) or reply.body.get("ticker", f"O:{want.symbol}") != f"O:{want.symbol}":
                raise SourceError(Outcome.BAD_DATA, f"not the contract's bars: {reply.summary}")
            rows += found
            following = reply.body.get("next_url")
            if not following:
                return rows, None
            try:
                reply = self._http.follow(str(following))
            except ForeignHostError as error:
                return rows, error
        raise SourceError(Outcome.BAD_DATA, f"more than {_MOST_PAGES} pages for one contract")


def judge(reply: Reply) -> SourceError | None:
    """Return what is wrong with a reply, None where it is a JSON object with status 200.

    A 403 has three kinds: dates that the plan does not have, today's before the day has ended, and data of a kind that
    the plan does not have.
    """
    if reply.status == 200 and reply.body is not None:
        sound = isinstance(reply.body, dict) and reply.body.get("status", "OK") in ("OK", "DELAYED")
        return None if sound else SourceError(Outcome.BAD_DATA, f"not what was asked for: {reply.summary}")
    if reply.status == 401:
        return SourceError(Outcome.REFUSED, "the key is not valid (POLYGON_API_KEY)", stop=True)
    if reply.status == 403:
        if "timeframe" in reply.text:
            return TimeframeError(Outcome.REFUSED, "the plan does not include these dates")
        if "before end of day" in reply.text:
            error = TimeframeError(Outcome.REFUSED, "today's bars come after the end of the day")
            error.today = True
            return error
        if "not entitled" in reply.text:
            return SourceError(Outcome.REFUSED, "the plan does not include options", stop=True)
    return judge_status(reply)


def _read(want: Want, rows: Sequence[Any]) -> tuple[list[PriceBar], list[RejectedRow]]:
    """Read the rows of one contract: those in range, one a session; where two differ, neither is taken.

    Raises:
        SourceError: the rows are no JSON objects.
    """
    bars: dict[date, PriceBar] = {}
    rejected: list[RejectedRow] = []
    contradicted = set()

    def reject(session: date | None, reason: str, row: dict[str, Any]) -> None:
        rejected.append(
            RejectedRow(
                PolygonProvider.name, "market_data_cache", want.symbol, session, reason, json_values.payload(row)
            )
        )

    for row in rows:
        if not isinstance(row, dict):
            raise SourceError(Outcome.BAD_DATA, "its rows are not JSON objects")
        session = _session(row.get("t"))
        if session is None:
            reject(None, "t: it is not a time", row)
        elif want.first <= session <= want.last:
            try:
                bar = json_values.read_bar(want.symbol, session, row, _FIELDS)
            except ValueError as error:
                reject(session, str(error), row)
                continue
            if bars.setdefault(session, bar) != bar:
                contradicted.add(session)
                reject(session, "another row has this session differently", row)
    return [bar for session, bar in bars.items() if session not in contradicted], rejected


def _session(milliseconds: Any) -> date | None:
    """Return the New York date of a bar's time, midnight there in milliseconds since 1970; None where it is none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, _NEW_YORK).date()
    except (ValueError, OverflowError, OSError):
        return None


def _answer(bars: Sequence[PriceBar], rejected: Sequence[RejectedRow], detail: str) -> Answer:
    if bars:
        return Answer(Outcome.OK, detail)
    if rejected:
        return Answer(Outcome.BAD_DATA, f"{len(rejected)} rows could not be read")
    return Answer(Outcome.NOTHING_IN_RANGE, detail or "it did not trade")
