"""The parameters of requests: what may stand behind the question mark. Anything else is refused."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_ROWS = 2000

AsOfDay = Annotated[
    date | Literal["latest"],
    Field(description="A session of the portfolio; by default the latest whose P&L and risk both stand."),
]


class Query(BaseModel):
    """What every request may ask for."""

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
    """Where the P&L and the active return of a session and of a period came from."""

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
    """Several sessions, a page at a time."""

    start: Annotated[date | None, Field(description="The first day; by default all there is.")] = None
    end: Annotated[date | None, Field(description="The last day; by default the latest published session.")] = None
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

    symbol: Annotated[str | None, Field(max_length=200, description="Only the lots of this symbol.")] = None


class FactorHistory(Span):
    """Exposures over sessions."""

    model: Annotated[
        Literal["ridge", "spread", "market", "interest_rate"] | None, Field(description="Only this model.")
    ] = None
    factor: Annotated[str | None, Field(max_length=100, description="Only this factor.")] = None


class SymbolAsOf(Query):
    """One session of a symbol."""

    as_of: Annotated[
        date | Literal["latest"], Field(description="A session; by default the latest with statistics of the symbol.")
    ] = "latest"
