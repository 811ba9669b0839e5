"""The query parameters of requests. Any other parameter is refused."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.problems import refused

MOST_ROWS = 2000

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _as_written(value: Any) -> Any:
    """A day in the notation used everywhere here; pydantic alone would also accept seconds since 1970."""
    if isinstance(value, str) and value != "latest" and not _DAY.fullmatch(value):
        raise ValueError("write a day like 2023-12-29")
    return value


def _printable(value: str) -> str:
    if "\0" in value:
        raise ValueError("there is no such character in a name")
    return value


Day = Annotated[date, BeforeValidator(_as_written)]
Name = Annotated[str, AfterValidator(_printable)]

AsOfDay = Annotated[
    Literal["latest"] | Day,
    Field(description="A session of the portfolio; by default the latest whose P&L and risk both stand."),
]


class Query(BaseModel):
    """The parameters of every request."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[
        Literal["json", "csv", "arrow"] | None,
        Field(description="The form of the answer, before what Accept says; Arrow where the server has pyarrow."),
    ] = None
    decimals: Annotated[
        Literal["number", "string"],
        Field(description="Whether money and other exact numbers are JSON numbers, or texts with every stored digit."),
    ] = "number"

    @property
    def exact(self) -> bool:
        """Whether exact numbers are wanted as text."""
        return self.decimals == "string"


class AsOf(Query):
    """One session."""

    as_of: AsOfDay = "latest"


class Snapshot(AsOf):
    """One portfolio at one session."""

    level: Annotated[
        Literal["snapshot", "risk", "sector"], Field(description="What a CSV or Arrow table is of; JSON has all three.")
    ] = "snapshot"


class Positions(AsOf):
    """Positions of one session."""

    by: Annotated[
        Literal["lot", "symbol"], Field(description="A row a lot, or a row a symbol with its lots netted.")
    ] = "lot"


class Models(AsOf):
    """Statistics by model."""

    level: Annotated[
        Literal["portfolio", "position"], Field(description="What a CSV or Arrow table is of; JSON has both.")
    ] = "position"


class Betas(Models):
    """Betas of one session."""

    model: Annotated[
        Literal["market", "interest_rate"] | None, Field(description="To the stock market or to Treasuries; else both.")
    ] = None


class Factors(Models):
    """Factor exposures of one session."""

    model: Annotated[
        Literal["ridge", "spread"], Field(description="All factors jointly (ridge), or each alone (spread).")
    ] = "ridge"


class Performance(AsOf):
    """Performance of one session's periods."""

    period: Annotated[
        Literal["MTD", "QTD", "YTD", "1Y", "3Y", "5Y", "SI"] | None,
        Field(description="Only this period; SI is since inception."),
    ] = None


class Attribution(AsOf):
    """The sources of P&L and active return, of one session or a period."""

    level: Annotated[
        Literal["source", "sector", "position", "period_source", "period_sector"],
        Field(description="What a CSV or Arrow table is of; JSON has all. Source and sector are of the session."),
    ] = "source"
    period: Annotated[
        Literal["MTD", "YTD", "SI"],
        Field(description="The period, up to the session, of positions, period_sources and period_sectors."),
    ] = "YTD"


class Correlations(AsOf):
    """Correlations of one session."""

    max_symbols: Annotated[
        int, Field(ge=2, le=200, description="The matrix is of so many of the largest holdings.")
    ] = 40
    level: Annotated[
        Literal["pair", "cluster"],
        Field(description="What a CSV or Arrow table is of: the pairs of the matrix, or the clusters. JSON has both."),
    ] = "pair"


class Span(Query):
    """Several sessions, in pages."""

    start: Annotated[Day | None, Field(description="The first day; by default all there is.")] = None
    end: Annotated[Day | None, Field(description="The last day; by default the latest published session.")] = None
    limit: Annotated[
        int | None,
        Field(ge=1, le=MOST_ROWS, description="So many rows a page; CSV and Arrow are whole without it."),
    ] = None
    cursor: Annotated[
        str | None, Field(max_length=400, description="Where the page begins: `next` of the page before.")
    ] = None


class History(Span):
    """Sessions of a portfolio."""

    columns: Annotated[
        str | None,
        Field(max_length=2000, description="Only these columns, separated by commas; the session is always there."),
    ] = None


class PositionHistory(Span):
    """Positions over sessions."""

    symbol: Annotated[Name | None, Field(max_length=200, description="Only the lots of this symbol.")] = None


class FactorHistory(Span):
    """Exposures over sessions."""

    model: Annotated[
        Literal["ridge", "spread", "market", "interest_rate"] | None, Field(description="Only this model.")
    ] = None
    factor: Annotated[Name | None, Field(max_length=100, description="Only this factor.")] = None


class SymbolAsOf(Query):
    """One session of a symbol."""

    as_of: Annotated[
        Literal["latest"] | Day, Field(description="A session; by default the latest with statistics of the symbol.")
    ] = "latest"


def refuse_repeated(request: Request) -> None:
    """Raise Problem for a parameter that is given twice, because it is not clear which one counts."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise refused(dict.fromkeys(repeated, "is given more than once"))


def refuse_all(request: Request) -> None:
    """Raise Problem for any parameter, where an address takes none."""
    if given := list(request.query_params):
        raise refused(dict.fromkeys(dict.fromkeys(given), "there is no such parameter"))
