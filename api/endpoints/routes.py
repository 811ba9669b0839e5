"""The declaration of an endpoint, and the route that is made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api import queries
from api.asking import Reads, Selects, answer, answer_portfolio
from api.tables import Table

PREFIX = "/api/v1"
HANDLE = "A portfolio's id or its exact name."


@dataclass(frozen=True)
class Endpoint:
    """The declaration of one address.

    Args:
        path: the path after /api/v1; `{portfolio}` or `{symbol}` is its subject.
        name: its name for programs.
        summary: its description for people, in one line.
        query: its parameters.
        reads: reads the answer in JSON.
        selects: selects the rows of its table, where it has one.
        data: the shape of `data`: many rows of a table, a single row, or sections by name.
        also: other paths to the same answer.
        answers: makes the answer of an endpoint that is of a special kind.
        of: the kind of subject: a portfolio, a symbol or all.
        versioned: whether the answer changes with the data alone.
    """

    path: str
    name: str
    summary: str
    query: type[queries.Query]
    reads: Reads
    selects: Selects | None
    data: "Shape"
    also: tuple[str, ...] = ()
    answers: Callable[[Request, str, queries.Query, Reads, Selects | None], Any] | None = None
    of: Literal["portfolio", "symbol", "all"] = "portfolio"
    versioned: bool = True


@dataclass(frozen=True)
class One:
    """A single row of a table, or null; `parts` are rows of other tables inside it."""

    table: Table
    parts: Mapping[str, "One"] = field(default_factory=dict[str, "One"])

    @property
    def tables(self) -> tuple[Table, ...]:
        """The table."""
        return (self.table,)


@dataclass(frozen=True)
class Many:
    """Rows of a table, or of another with columns of the same meaning; `more` are fields that are not columns."""

    table: Table
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    other: Table | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that a row may come from."""
        return (self.table, self.other) if self.other else (self.table,)


@dataclass(frozen=True)
class Plain:
    """Data that are in no table, as JSON Schema."""

    schema: dict[str, Any]


@dataclass(frozen=True)
class Sections:
    """Several shapes by name."""

    parts: Mapping[str, "One | Many | Plain | Sections"]


Shape = One | Many | Plain | Sections


def add(router: APIRouter, endpoint: Endpoint) -> None:
    """Add the routes of an endpoint."""
    for number, path in enumerate((endpoint.path, *endpoint.also)):
        router.add_api_route(
            PREFIX + path,
            _handler(endpoint),
            methods=["GET"],
            name=endpoint.name,
            summary=endpoint.summary,
            operation_id=endpoint.name + (f"_{number + 1}" if number else ""),
            response_model=None,
        )


def _handler(endpoint: Endpoint) -> Callable[..., Any]:
    if endpoint.of == "all":

        async def of_all(request: Request, query: queries.Query) -> Response:
            if endpoint.answers:
                return await endpoint.answers(request, "", query, endpoint.reads, endpoint.selects)
            return await answer(request, query, endpoint.reads, endpoint.selects)

        return _asking(of_all, endpoint.query)
    if endpoint.of == "symbol":

        async def of_symbol(
            request: Request,
            symbol: Annotated[str, Path(description="A ticker.", max_length=200)],
            query: queries.Query,
        ) -> Response:
            assert endpoint.answers  # noqa: S101
            return await endpoint.answers(request, symbol, query, endpoint.reads, endpoint.selects)

        return _asking(of_symbol, endpoint.query)

    async def of_portfolio(
        request: Request,
        portfolio: Annotated[str, Path(description=HANDLE, max_length=500)],
        query: queries.Query,
    ) -> Response:
        answers = endpoint.answers or answer_portfolio
        return await answers(request, portfolio, query, endpoint.reads, endpoint.selects)

    return _asking(of_portfolio, endpoint.query)


def _asking(handler: Callable[..., Any], query: type[queries.Query]) -> Callable[..., Any]:
    """The handler with its own kind of query, by which FastAPI reads and describes the parameters."""
    handler.__annotations__["query"] = Annotated[query, Query()]
    return handler
