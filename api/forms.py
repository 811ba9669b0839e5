"""The forms of an answer other than JSON: CSV, which PostgreSQL writes, and Arrow where pyarrow is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from api.accept import preferred
from api.answers import GZIP_LEVEL, KEPT_BY_TAG, has_tag
from api.problems import Problem, TooBusy
from api.reader import WAITING, unavailable

if TYPE_CHECKING:
    from api.asking import Ask, Selects
    from api.reader import Reader

# limits: tables sent at the same time, and seconds for each; a caller who waits longer for a turn is refused, and one
# who accepts no bytes for as long is cut off
STREAMS = 2
STREAM_SECONDS = 120
PATIENCE_SECONDS = 30
_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Form:
    """The form of an answer."""

    name: str
    media_type: str

    @property
    def name_of_type(self) -> str:
        """The media type without its parameters."""
        return self.media_type.partition(";")[0]

    @property
    def is_table(self) -> bool:
        """Whether the form holds only rows and columns."""
        return self.name != "json"


JSON = Form("json", "application/json")
CSV = Form("csv", "text/csv; charset=utf-8; header=present")
ARROW = Form("arrow", "application/vnd.apache.arrow.stream")
_FORMS = (JSON, CSV, ARROW)


def wanted(name: str | None, accept: str, *, has_table: bool) -> Form:
    """The requested form: by name, or the available one that Accept prefers.

    Raises:
        Problem: the data are no table, this server has no Arrow, or Accept allows none of the forms.
    """
    has_arrow = importlib.util.find_spec("pyarrow") is not None
    if name is None:
        there_are = [form for form in _FORMS if form is JSON or (has_table and (form is CSV or has_arrow))]
        names = {form.name_of_type: form for form in there_are}
        if chosen := preferred(accept, list(names)):
            return names[chosen]
        # a form that only another server or another address has
        names |= {form.name_of_type: form for form in _FORMS}
        chosen = preferred(accept, list(names))
        form = names[chosen] if chosen else None
    else:
        form = next(form for form in _FORMS if form.name == name)
    if form is None:
        what = "application/json, and text/csv of tables" if has_table else "application/json"
        raise Problem(406, f"Accept names nothing that there is: there is {what}")
    if form.is_table and not has_table:
        raise Problem(406, f"there is no {form.name} of this: ask for JSON")
    if form is ARROW and not has_arrow:
        raise Problem(
            406,
            "this server has no pyarrow, which writes Arrow: ask for CSV, or install it there"
            " (pip install 'afterclose[arrow]')",
        )
    return form


class Turns:
    """Limits how many tables are sent at the same time, and how many callers wait for a turn."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(STREAMS)
        self._waiting = 0

    async def wait(self) -> None:
        """Wait for a turn; raises TooBusy where too many callers wait or the wait takes too long."""
        if self._waiting >= WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise TooBusy from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """End a turn, so that the next caller can begin."""
        self._free.release()


def written(ask: Ask, query: tuple[str, dict[str, Any]], form: Form) -> bytes:
    """All rows of a query as one piece."""
    return b"".join(chunks(ask.conn, *query, form, exact=ask.query.exact))


def chunks(
    conn: psycopg.Connection[Any], query: str, parameters: dict[str, Any], form: Form, *, exact: bool
) -> Iterator[bytes]:
    """The rows of a query in pieces, header and all."""
    text = psycopg.ClientCursor(conn).mogrify(query.encode(), parameters)
    return _csv(conn, text) if form is CSV else _arrow(conn, text, exact)


async def stream(
    request: Request, ask: Callable[[psycopg.Connection[Any]], Ask], selects: Selects, form: Form
) -> Response:
    """All rows of a selection, however many: they are sent while they are read, on a borrowed connection."""
    turns: Turns = request.app.state.turns
    reader: Reader = request.app.state.answers.reader

    def read() -> Generator[bytes]:
        with reader.lend(STREAM_SECONDS) as conn:
            asked = ask(conn)
            yield asked.tag(form).encode()
            yield from chunks(conn, *selects(asked).query(), form, exact=asked.query.exact)

    await turns.wait()
    pieces = read()
    try:
        tag = (await asyncio.to_thread(next, pieces)).decode()
        is_known = has_tag(request.headers.get("if-none-match", ""), tag)
        first = b"" if is_known else await asyncio.to_thread(next, pieces, b"")
    except BaseException as error:
        await asyncio.to_thread(pieces.close)
        turns.give_back()
        raise (unavailable(error) or error) from None
    gzipped = request.state.asked.gzipped and not is_known
    return _Streamed(304 if is_known else 200, form, tag, first, pieces, turns, gzipped=gzipped)


class BrokenOff(Exception):  # noqa: N818
    """A body was begun, and its rest cannot be sent."""


class _Streamed(Response):
    """A body in pieces; the connection is returned even when the caller disappears."""

    def __init__(
        self,
        status: int,
        form: Form,
        tag: str,
        first: bytes,
        pieces: Generator[bytes],
        turns: Turns,
        *,
        gzipped: bool,
    ) -> None:
        headers = {"ETag": f'"{tag}"', **KEPT_BY_TAG, **({"Content-Encoding": "gzip"} if gzipped else {})}
        super().__init__(status_code=status, headers=headers, media_type=form.media_type)
        del self.headers["content-length"]
        self._first, self._pieces, self._turns = first, pieces, turns
        self._gzip = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16) if gzipped else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces while they are read, until the caller disappears."""
        caller = Request(scope, receive)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            piece = self._first
            while piece:
                if self._gzip:
                    piece = await asyncio.to_thread(self._gzip.compress, piece)
                if piece:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                if await caller.is_disconnected():
                    return
                piece = await asyncio.to_thread(next, self._pieces, b"")
            last = self._gzip.flush() if self._gzip else b""
            await send({"type": "http.response.body", "body": last})
        except (TimeoutError, psycopg.Error):
            raise BrokenOff from None
        finally:
            await asyncio.to_thread(self._pieces.close)
            self._turns.give_back()


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
    # imported here, because pyarrow is optional
    pa: Any = import_module("pyarrow")

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
