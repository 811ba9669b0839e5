"""Financial Modeling Prep: statements, analysts' estimates and earnings dates of US listings, one request a part."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from typing import Any

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
from ingest.providers.fmp_client import EndpointGateError, FmpClient, ParameterGateError
from ingest.providers.http import SourceError, one_line
from ingest.rows import EarningsDate, Estimate, Statement
from ingest.symbols import with_dashed_class

CANARY = "AAPL"

_ENDPOINTS = {
    "income": "income-statement",
    "balance": "balance-sheet-statement",
    "cash_flow": "cash-flow-statement",
}
_PERIODS = {"annual": "annual", "quarterly": "quarter"}
# Fields that are no items of the statement.
_NO_ITEMS = frozenset({"symbol", "date", "reportedCurrency", "link", "finalLink"})

# Periods of statements: two years of quarters. A plan that allows fewer says so, and is asked for those.
_STATEMENT_ROWS = 8
_EARNINGS_ROWS = 20
# Replies begin with the furthest future. So many rows are asked for, and the nearest ones of each frequency are kept.
_ESTIMATE_ROWS = 100
_ESTIMATES_KEPT = 4
# A company reports on a period some time after its end, up to this.
_REPORTED_LATE = timedelta(days=100)


class FmpFundamentals:
    """Fundamentals from FMP."""

    name = "fmp"
    label = "fmp"

    def __init__(self, client: FmpClient, today: date) -> None:
        """Prepare, without a connection; `today` is the date in New York."""
        self._client = client
        self._today = today
        self._gated: dict[Part, str] = {}
        self._problems: list[str] = []

    @property
    def usage(self) -> Usage:
        """What FMP has cost, with everything else that is asked through the same client."""
        return self._client.usage

    def probe(self) -> Answer:
        """Ask for AAPL's latest income statement, which every plan has."""
        try:
            rows = self._client.rows(_ENDPOINTS["income"], {"symbol": CANARY, "period": "annual", "limit": 1})
        except SourceError as error:
            return error.answer
        return Answer(Outcome.OK) if rows else Answer(Outcome.BAD_DATA, f"it has no statement of {CANARY}")

    def fetch_fundamentals(self, wants: Mapping[str, AbstractSet[Part]]) -> FundamentalsReply:
        """Return what FMP and the plan have of these parts."""
        reply = FundamentalsReply()
        for symbol, parts in wants.items():
            reply.answers[symbol] = self._fetch_symbol(symbol, parts, reply)
        reply.problems += [*self._problems, *self._client.problems()]
        self._problems = []
        return reply

    def _fetch_symbol(self, symbol: str, parts: AbstractSet[Part], reply: FundamentalsReply) -> Answer:
        statements, estimates, earnings = [], [], []
        trouble: SourceError | None = None
        gates: list[str] = []
        for part in (*STATEMENTS, ESTIMATES, EARNINGS):
            if part not in parts:
                continue
            if part in self._gated:
                gates.append(self._gated[part])
                continue
            try:
                if part in STATEMENTS:
                    statements += self._statements(symbol, part)
                elif part == ESTIMATES:
                    estimates += self._estimates(symbol)
                else:
                    earnings += self._earnings(symbol)
            except (EndpointGateError, ParameterGateError) as gate:
                if part not in self._gated and isinstance(gate, ParameterGateError):
                    self._problems.append(f"the plan leaves out {part}: {gate.detail}")
                self._gated[part] = gate.detail
                gates.append(gate.detail)
            except SourceError as error:
                trouble = trouble or error
                if error.outcome != Outcome.BAD_DATA:
                    break  # if an error keeps one part from coming, it keeps the others too
        reply.statements += statements
        reply.estimates += estimates
        reply.earnings += earnings
        if trouble:
            return trouble.answer
        if statements or (not parts & set(STATEMENTS) and (estimates or earnings)):
            return Answer(Outcome.OK)
        if gates:
            return Answer(Outcome.REFUSED, gates[0])
        return Answer(Outcome.NOTHING_IN_RANGE, "FMP answers the same for a symbol that it does not know")

    def _statements(self, symbol: str, part: Part) -> list[Statement]:
        parameters = {"period": _PERIODS[part.frequency], "limit": _STATEMENT_ROWS}
        rows = self._rows(symbol, _ENDPOINTS[part.kind], parameters)
        return _each(part, rows, lambda day, row: _statement(symbol, part, day, row))

    def _estimates(self, symbol: str) -> list[Estimate]:
        by_period: dict[date, dict[str, object]] = {}
        for frequency, period in _PERIODS.items():
            part = Part("estimates", frequency)
            if part in self._gated:
                continue
            try:
                rows = self._rows(symbol, "analyst-estimates", {"period": period, "page": 0, "limit": _ESTIMATE_ROWS})
            except ParameterGateError as gate:
                self._gated[part] = gate.detail
                self._problems.append(f"the plan leaves out {part}: {gate.detail}")
                continue
            read = _each(part, rows, lambda day, row: (day, _figures(row)))
            nearest = sorted(entry for entry in read if entry[0] >= self._today - _REPORTED_LATE)[:_ESTIMATES_KEPT]
            for day, figures in nearest:
                by_period.setdefault(day, {})[frequency] = figures
        return [Estimate(symbol, day, estimates) for day, estimates in sorted(by_period.items())]

    def _earnings(self, symbol: str) -> list[EarningsDate]:
        rows = self._rows(symbol, "earnings", {"limit": _EARNINGS_ROWS})
        return _each(
            EARNINGS,
            rows,
            lambda day, row: EarningsDate(
                symbol,
                day,
                json_values.as_amount(row.get("epsEstimated")),
                json_values.as_amount(row.get("epsActual")),
            ),
        )

    def _rows(self, symbol: str, endpoint: str, parameters: Mapping[str, str | int]) -> list[dict[str, Any]]:
        """Return an endpoint's rows of a symbol, in FMP's order.

        Raises:
            SourceError: they cannot be had, or are of another symbol.
        """
        spelled = with_dashed_class(symbol)
        rows = self._client.rows(endpoint, {"symbol": spelled, **parameters})
        if any(row.get("symbol") != spelled for row in rows):
            raise SourceError(Outcome.BAD_DATA, f"{endpoint}: rows of another symbol than the one asked for")
        return rows


def _each(part: Part, rows: list[dict[str, Any]], read: Callable[[date, dict[str, Any]], Any]) -> list[Any]:
    """Read every row with its date; the first of two with one date, which is the newer.

    Raises:
        SourceError: BAD_DATA where a row has no date.
    """
    found: dict[date, Any] = {}
    for row in rows:
        try:
            day = json_values.day(row.get("date"))
        except ValueError as error:
            raise SourceError(Outcome.BAD_DATA, f"{part}: date: {error}") from None
        if day not in found:
            found[day] = read(day, row)
    return list(found.values())


def _statement(symbol: str, part: Part, day: date, row: Mapping[str, Any]) -> Statement:
    currency = json_values.text(row.get("reportedCurrency"))
    return Statement(symbol, part.kind, part.frequency, day, currency, _figures(row))


def _figures(row: Mapping[str, Any]) -> dict[str, object]:
    """Return a row's items as JSON is to hold them: numbers, and texts such as the filing's date."""
    items = {
        name: json_values.text(value) if isinstance(value, str) else json_values.plain_number(value)
        for name, value in row.items()
        if name not in _NO_ITEMS
    }
    return {one_line(name): value for name, value in items.items() if value is not None}
