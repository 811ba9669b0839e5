"""The one door to Yahoo: yfinance is set up here, and every request that it sends is paced, counted and judged here.

yfinance takes every status of 400 or more, an unknown symbol's 404 too, for a stale cookie: it fetches another and
asks again. It keeps whatever comes back in place of a crumb (the token that some answers need), "Too Many Requests"
as well, and serves broken answers from its cache from then on. So none of these reach it: a 404 that says why is
handed on as the answer it is, everything else is raised, and what is raised is never cached.

This module imports yfinance and what comes with it (pandas): import it where it is used. yfinance holds one session,
cookie and crumb for the process, so only one `YahooSession` is in use at a time.
"""

import json
import logging
import random
import re
import threading
import time
import warnings
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import yfinance
from curl_cffi import requests as curl
from yfinance import cache
from yfinance.data import YfData
from yfinance.exceptions import YFDataException, YFPricesMissingError, YFRateLimitError, YFTickerMissingError

from ingest.providers.base import Outcome, Usage
from ingest.providers.http import SourceError, one_line, retry_after_seconds
from ingest.providers.limits import CircuitBreaker, Deadline, RateLimiter
from warehouse.errors import UserError

# The exchanges' time zone, for everything that is quoted in USD. Without it yfinance spends one request for each symbol
# to ask for it.
_TIME_ZONE = "America/New_York"
_SUPPORTED = "1.7"

_CRUMB_PATH = "/v1/test/getcrumb"
_CRUMB = re.compile(r"[^\s<>{}]{1,64}")
_NEEDS_CRUMB = ("/v10/", "/v7/")
_CHART = "/v8/finance/chart/"
_JSON = ("/v8/", "/v10/", "/v7/", "/ws/")
_TOO_MANY = b"Too Many Requests"
_CURL_MESSAGE = re.compile(r"curl: \(\d+\) (.*?)(?:\. See https|$)")
_COOKIE_HOST = "fc.yahoo.com"
_BLOCKED_SECONDS = 300.0
_LONGEST_PAUSE_SECONDS = 600.0


class YahooSession(curl.Session):
    """A session that looks like a browser's; proxy and certificates come from the environment.

    Whatever is not an answer is raised as SourceError; NOT_ASKED where nothing was sent.
    """

    def __init__(
        self,
        limiter: RateLimiter,
        deadline: Deadline,
        usage: Usage,
        *,
        timeout_seconds: float,
        limited_seconds: float,
    ) -> None:
        """Prepare, without a connection.

        Args:
            limiter: gives each request its turn.
            deadline: nothing is asked after it, nor waited for.
            usage: where requests are counted.
            timeout_seconds: for a whole reply.
            limited_seconds: the pause after a 429 that does not say how long; doubled by the next one in a row.
        """
        super().__init__(impersonate="chrome")
        self._limiter, self._deadline, self._usage = limiter, deadline, usage
        self._timeout_seconds, self._limited_seconds = timeout_seconds, limited_seconds
        self._guard = threading.Lock()
        # This must be another lock: yfinance holds its own lock while it sends, and waits for it to change the cookie.
        self._changing_cookie = threading.Lock()
        self._too_many = CircuitBreaker(threshold=3)
        self._unwelcome = CircuitBreaker(threshold=4)
        self._refusals_in_a_row = 0
        self._last_refusal = 0.0
        self._no_crumb_until = 0.0
        self._cookies_used = 0
        self._charts = threading.local()
        # Created once, here: YfData() waits for a lock that is held while another thread fetches a cookie.
        self._shared = YfData()
        self._unreachable_hosts: dict[str, tuple[OSError, float]] = {}

    @property
    def left_alone(self) -> str | None:
        """Why nothing more is asked in this run, None while it is."""
        if self._too_many.is_open:
            return f"it said {self._too_many.threshold} times in a row that it is asked too often (429)"
        if self._unwelcome.is_open:
            return f"it refused {self._unwelcome.threshold} cookies in a row (401 or 403)"
        return None

    def ticker(self, yahoo_symbol: str) -> yfinance.Ticker:
        """Return yfinance's object for a symbol, which has asked for nothing yet."""
        ticker = yfinance.Ticker(yahoo_symbol, session=self)
        ticker._tz = _TIME_ZONE
        return ticker

    def get_json(self, url: str, params: dict[str, str]) -> dict[str, Any]:
        """Ask for JSON with the cookie and crumb that yfinance keeps."""
        return YfData(session=self).get_raw_json(url, params=params, timeout=self._timeout_seconds)

    def take_over(self) -> None:
        """Make this the session of yfinance, and forget what it has cached of answers.

        Raises:
            UserError: this yfinance is another one than the names used here belong to.
        """
        _set_up_yfinance()
        YfData.cache_get.cache_clear()
        data = self._shared
        if data._session is not self:
            data._set_session(self)
            data._crumb = data._cookie = None
            data._cookie_strategy = "basic"
            data.fundamentals_use_chunked = False

    def request(self, method: str, url: str, **options: Any) -> curl.Response:
        """Send a request in its turn and return what is an answer.

        Raises:
            SourceError: it is none, or nothing was sent.
            YFRateLimitError: there is no crumb to be had; yfinance goes on without.
        """
        address = urlsplit(url)
        host, path = address.hostname or "", address.path
        if not host.endswith("finance.yahoo.com"):
            return self._ask_for_cookie(host, method, url, options)
        self._check_crumb(path, with_crumb=bool((options.get("params") or {}).get("crumb")))
        cookie, sent_at = self._cookies_used, time.monotonic()
        response = self._send(method, url, options)
        if path.startswith(_CHART):
            self._charts.content = response.content
        return self._judge_crumb(response) if path == _CRUMB_PATH else self._judge(response, path, cookie, sent_at)

    def last_chart(self) -> dict[str, Any]:
        """Return the chart that this thread was last answered with, as Yahoo wrote it; empty where it is none.

        yfinance divides a split's terms, which tell a split from a spin-off.
        """
        try:
            return json.loads(self._charts.content)["chart"]["result"][0]
        except (AttributeError, ValueError, KeyError, IndexError, TypeError):
            return {}

    def _send(self, method: str, url: str, options: dict[str, Any]) -> curl.Response:
        self._check_left_alone()
        if not self._limiter.wait(self._deadline):
            raise SourceError(Outcome.NOT_ASKED, "the run's time for fetching is over")
        self._check_left_alone()  # the wait may have been long
        with self._guard:
            self._usage.requests += 1
        options["timeout"] = max(0.1, min(self._timeout_seconds, self._deadline.seconds_left))
        return super().request(method, url, **options)

    def _check_left_alone(self) -> None:
        if self.left_alone:
            raise SourceError(Outcome.NOT_ASKED, f"Yahoo is left alone in this run: {self.left_alone}")

    def _ask_for_cookie(self, host: str, method: str, url: str, options: dict[str, Any]) -> curl.Response:
        """Ask one of the hosts for cookies and consent; one that cannot be reached is left alone for a while.

        Prices come without a cookie too, and some networks block these hosts.
        """
        error, until = self._unreachable_hosts.get(host, (None, 0.0))
        if error and time.monotonic() < until:
            raise error
        try:
            response = self._send(method, url, options)
        except OSError as error:
            self._unreachable_hosts[host] = (error, time.monotonic() + _BLOCKED_SECONDS)
            raise
        if host == _COOKIE_HOST:
            # yfinance checks whether it has a cookie by reading it back from its files, which do not exist here.
            self._shared._cookie = True
        return response

    def _check_crumb(self, path: str, with_crumb: bool) -> None:
        """Spare Yahoo what it would refuse: while it gives no crumb, asking for one or for what needs one."""
        if time.monotonic() >= self._no_crumb_until:
            return
        if path == _CRUMB_PATH:
            raise YFRateLimitError
        if path.startswith(_NEEDS_CRUMB) and not with_crumb:
            raise SourceError(Outcome.RATE_LIMITED, "Yahoo gives no crumb now", again=True)

    def _judge_crumb(self, response: curl.Response) -> curl.Response:
        if response.status_code == 200 and _CRUMB.fullmatch(response.text):
            return response
        if response.status_code == 429 or _TOO_MANY in response.content:
            self._no_crumb_until = time.monotonic() + self._limited_seconds
        raise YFRateLimitError

    def _judge(self, response: curl.Response, path: str, cookie: int, sent_at: float) -> curl.Response:
        status, content = response.status_code, response.content
        if status in (429, 999) or _TOO_MANY in content[:100]:
            self._count_refusal(sent_at, retry_after_seconds(response.headers.get("Retry-After")))
            raise SourceError(Outcome.RATE_LIMITED, f"Yahoo answers {status} Too Many Requests", again=True)
        if status in (401, 403):
            self._change_cookie(cookie)
            raise SourceError(Outcome.REFUSED, f"Yahoo answers {status} to its own cookie", again=True)
        self._count_answer(sent_at)
        self._unwelcome.answered()
        if status >= 500:
            raise SourceError(Outcome.UNREACHABLE, f"Yahoo answers {status}", again=True)
        consent = (urlsplit(response.url).hostname or "").endswith("consent.yahoo.com")
        if path.startswith(_JSON) and not consent:
            if not content.lstrip().startswith(b"{"):
                raise SourceError(Outcome.UNREACHABLE, f"Yahoo answers {status} with a page and no data", again=True)
            # The body says what is wrong. yfinance would take the status for a stale cookie.
            response.status_code, response.ok = 200, True
        elif status >= 400:
            raise SourceError(Outcome.BAD_DATA, f"Yahoo answers {status}")
        return response

    def _count_answer(self, sent_at: float) -> None:
        """End a row of refusals, unless this was on its way before the last of them: then it says nothing of now."""
        with self._guard:
            if sent_at > self._last_refusal:
                self._refusals_in_a_row = 0
                self._too_many.answered()

    def _count_refusal(self, sent_at: float, retry_after: float | None) -> None:
        """Pause, and count one of those that were on their way together."""
        with self._guard:
            if sent_at <= self._last_refusal:
                return
            self._refusals_in_a_row += 1
            self._too_many.refused()
            doubled = self._limited_seconds * 2 ** (self._refusals_in_a_row - 1) * random.uniform(0.5, 1.5)  # noqa: S311
            self._limiter.pause(min(_LONGEST_PAUSE_SECONDS, doubled) if retry_after is None else retry_after)
            self._last_refusal = time.monotonic()

    def _change_cookie(self, refused: int) -> None:
        """Drop cookie and crumb and take yfinance's other way to them, once for all that were refused with them."""
        data = self._shared
        with self._changing_cookie:
            if refused != self._cookies_used:
                return
            self._cookies_used += 1
            self._no_crumb_until = 0.0
            data._set_cookie_strategy("csrf" if data._cookie_strategy == "basic" else "basic")
        self._unwelcome.refused()


def dividend_currencies(ticker: yfinance.Ticker) -> dict[date, str]:
    """Return the currency of each dividend of the last history by ex-date, where Yahoo names one; it seldom does."""
    dividends = ticker._lazy_load_price_history()._dividends
    if dividends is None or "currency" not in dividends:
        return {}
    return {day.date(): currency for day, currency in dividends["currency"].items() if currency}


def trouble(error: Exception) -> SourceError:
    """Return what an exception out of yfinance means for the symbol that was asked for."""
    if isinstance(error, SourceError):
        return error
    if isinstance(error, YFRateLimitError):
        return SourceError(Outcome.RATE_LIMITED, "Yahoo answers 429 Too Many Requests", again=True)
    if isinstance(error, YFPricesMissingError):
        return _prices_missing(error.yahoo_reason)
    if isinstance(error, YFTickerMissingError):
        return SourceError(Outcome.NOT_FOUND, one_line(error.rationale))
    if isinstance(error, YFDataException):
        return SourceError(Outcome.UNREACHABLE, one_line(str(error)), again=True)
    if isinstance(error, json.JSONDecodeError):
        return SourceError(Outcome.UNREACHABLE, "Yahoo's answer breaks off", again=True)
    if isinstance(error, OSError):
        message = _CURL_MESSAGE.search(str(error))
        if message and "proxy" in message[1].lower():
            message = None  # it may quote the proxy's address, which may hold a password
        detail = f"{type(error).__name__}: {message[1]}" if message else type(error).__name__
        return SourceError(Outcome.UNREACHABLE, one_line(detail), again=True)
    detail = f"yfinance cannot read the answer: {type(error).__name__}: {error}"
    return SourceError(Outcome.BAD_DATA, one_line(detail))


def _prices_missing(reason: str | None) -> SourceError:
    """Tell apart what yfinance calls "possibly delisted": only Yahoo's own words say that a symbol is not there."""
    if reason is None:
        return SourceError(Outcome.NOTHING_IN_RANGE, "Yahoo has no session of these days")
    said = one_line(reason)
    if "no data found" in said.lower():
        return SourceError(Outcome.NOT_FOUND, said)
    if "data doesn't exist for startdate" in said.lower():
        return SourceError(Outcome.NOTHING_IN_RANGE, "Yahoo has no data of these days")
    return SourceError(Outcome.BAD_DATA, said)


def _set_up_yfinance() -> None:
    """Let yfinance raise, be silent, and keep nothing in files, which fail with several threads.

    Raises:
        UserError: this yfinance is another one than the names used here belong to.
    """
    _check_names()
    yfinance.config.debug.hide_exceptions = False
    yfinance.config.debug.logging = False
    # Everything it logs is also in the answers.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    # When yfinance is imported, it switches its own deprecation warnings on again, and pandas causes thousands of them.
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module="yfinance")
    cache._TzCacheManager._tz_cache = cache._TzCacheDummy()
    cache._CookieCacheManager._Cookie_cache = cache._CookieCacheDummy()
    cache._ISINCacheManager._isin_cache = cache._ISINCacheDummy()


def _check_names() -> None:
    names = {
        cache: ("_TzCacheManager", "_TzCacheDummy", "_CookieCacheManager", "_CookieCacheDummy", "_ISINCacheManager"),
        getattr(cache, "_TzCacheManager", None): ("_tz_cache",),
        getattr(cache, "_CookieCacheManager", None): ("_Cookie_cache",),
        getattr(cache, "_ISINCacheManager", None): ("_isin_cache",),
        yfinance.Ticker: ("_lazy_load_price_history",),
        YfData: ("cache_get", "_set_session", "_set_cookie_strategy", "get_raw_json"),
        YfData(): ("_session", "_crumb", "_cookie", "_cookie_strategy", "fundamentals_use_chunked"),
    }
    missing = [name for owner, expected in names.items() for name in expected if not hasattr(owner, name)]
    if missing:
        raise UserError(
            f"yfinance {yfinance.__version__} is not one that this works with (it has no {', '.join(missing)}): "
            f"install yfinance {_SUPPORTED} with pip install 'yfinance=={_SUPPORTED}.*'"
        )
