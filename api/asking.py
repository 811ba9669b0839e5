"""One request on its way: from the portfolio, the session and the form that are asked for to the answer's bytes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any
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
from api.problems import NotThere, invalid
from api.queries import MOST_ROWS, AsOf, Query, Span
from api.tables import Table
from reports.portfolios import Portfolio, nearest_sessions


@dataclass(frozen=True)
class Body:
    """What stands in the envelope: `data` as JSON, and where the next page begins."""

    data: str
    missing: Missing = field(default_factory=list)
    next: str | None = None


@dataclass(frozen=True)
class Selection:
    """A table as it is asked for: the rows of a CSV, of an Arrow table, or of a page."""

    table: Table
    parameters: dict[str, Any]
    names: Sequence[str] | None = None

    def query(self, *, after: Sequence[str] = (), limit: int | None = None) -> tuple[str, dict[str, Any]]:
        """The query, from behind a key on, and not more than `limit` rows."""
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
class Ask:
    """A request with the connection that answers it."""

    conn: psycopg.Connection[Any]
    query: Query
    caller: Caller
    portfolio: Portfolio | None = None
    day: date | None = None
    position_id: UUID | None = None

    def rows(self, table: Table, names: Sequence[str] | None = None, **more: Any) -> Rows:
        """The rows of a table for this portfolio and session, and what else is given."""
        text, parameters = Selection(table, {**self.parameters, **more}, names).query()
        return fetch(self.conn, text, parameters, exact=self.query.exact)

    @property
    def parameters(self) -> dict[str, Any]:
        """What queries are about."""
        portfolio_id = self.portfolio and self.portfolio.portfolio_id
        return {"portfolio_id": portfolio_id, "as_of": self.day, "position_id": self.position_id}

    def page(self, selection: Selection) -> Body:
        """A page of a selection, and where the next one begins."""
        query = self.query
        assert isinstance(query, Span)  # noqa: S101
        limit = query.limit or MOST_ROWS
        keys = selection.table.key
        after = _read_cursor(query.cursor, keys) if query.cursor else ()
        text, parameters = selection.query(after=after, limit=limit + 1)
        try:
            rows = fetch(self.conn, text, parameters, exact=query.exact)
        except psycopg.errors.DataError:
            raise invalid("cursor", "is none that a page of this address has named") from None
        shown = Rows(rows.names, rows.values[:limit], rows.numbers)
        next_page = None
        if len(rows.values) > limit:
            last = [json.loads(text) for key in keys if (text := shown.column(key)[-1]) is not None]
            next_page = base64.urlsafe_b64encode(json_text(last).encode()).decode().rstrip("=")
        return Body(shown.json(), missing_of(shown, selection.table), next_page)


Reads = Callable[[Ask], Body]
Selects = Callable[[Ask], Selection]


def find_portfolio(conn: psycopg.Connection[Any], handle: str, caller: Caller) -> Portfolio:
    """The portfolio that an id or an exact name means, for this caller; raises NotThere, alike for others' and none."""
    columns = sql.SQL(", ").join(sql.Identifier(each.name) for each in fields(Portfolio))
    try:
        condition, value = sql.SQL("portfolio_id = %s"), UUID(handle)
    except ValueError:
        condition, value = sql.SQL("name = %s"), handle
    query = sql.SQL("select {} from analytics.portfolios where {}").format(columns, condition)
    found = conn.cursor(row_factory=class_row(Portfolio)).execute(query, [value]).fetchone()
    if found is None or not caller.may_see(found.portfolio_id):
        raise NotThere("there is no such portfolio: /api/v1/portfolios lists those you may see")
    return found


def find_session(conn: psycopg.Connection[Any], portfolio: Portfolio, day: date | str) -> date:
    """The session that is asked for; raises NotThere with the nearest ones where the portfolio has none of that day."""
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
    """Answer for one portfolio: as JSON in its envelope, or a table as CSV or Arrow."""
    caller = caller_of(request)

    def ask(conn: psycopg.Connection[Any]) -> Ask:
        portfolio = find_portfolio(conn, handle, caller)
        wanted = query.as_of if isinstance(query, AsOf) else "latest"
        return Ask(conn, query, caller, portfolio, find_session(conn, portfolio, wanted))

    return await answer_asked(request, query, ask, reads, selects)


async def answer_asked(
    request: Request,
    query: Query,
    ask: Callable[[psycopg.Connection[Any]], Ask],
    reads: Reads,
    selects: Selects | None,
) -> Response:
    """Answer what `ask` has found to be of one portfolio."""

    def version(asked: Ask) -> str:
        assert asked.portfolio  # noqa: S101
        return asked.portfolio.version

    def envelope(asked: Ask, body: Body) -> str:
        portfolio = asked.portfolio
        assert portfolio  # noqa: S101
        head = {
            "portfolio_id": str(portfolio.portfolio_id),
            "name": portfolio.name,
            "as_of": None if asked.day is None else asked.day.isoformat(),
            "version": portfolio.version,
        }
        return _envelope(head, body, paged=isinstance(query, Span))

    return await _answer(request, query, ask, version, envelope, reads, selects)


async def answer(request: Request, query: Query, reads: Reads, selects: Selects | None = None) -> Response:
    """Answer what concerns no single portfolio, by the version of all data."""
    caller = caller_of(request)

    def ask(conn: psycopg.Connection[Any]) -> Ask:
        return Ask(conn, query, caller)

    def version(asked: Ask) -> str:
        row = asked.conn.execute("select version from analytics.data_version").fetchone()
        return row[0] if row else ""

    def envelope(asked: Ask, body: Body) -> str:
        return _envelope({"version": version(asked)}, body, paged=False)

    return await _answer(request, query, ask, version, envelope, reads, selects)


async def _answer(
    request: Request,
    query: Query,
    ask: Callable[[psycopg.Connection[Any]], Ask],
    version: Callable[[Ask], str],
    envelope: Callable[[Ask, Body], str],
    reads: Reads,
    selects: Selects | None,
) -> Response:
    form = forms.wanted(query.format, request.headers.get("accept", ""), has_table=selects is not None)
    if form.is_table and selects is not None:
        if isinstance(query, Span) and query.limit is None and not query.cursor:
            return await forms.stream(request, ask, version, selects, form)

        def make_table(conn: psycopg.Connection[Any]) -> Answer:
            asked = ask(conn)
            selection = selects(asked)
            after: Iterable[str] = ()
            limit = None
            if isinstance(query, Span):
                limit = query.limit or MOST_ROWS
                after = _read_cursor(query.cursor, selection.table.key) if query.cursor else ()
            text, parameters = selection.query(after=tuple(after), limit=limit)
            body = b"".join(forms.chunks(conn, text, parameters, form, exact=query.exact))
            return Answer(body, form.media_type, version(asked))

        return await answers_of(request).make(request, make_table)

    def make(conn: psycopg.Connection[Any]) -> Answer:
        asked = ask(conn)
        return Answer(envelope(asked, reads(asked)).encode(), "application/json", version(asked))

    return await answers_of(request).make(request, make)


def _envelope(head: dict[str, Any], body: Body, *, paged: bool) -> str:
    tail = {"missing": body.missing, **({"next": body.next} if paged else {})}
    return f'{json_text(head)[:-1]},"data":{body.data},{json_text(tail)[1:]}'


def _read_cursor(cursor: str, keys: Sequence[str]) -> tuple[str, ...]:
    try:
        after = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        after = None
    if not isinstance(after, list) or len(after) != len(keys) or not all(isinstance(each, str) for each in after):
        raise invalid("cursor", "is none that a page of this address has named")
    if any("\0" in each for each in after):
        raise invalid("cursor", "is none that a page of this address has named")
    return tuple(after)


def span_of(ask: Ask) -> dict[str, Any]:
    """First and last day of what is asked for; raises Problem where they are the wrong way round."""
    query, portfolio = ask.query, ask.portfolio
    assert isinstance(query, Span)  # noqa: S101
    assert portfolio  # noqa: S101
    end = min(query.end, portfolio.latest) if query.end and portfolio.latest else query.end or portfolio.latest
    if query.start and query.end and query.start > query.end:
        raise invalid("start", f"{query.start} is after the end, {query.end}")
    return {**ask.parameters, "start": query.start or date.min, "end": end}
