"""The forms of an answer beside JSON: CSV, which PostgreSQL writes itself, and Arrow where pyarrow is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from api.answers import KEPT_BY_TAG, has_tag
from api.problems import Problem, TooBusy
from api.reader import unavailable

if TYPE_CHECKING:
    from api.asking import Ask, Selects
    from api.reader import Reader

STREAMS = 2
STREAM_SECONDS = 120
_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Form:
    """How an answer is written."""

    name: str
    media_type: str

    @property
    def is_table(self) -> bool:
        """Whether it holds rows and columns alone."""
        return self.name != "json"


JSON = Form("json", "application/json")
CSV = Form("csv", "text/csv; charset=utf-8; header=present")
ARROW = Form("arrow", "application/vnd.apache.arrow.stream")
_BY_MEDIA_TYPE = {
    "text/csv": CSV,
    ARROW.media_type: ARROW,
    "application/json": JSON,
    "application/*": JSON,
    "*/*": JSON,
}


def wanted(name: str | None, accept: str, *, has_table: bool) -> Form:
    """The form that is asked for: by name, else the first of Accept that there is.

    Raises:
        Problem: there is no table of this, or no Arrow on this server.
    """
    form = {"json": JSON, "csv": CSV, "arrow": ARROW}.get(name or "")
    if form is None:
        types = [part.split(";")[0].strip().lower() for part in accept.split(",")]
        form = next((_BY_MEDIA_TYPE[each] for each in types if each in _BY_MEDIA_TYPE), JSON)
        if form.is_table and not has_table:
            form = JSON
    if form.is_table and not has_table:
        raise Problem(406, f"there is no {form.name} of this: ask for JSON")
    if form is ARROW and importlib.util.find_spec("pyarrow") is None:
        raise Problem(406, "this server has no pyarrow, which writes Arrow: ask for CSV, or install it there")
    return form


def chunks(
    conn: psycopg.Connection[Any], query: str, parameters: dict[str, Any], form: Form, *, exact: bool
) -> Iterator[bytes]:
    """The rows of a query in pieces, header and all."""
    text = psycopg.ClientCursor(conn).mogrify(query.encode(), parameters)
    return _csv(conn, text) if form is CSV else _arrow(conn, text, exact)


async def stream(
    request: Request,
    ask: Callable[[psycopg.Connection[Any]], Ask],
    version: Callable[[Ask], str],
    selects: Selects,
    form: Form,
) -> Response:
    """All rows of a selection, however many: sent while they are read, on a connection that is lent for it."""
    lent: asyncio.Semaphore = request.app.state.streams
    reader: Reader = request.app.state.answers.reader
    if lent.locked():
        raise TooBusy

    def read() -> Generator[bytes]:
        with reader.lend(STREAM_SECONDS) as conn:
            asked = ask(conn)
            yield version(asked).encode()
            text, parameters = selects(asked).query()
            yield from chunks(conn, text, parameters, form, exact=asked.query.exact)

    await lent.acquire()
    pieces = read()
    try:
        tag = (await asyncio.to_thread(next, pieces)).decode()
        is_known = has_tag(request.headers.get("if-none-match", ""), tag)
        first = b"" if is_known else await asyncio.to_thread(next, pieces, b"")
    except BaseException as error:
        await asyncio.to_thread(pieces.close)
        lent.release()
        raise (unavailable(error) or error) from None
    return _Streamed(304 if is_known else 200, form, tag, first, pieces, lent)


class _Streamed(Response):
    """A body in pieces; the connection goes back whatever becomes of the caller."""

    def __init__(
        self, status: int, form: Form, tag: str, first: bytes, pieces: Generator[bytes], lent: asyncio.Semaphore
    ) -> None:
        super().__init__(status_code=status, headers={"ETag": f'"{tag}"', **KEPT_BY_TAG}, media_type=form.media_type)
        del self.headers["content-length"]
        self._first, self._pieces, self._lent = first, pieces, lent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces while they are read."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            piece = self._first
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await asyncio.to_thread(next, self._pieces, b"")
            await send({"type": "http.response.body", "body": b""})
        finally:
            await asyncio.to_thread(self._pieces.close)
            self._lent.release()


def _csv(conn: psycopg.Connection[Any], text: str) -> Iterator[bytes]:
    with conn.cursor() as cursor, cursor.copy(f"copy ({text}) to stdout (format csv, header)".encode()) as copy:
        pending = bytearray()
        for piece in copy:
            pending += piece
            if len(pending) >= 65536:
                yield bytes(pending)
                pending.clear()
        if pending:
            yield bytes(pending)


def _arrow(conn: psycopg.Connection[Any], text: str, exact: bool) -> Iterator[bytes]:
    import pyarrow as pa  # pyright: ignore[reportMissingImports] # where it is installed

    types = {"int2": pa.int32(), "int4": pa.int32(), "int8": pa.int64(), "float8": pa.float64(), "date": pa.date32()}
    types |= {"bool": pa.bool_(), "timestamptz": pa.timestamp("us", "UTC")}
    types["numeric"] = pa.string() if exact else pa.float64()
    by_oid = {psycopg.adapters.types[name].oid: kind for name, kind in types.items()}
    with conn.cursor("rows") as cursor:
        cursor.execute(text.encode())
        columns = [(column.name, by_oid.get(column.type_code, pa.string())) for column in cursor.description or []]
        schema = pa.schema(columns)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            while rows := cursor.fetchmany(_BATCH_ROWS):
                arrays = [
                    pa.array([_arrow_value(value, kind, pa) for value in values], kind)
                    for values, (_, kind) in zip(zip(*rows, strict=True), columns, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
        yield sink.getvalue()


def _arrow_value(value: Any, kind: Any, pa: Any) -> Any:
    if value is None:
        return None
    if kind == pa.string():
        return str(value)
    return float(value) if kind == pa.float64() else value
