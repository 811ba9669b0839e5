"""Financial Modeling Prep: daily bars as traded, splits, dividends and profiles of US listings.

The price endpoint is `non-split-adjusted`, whose fields are called adjOpen to adjClose and are as traded all the same
(AAPL on 2020-08-28, before 4:1: 499.24, where `full` has 124.81). Of a dividend row `dividend` is what was paid per
share of that day, `adjDividend` is in shares of today (AAPL 1995-11-21: 0.12, and 0.12/112 = 0.00107).

A symbol costs three requests: bars, and where there are any, splits and dividends, because closes without the splits
between them would be taken for gains and losses. Without any bar it costs one. Where the bars of one end early, the
list of symbol changes is asked for, once a run: it may have another name since. Of mergers FMP tells no terms.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from ingest.market.ratios import is_adjusted_spin_off, ratio_of_terms, spin_off_reason
from ingest.providers import json_values
from ingest.providers.base import Answer, FundSectorsReply, Outcome, PriceReply, ProfileReply, Usage, Want
from ingest.providers.fmp_client import EndpointGateError, FmpClient
from ingest.providers.http import SourceError
from ingest.rows import DIVIDEND, RENAME, SPLIT, CorporateAction, PriceBar, Profile, RejectedRow, SectorWeight
from ingest.symbols import canonical_symbol, parse_option_symbol, with_dashed_class

CANARY = "AAPL"

_AS_TRADED = "historical-price-eod/non-split-adjusted"
_SPLIT_ADJUSTED = "historical-price-eod/full"
_SECTOR_WEIGHTINGS = "etf/sector-weightings"
_SYMBOL_CHANGES = "symbol-change"
# Beyond this number FMP leaves out the oldest rows without saying so.
_ROW_CAP = 5000
_FIELDS = {"open": "adjOpen", "high": "adjHigh", "low": "adjLow", "close": "adjClose", "volume": "volume"}

# Entries that FMP lists beside the sectors of a fund.
_NO_SECTOR = re.compile(r"\b(cash|others?|unclassified|n/?a)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(r".+\.[A-Z]{1,4}")
# Longer than any gap between sessions, so that the first wanted session has one before it.
_DAYS_BEFORE = timedelta(days=10)
# Split-adjusted closes are rounded. If two ratios of closes differ by less than this, the ratio has not changed.
_SAME_RATIO = Decimal("0.01")


class FmpProvider:
    """Market data from FMP, one symbol a time."""

    name = "fmp"
    label = "fmp"
    overlap_sessions = 7

    def __init__(self, client: FmpClient, today: date) -> None:
        """Prepare; `today` is the date in New York."""
        self._client = client
        self._today = today
        self._currencies: dict[str, str] = {}
        self._changes: list[dict[str, Any]] | None = None

    @property
    def usage(self) -> Usage:
        """What FMP has cost, with everything else that is asked through the same client."""
        return self._client.usage

    def declines(self, symbol: str) -> str | None:
        """Options, and what is listed elsewhere by its suffix (VOD.L): its prices are not in USD."""
        try:
            is_option = parse_option_symbol(symbol) is not None
        except ValueError as error:
            return str(error)
        if is_option:
            return "FMP has no options"
        if _ELSEWHERE.fullmatch(symbol) and with_dashed_class(symbol) == symbol:
            return f"FMP is asked for US listings alone, and .{symbol.rpartition('.')[2]} is elsewhere or not in USD"
        return None

    def probe(self) -> Answer:
        """Ask for the latest closes of AAPL."""
        want = Want(CANARY, self._today - _DAYS_BEFORE, self._today)
        try:
            rows = self._price_rows(CANARY, want.first, want.last, _AS_TRADED)
        except SourceError as error:
            return error.answer
        return Answer(Outcome.OK) if rows else Answer(Outcome.BAD_DATA, f"no close of {CANARY} in the last ten days")

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Return bars, splits and dividends within each symbol's range; of a symbol all of them, or nothing."""
        reply = PriceReply()
        without_dividends = 0
        for want in wants:
            if reason := self.declines(want.symbol):
                reply.answers[want.symbol] = Answer(Outcome.NOT_ASKED, reason)
                continue
            if reason := self._not_in_dollars(want.symbol):
                reply.answers[want.symbol] = Answer(Outcome.REFUSED, reason)
                continue
            part = _SymbolRows(want)
            try:
                reply.answers[want.symbol] = self._fetch_symbol(want, part)
            except SourceError as error:
                reply.answers[want.symbol] = error.answer
                continue
            if max(part.bars, default=want.first) < want.last:
                part.add_renamings(self._symbol_changes())
            without_dividends += part.without_dividends
            reply.bars += part.bars.values()
            reply.actions += part.actions
            reply.rejected += part.rejected
        if without_dividends:
            reply.problems.append(
                f"the plan does not include the dividends of {without_dividends} symbols it has bars of"
            )
        reply.problems += self._client.problems()
        return reply

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Return the profiles that FMP has of these symbols, one request each."""
        reply = ProfileReply()
        failures: Counter[str] = Counter()
        for symbol in symbols:
            if self.declines(symbol):
                continue
            try:
                rows = self._client.rows("profile", {"symbol": with_dashed_class(symbol)})
            except SourceError as error:
                failures[str(error)] += 1
                continue
            for row in rows:
                if row.get("symbol") == with_dashed_class(symbol):
                    profile = _profile(symbol, row)
                    if profile.currency:
                        self._currencies[symbol] = profile.currency
                    reply.profiles.append(profile)
                    break
        reply.problems += [f"no profile of {count} symbols: {reason}" for reason, count in failures.items()]
        reply.problems += self._client.problems()
        return reply

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Return the sectors that FMP has of these funds, one request each; cash and the like are no sector."""
        reply = FundSectorsReply()
        for symbol in symbols:
            if reason := self.declines(symbol):
                reply.answers[symbol] = Answer(Outcome.NOT_ASKED, reason)
                continue
            spelled = with_dashed_class(symbol)
            try:
                rows = self._client.rows(_SECTOR_WEIGHTINGS, {"symbol": spelled})
            except SourceError as error:
                reply.answers[symbol] = error.answer
                continue
            weights = [weight for row in rows if row.get("symbol") == spelled and (weight := _sector(symbol, row))]
            reply.weights += weights
            nothing = Answer(Outcome.NOTHING_IN_RANGE, "FMP has no sectors of it")
            reply.answers[symbol] = Answer(Outcome.OK) if weights else nothing
        reply.problems += self._client.problems()
        return reply

    def _not_in_dollars(self, symbol: str) -> str | None:
        currency = self._currencies.get(symbol, "USD")
        return None if currency == "USD" else f"quoted in {currency}, and only USD is taken"

    def _fetch_symbol(self, want: Want, part: "_SymbolRows") -> Answer:
        """Fill `part` with what there is of one symbol.

        Raises:
            SourceError: some of it could not be had.
        """
        spelled = with_dashed_class(want.symbol)
        rows = self._price_rows(spelled, want.first - _DAYS_BEFORE, want.last, _AS_TRADED)
        part.add_bars(rows)
        if not part.bars:
            if part.rejected:
                return Answer(Outcome.BAD_DATA, f"{len(part.rejected)} rows could not be read")
            return Answer(Outcome.NOTHING_IN_RANGE, "FMP answers the same for a symbol that it does not know")
        try:
            part.add_splits(self._rows_of("splits", spelled))
        except SourceError as error:
            if not _is_gate(error):
                raise
            self._make_sure_of_no_split(spelled, want, rows)
        try:
            part.add_dividends(self._rows_of("dividends", spelled))
        except SourceError as error:
            if not _is_gate(error):
                raise
            part.without_dividends = True
        return Answer(Outcome.OK)

    def _symbol_changes(self) -> list[dict[str, Any]]:
        """Return the latest changes of symbols, asked for once; none where the plan or the moment has none."""
        if self._changes is None:
            self._changes = []
            with suppress(SourceError):
                self._changes = self._client.rows(_SYMBOL_CHANGES, {})
        return self._changes

    def _rows_of(self, endpoint: str, spelled: str) -> list[dict[str, Any]]:
        return [row for row in self._client.rows(endpoint, {"symbol": spelled}) if row.get("symbol") == spelled]

    def _price_rows(self, spelled: str, first: date, last: date, endpoint: str) -> list[dict[str, Any]]:
        """Return the rows of a range, page by page from the newest back.

        Raises:
            SourceError: they cannot be had, or are of another symbol or without dates.
        """
        found: list[dict[str, Any]] = []
        while first <= last:
            page = self._client.rows(endpoint, {"symbol": spelled, "from": first.isoformat(), "to": last.isoformat()})
            if any(row.get("symbol") != spelled for row in page):
                raise SourceError(Outcome.BAD_DATA, "rows of another symbol than the one asked for")
            found += page
            if len(page) < _ROW_CAP:
                break
            try:
                oldest = min(json_values.day(row.get("date")) for row in page)
            except ValueError as error:
                raise SourceError(Outcome.BAD_DATA, f"date: {error}") from None
            last = min(last, oldest) - timedelta(days=1)
        return found

    def _make_sure_of_no_split(self, spelled: str, want: Want, as_traded: Sequence[Mapping[str, Any]]) -> None:
        """See from two series that there is no split in the range, where the plan does not tell splits.

        All plans have both: closes as traded and split-adjusted differ by a ratio, which a split changes.

        Raises:
            SourceError: there is a split, or it cannot be known.
        """
        adjusted = self._price_rows(spelled, want.first - _DAYS_BEFORE, want.last, _SPLIT_ADJUSTED)
        theirs = {str(row.get("date")): json_values.finite(row.get("close")) for row in adjusted}
        closes = {str(row.get("date")): json_values.finite(row.get(_FIELDS["close"])) for row in as_traded}
        ratios = [close / theirs[day] for day, close in sorted(closes.items()) if close and theirs.get(day)]
        steady = all(abs(later / earlier - 1) <= _SAME_RATIO for earlier, later in pairwise(ratios))
        if not steady or len(ratios) < len(closes):
            raise SourceError(
                Outcome.REFUSED, "the plan does not include its splits, and there seems to be one in range"
            )


class _SymbolRows:
    """The rows of one symbol, as they are read."""

    def __init__(self, want: Want) -> None:
        self.want = want
        self.bars: dict[date, PriceBar] = {}
        self.actions: list[CorporateAction] = []
        self.rejected: list[RejectedRow] = []
        self.without_dividends = False

    def add_bars(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read price rows; where two of one session differ, neither is taken."""
        contradicted = set()
        for row in rows:
            session = self._date_in_range(row, "market_data_cache")
            if session is None:
                continue
            try:
                bar = json_values.read_bar(self.want.symbol, session, row, _FIELDS)
            except ValueError as error:
                self._reject("market_data_cache", session, str(error), row)
                continue
            if self.bars.setdefault(session, bar) != bar:
                contradicted.add(session)
                self._reject("market_data_cache", session, "another row has this session differently", row)
        for session in contradicted:
            del self.bars[session]

    def add_splits(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read splits. A spin-off is no split of the shares that one has, though FMP gives it a ratio."""
        for row in rows:
            ex_date = self._date_in_range(row, "corporate_actions")
            if ex_date is None:
                continue
            new, old = json_values.finite(row.get("numerator")), json_values.finite(row.get("denominator"))
            if not new or not old or new < 0 or old < 0:
                self._reject("corporate_actions", ex_date, "a split without its ratio", row)
                continue
            action = CorporateAction(self.want.symbol, ex_date, SPLIT, ratio_of_terms(new, old))
            # The label may be missing or wrong, so the terms decide as well.
            if "spin" in str(row.get("splitType")).lower() or is_adjusted_spin_off(new, old):
                reason = spin_off_reason(self.want.symbol, ex_date, new, old)
                self._reject("corporate_actions", ex_date, reason, action._asdict())
            else:
                self.actions.append(action)

    def add_dividends(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read dividends, in shares of the ex-date."""
        for row in rows:
            ex_date = self._date_in_range(row, "corporate_actions")
            if ex_date is None:
                continue
            amount = json_values.finite(row.get("dividend"))
            if amount is None:
                self._reject("corporate_actions", ex_date, "a dividend without its amount", row)
            else:
                self.actions.append(CorporateAction(self.want.symbol, ex_date, DIVIDEND, amount))

    def add_renamings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read what the symbol is called since, from a list of all symbols that changed."""
        spelled = with_dashed_class(self.want.symbol)
        for row in rows:
            new = json_values.text(row.get("newSymbol"))
            if row.get("oldSymbol") != spelled or not new or new == spelled:
                continue
            ex_date = self._date_in_range(row, "corporate_actions")
            if ex_date is None:
                continue
            try:
                new_symbol = canonical_symbol(new)
            except ValueError as error:
                self._reject("corporate_actions", ex_date, f"newSymbol: {error}", row)
                continue
            self.actions.append(CorporateAction(self.want.symbol, ex_date, RENAME, Decimal(1), new_symbol))

    def _date_in_range(self, row: Mapping[str, Any], relation: str) -> date | None:
        try:
            day = json_values.day(row.get("date"))
        except ValueError as error:
            self._reject(relation, None, f"date: {error}", row)
            return None
        return day if self.want.first <= day <= self.want.last else None

    def _reject(self, relation: str, day: date | None, reason: str, row: Mapping[str, Any]) -> None:
        self.rejected.append(
            RejectedRow(FmpProvider.name, relation, self.want.symbol, day, reason, json_values.payload(row))
        )


def _is_gate(error: SourceError) -> bool:
    """Say whether the plan leaves this out, and the rest of the source is there."""
    return not error.stop and (error.outcome == Outcome.REFUSED or isinstance(error, EndpointGateError))


def _sector(symbol: str, row: Mapping[str, Any]) -> SectorWeight | None:
    """Read a weight such as 34.6 or "34.6%", in percent of the fund; None where it is nothing, or of no sector."""
    sector, told = json_values.text(row.get("sector")), row.get("weightPercentage")
    if isinstance(told, str):
        with suppress(InvalidOperation):
            told = Decimal(told.strip().removesuffix("%"))
    percent = json_values.finite(told)
    if not sector or not percent or _NO_SECTOR.search(sector):
        return None
    return SectorWeight(symbol, sector, round(percent / 100, 6))


def _profile(symbol: str, row: Mapping[str, Any]) -> Profile:
    beta = json_values.finite(row.get("beta"))
    kinds = {"isEtf": "ETF", "isFund": "MUTUALFUND"}
    return Profile(
        symbol,
        name=json_values.text(row.get("companyName")),
        sector=json_values.text(row.get("sector")),
        industry=json_values.text(row.get("industry")),
        country=json_values.text(row.get("country")),
        exchange=json_values.text(row.get("exchange")),
        currency=json_values.text(row.get("currency")),
        quote_type=next((kind for flag, kind in kinds.items() if row.get(flag) is True), "EQUITY"),
        market_cap=json_values.finite(row.get("marketCap")),
        beta=None if beta is None else float(beta),
    )
