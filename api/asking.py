"""One request on its way from the requested portfolio, session and form to the bytes of the answer."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from fastapi import Request, Response
from psycopg import sql
from psycopg.rows import class_row

from api import forms
from api.access import Caller
from api.answers import Answer, answers_of, caller_of
from api.encode import Rows, fetch, json_text
from api.missing import Missing, missing_of
from api.paths import name_of
from api.problems import NotThere, Problem, invalid
from api.queries import MOST_ROWS, AsOf, Query, Span, refuse_repeated
from api.rendering import rendering
from api.tables import Table
from reports.portfolios import Portfolio, nearest_sessions


@dataclass(frozen=True)
class Body:
    """The content of the envelope: `data` as JSON, and the cursor of the next page."""

    data: str
    missing: Missing = field(default_factory=list)
    next: str | None = None


@dataclass(frozen=True)
class Selection:
    """A requested part of a table: the rows of a CSV, of an Arrow table, or of a page."""

    table: Table
    parameters: dict[str, Any]
    names: Sequence[str] | None = None

    def query(self, *, after: Sequence[str] = (), limit: int | None = None) -> tuple[str, dict[str, Any]]:
        """The query for at most `limit` rows after a key."""
        keys, text, more = self.table.key, self.table.select(self.names), dict(self.parameters)
        if not keys:
            return text, more
        text = f"select * from ({text}) as selected"
        if after:
            places = ", ".join(f"%(after_{place})s" for place in range(len(keys)))
            text += f" where ({', '.join(keys)}) > ({places})"
            more |= {f"after_{place}": value for place, value in enumerate(after)}
        text += f" order by {', '.join(keys)}"
        if limit is not None:
            text += f" limit {limit:d}"
        return text, more


@dataclass(frozen=True)
class Page:
    """A page of a selection: the query for its rows, and the query for the start of the next page."""

    selection: Selection
    version: str
    after: tuple[str, ...]
    limit: int

    def query(self) -> tuple[str, dict[str, Any]]:
        """The rows of the page."""
        return self.selection.query(after=self.after, limit=self.limit)

    def rows(self, conn: psycopg.Connection[Any], *, exact: bool) -> tuple[Rows, str | None]:
        """The rows of the page, and the cursor of the next one; None where there is none."""
        text, parameters = self.selection.query(after=self.after, limit=self.limit + 1)
        rows = fetch(conn, text, parameters, exact=exact)
        shown = Rows(rows.names, rows.values[: self.limit], rows.numbers)
        if len(rows.values) <= self.limit:
            return shown, None
        return shown, self._cursor([json.loads(shown.column(key)[-1] or "null") for key in self.keys])

    def next(self, conn: psycopg.Connection[Any]) -> str | None:
        """The cursor of the next page alone; None where there is none."""
        text, parameters = self.selection.query(after=self.after, limit=self.limit + 1)
        keys = ", ".join(f"{key}::text" for key in self.keys)
        order = ", ".join(f"page.{key}" for key in self.keys)
        ends = f"select {keys} from ({text}) as page order by {order} offset {self.limit - 1:d}"
        last = conn.execute(ends.encode(), parameters).fetchall()
        return self._cursor(list(last[0])) if len(last) > 1 else None

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns, which tell the rows apart."""
        return self.selection.table.key

    def _cursor(self, last: Sequence[str]) -> str:
        return base64.urlsafe_b64encode(json_text([self.version, *last]).encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Ask:
    """A request with the connection that answers it, and the version of the data it concerns."""

    conn: psycopg.Connection[Any]
    query: Query
    caller: Caller
    version: str
    portfolio: Portfolio | None = None
    day: date | None = None
    position_id: UUID | None = None

    def rows(self, table: Table, names: Sequence[str] | None = None, **more: Any) -> Rows:
        """The rows of a table for this portfolio and session, and for any further parameters."""
        text, parameters = Selection(table, {**self.parameters, **more}, names).query()
        return fetch(self.conn, text, parameters, exact=self.query.exact)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of queries."""
        portfolio_id = self.portfolio and self.portfolio.portfolio_id
        return {"portfolio_id": portfolio_id, "day": self.day, "position_id": self.position_id}

    def page(self, selection: Selection) -> Page:
        """The requested page of a selection.

        Raises:
            Problem: the cursor is not valid, or the data have changed since the page before.
        """
        query = self.query
        assert isinstance(query, Span)  # noqa: S101
        keys = selection.table.key
        version, *after = _read_cursor(query.cursor, keys) if query.cursor else (self.version,)
        if version != self.version:
            raise Problem(
                409,
                "the data have changed since the page before: begin again without a cursor, or ask for all rows at once"
                " as CSV",
            )
        return Page(selection, self.version, tuple(after), query.limit or MOST_ROWS)

    def read_page(self, selection: Selection) -> Body:
        """The requested page as the content of the envelope."""
        rows, following = self.page(selection).rows(self.conn, exact=self.query.exact)
        return Body(rows.json(), missing_of(rows, selection.table), following)

    def tag(self, form: forms.Form) -> str:
        """The entity tag: it changes with the answer. JSON carries its version, and the version is its tag.

        Every other form, and every set of portfolios, has its own tag. The tag of a file changes with an upgrade too.
        """
        scope = "" if self.portfolio else self.caller.scope
        written_as = "" if form is forms.JSON else f"{form.name}-{rendering()}"
        return "-".join(filter(None, (self.version, written_as, scope)))


Reads = Callable[[Ask], Body]
Selects = Callable[[Ask], Selection]


def read_table(selects: Selects) -> Reads:
    """Reads the rows of a selection."""

    def read(ask: Ask) -> Body:
        selection = selects(ask)
        rows = ask.rows(selection.table, **selection.parameters)
        return Body(rows.json(), missing_of(rows, selection.table))

    return read


def find_portfolio(conn: psycopg.Connection[Any], handle: str, caller: Caller) -> Portfolio:
    """Find a portfolio by id or exact name; raises NotThere both where it is missing and where it is not allowed."""
    columns = sql.SQL(", ").join(sql.Identifier(each.name) for each in fields(Portfolio))
    name = name_of(handle)
    # an id counts as an id, even if some portfolio has it as its name
    query = sql.SQL(
        "select {} from analytics.portfolios where portfolio_id = %(id)s or name = %(name)s"
        " order by portfolio_id = %(id)s desc nulls last"
    ).format(columns)
    found = None
    if "\0" not in name:
        given = {"id": id_of(name), "name": name}
        found = conn.cursor(row_factory=class_row(Portfolio)).execute(query, given).fetchone()
    if found is None or not caller.may_see(found.portfolio_id):
        raise NotThere("there is no such portfolio: /api/v1/portfolios lists those you may see")
    return found


def id_of(handle: str) -> UUID | None:
    """The id in a text; None where the text is not an id."""
    try:
        return UUID(handle)
    except ValueError:
        return None


def find_session(conn: psycopg.Connection[Any], portfolio: Portfolio, day: date | str) -> date:
    """The requested session; raises NotThere with the nearest ones where the portfolio has none of that day."""
    if not isinstance(day, date):
        if portfolio.latest is None:
            raise NotThere(f"{portfolio.name} has not been rolled yet: `python run_nightly.py backfill`", nearest=[])
        return portfolio.latest
    before, after = nearest_sessions(conn, portfolio.portfolio_id, day)
    if before != day:
        nearest = [each.isoformat() for each in (before, after) if each]
        said = f"; the nearest: {' and '.join(nearest)}" if nearest else ""
        raise NotThere(f"{portfolio.name} has no session of {day}{said}", nearest=nearest)
    return day


async def answer_portfolio(
    request: Request, handle: str, query: Query, reads: Reads, selects: Selects | None
) -> Response:
    """Answer a request about one portfolio: JSON in its envelope, or a table as CSV or Arrow."""
    caller = caller_of(request)

    def ask(conn: psycopg.Connection[Any]) -> Ask:
        portfolio = find_portfolio(conn, handle, caller)
        wanted = query.as_of if isinstance(query, AsOf) else "latest"
        return Ask(conn, query, caller, portfolio.version, portfolio, find_session(conn, portfolio, wanted))

    return await answer_asked(request, ask, query, reads, selects)


async def answer(request: Request, query: Query, reads: Reads, selects: Selects | None = None) -> Response:
    """Answer a request about no single portfolio; its version is that of all data."""
    caller = caller_of(request)
    return await answer_asked(request, lambda conn: Ask(conn, query, caller, data_version(conn)), query, reads, selects)


def data_version(conn: psycopg.Connection[Any]) -> str:
    """The version of all data."""
    row = conn.execute("select version from analytics.data_version").fetchone()
    return (row and row[0]) or ""


async def answer_asked(
    request: Request,
    ask: Callable[[psycopg.Connection[Any]], Ask],
    query: Query,
    reads: Reads,
    selects: Selects | None,
) -> Response:
    """Answer with the data that `ask` finds for a portfolio and session, in the form that the caller prefers."""
    refuse_repeated(request)
    form = forms.wanted(query.format, request.headers.get("accept", ""), has_table=selects is not None)
    if form.is_table and selects is not None and isinstance(query, Span) and not (query.limit or query.cursor):
        return await forms.stream(request, ask, selects, form)

    def make(conn: psycopg.Connection[Any]) -> Answer:
        asked = ask(conn)
        try:
            if form.is_table and selects is not None:
                body, following = _table(asked, selects(asked), form)
            else:
                read = reads(asked)
                body, following = _envelope(asked, read).encode(), read.next
        except psycopg.DataError:
            if not (isinstance(query, Span) and query.cursor):
                raise
            raise _no_cursor() from None
        return Answer(body, form.media_type, asked.tag(form), _link(request, following))

    return await answers_of(request).make(request, make)


def _table(asked: Ask, selection: Selection, form: forms.Form) -> tuple[bytes, str | None]:
    if not isinstance(asked.query, Span):
        return forms.written(asked, selection.query(), form), None
    page = asked.page(selection)
    return forms.written(asked, page.query(), form), page.next(asked.conn)


def _envelope(asked: Ask, body: Body) -> str:
    head: dict[str, Any] = {}
    if portfolio := asked.portfolio:
        head |= {"portfolio_id": str(portfolio.portfolio_id), "name": portfolio.name}
        head["as_of"] = None if asked.day is None else asked.day.isoformat()
    head["version"] = asked.version
    tail = {"missing": body.missing, **({"next": body.next} if isinstance(asked.query, Span) else {})}
    return f'{json_text(head)[:-1]},"data":{body.data},{json_text(tail)[1:]}'


def _link(request: Request, following: str | None) -> tuple[tuple[str, str], ...]:
    """The next page as a header (RFC 8288), for the forms that have no room for it."""
    if following is None:
        return ()
    path = (request.scope.get("raw_path") or request.url.path.encode()).decode("latin-1")
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return (("Link", f'<{path}?{urlencode([*query, ("cursor", following)])}>; rel="next"'),)


def _read_cursor(cursor: str, keys: Sequence[str]) -> tuple[str, ...]:
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        read = None
    values = cast("list[Any]", read) if isinstance(read, list) else []
    if len(values) != len(keys) + 1 or not all(isinstance(each, str) for each in values):
        raise _no_cursor()
    return tuple(values)


def _no_cursor() -> Problem:
    return invalid("cursor", "is none that a page of this address has named")


def span_of(ask: Ask) -> dict[str, Any]:
    """The first and last requested day; raises Problem where they are the wrong way round."""
    query, portfolio = ask.query, ask.portfolio
    assert isinstance(query, Span)  # noqa: S101
    assert portfolio  # noqa: S101
    end = min(query.end, portfolio.latest) if query.end and portfolio.latest else query.end or portfolio.latest
    if query.start and query.end and query.start > query.end:
        raise invalid("start", f"{query.start} is after the end, {query.end}")
    return {**ask.parameters, "start": query.start or date.min, "end": end}
