"""Columns into a table by PostgreSQL's binary COPY, laid out by numpy: many times faster than row by row.

https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a header, then each row as its number of fields
(int16) and each field as its length (int32; -1 for null) and its bytes; a trailer. Numbers are big-endian.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple, cast
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_DAY_ZERO = date(2000, 1, 1)
_JSONB_VERSION = b"\x01"
_UUID, _NO_UUID = np.dtype("V16"), UUID(int=0)
_ROWS_AT_ONCE = 50_000

Bytes = NDArray[np.uint8]


class JsonText(str):
    """A JSON document as text, for a column of type jsonb."""

    __slots__ = ()


class _Fields(NamedTuple):
    """A column's fields: `content` (n, width), of which the first `length` (n,) bytes count; -1 is null."""

    content: Bytes
    length: NDArray[np.int32]


def copy_columns(
    conn: psycopg.Connection[Any], table: str, names: Sequence[str], blocks: Iterable[tuple[Sequence[Any], int]]
) -> int:
    """Append rows to a table, in one statement, and say how many.

    Args:
        conn: where the table is.
        table: its name with the schema.
        names: its columns that are given; their types fit what is given exactly, as nothing is converted.
        blocks: for each, its columns and how many rows it has. A column is an array or list of so many values, or a
            single value that all rows share: floats for double precision (null where it is not finite), integers for
            integer, text or an array of UTF-8 bytes for text, JsonText for jsonb, dates, UUIDs or a `uuid_array`; None
            is null.

    Raises:
        TypeError: a value is of another type.
        OverflowError: an integer does not fit into four bytes.
    """
    written = 0
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(sql.Identifier(*table.split(".")), columns)
    with conn.cursor().copy(statement) as copy:
        copy.write(_HEADER)
        for block, length in blocks:
            for rows in _rows(block, length):
                copy.write(rows)
            written += length
        copy.write(_TRAILER)
    return written


def uuid_array(ids: Sequence[UUID]) -> NDArray[np.void]:
    """UUIDs as an array that can be indexed (n_ids,)."""
    return uuids_of(b"".join(each.bytes for each in ids))


def uuids_of(data: bytes) -> NDArray[np.void]:
    """The array of UUIDs whose bytes follow each other, as `string_agg(uuid_send(…), '')` gives them (n_ids,)."""
    return np.frombuffer(data, dtype=_UUID)


def is_column(values: Any) -> bool:
    """Whether this holds a value for each row, and not one value for all."""
    return isinstance(values, (np.ndarray, list, tuple))


def _rows(columns: Sequence[Any], length: int) -> Iterator[bytes]:
    """Yield the rows of a block in parts that need little memory."""
    for start in range(0, length, _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, length)
        parts = [_fields(each[start:end] if is_column(each) else [each]) for each in columns]
        yield _lay_out(parts, end - start)


def _lay_out(columns: Sequence[_Fields], n_rows: int) -> bytes:
    """Put the fields side by side at their full width, then drop the unused bytes."""
    rows = np.empty((n_rows, 2 + sum(4 + each.content.shape[1] for each in columns)), dtype=np.uint8)
    rows[:, :2] = _big_endian(np.array([len(columns)]), ">i2")
    counted = np.ones(rows.shape, dtype=bool)
    place = 2
    for content, length in columns:
        width = content.shape[1]
        rows[:, place : place + 4] = _big_endian(length, ">i4")
        place += 4
        rows[:, place : place + width] = content
        if (length != width).any():
            counted[:, place : place + width] = np.arange(width) < length[:, np.newaxis]
        place += width
    return rows[counted].tobytes()


def _fields(values: Any) -> _Fields:
    """Encode a column by the type of its values."""
    if isinstance(values, np.ndarray):
        array = cast("NDArray[Any]", values)
        if array.dtype.kind == "f":
            return _floats(array)
        if array.dtype.kind in "iu":
            return _integers(array)
        if array.dtype.kind == "S":
            return _texts(array, np.char.str_len(array))
        if array.dtype == _UUID:
            return _uuids(array)
        values = array.tolist()
    known = next((value for value in values if value is not None), None)
    match known:
        case None:
            return _Fields(np.empty((len(values), 0), dtype=np.uint8), np.full(len(values), -1, dtype=np.int32))
        case float():
            return _floats(np.array(values, dtype=np.float64))  # None is NaN
        case bool():
            pass
        case int() | np.integer():
            return _present(_integers(np.array([value or 0 for value in values])), _given(values))
        case JsonText():
            return _encoded([value and _JSONB_VERSION + value.encode() for value in values])
        case str():
            return _encoded([value if value is None else value.encode() for value in values])
        case UUID():
            return _present(_uuids(uuid_array([value or _NO_UUID for value in values])), _given(values))
        case date():
            days = [0 if value is None else (value - _DAY_ZERO).days for value in values]
            return _present(_integers(np.array(days)), _given(values))
        case _:
            pass
    raise TypeError(f"a column of {type(known).__name__} cannot be copied")


def _floats(values: NDArray[np.floating[Any]]) -> _Fields:
    return _present(_fixed(_big_endian(values, ">f8")), np.isfinite(values))


def _integers(values: NDArray[np.integer[Any]]) -> _Fields:
    if values.dtype.kind not in "iu":
        raise TypeError("a column of integers has other values too")
    if len(values) and (values.max() > np.iinfo(np.int32).max or values.min() < np.iinfo(np.int32).min):
        raise OverflowError("an integer does not fit into four bytes")
    return _fixed(_big_endian(values, ">i4"))


def _uuids(values: NDArray[np.void]) -> _Fields:
    return _fixed(np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1))


def _encoded(values: list[bytes | None]) -> _Fields:
    lengths = np.array([-1 if value is None else len(value) for value in values], dtype=np.int32)
    return _texts(np.array([value or b"" for value in values]), lengths)


def _texts(values: NDArray[np.bytes_], lengths: NDArray[np.integer[Any]]) -> _Fields:
    return _Fields(values.view(np.uint8).reshape(len(values), -1), lengths.astype(np.int32))


def _fixed(content: Bytes) -> _Fields:
    return _Fields(content, np.full(len(content), content.shape[1], dtype=np.int32))


def _given(values: Sequence[Any]) -> NDArray[np.bool_]:
    return np.array([value is not None for value in values])


def _present(fields: _Fields, present: NDArray[np.bool_]) -> _Fields:
    """Mark as null the fields that have no value."""
    return fields._replace(length=np.where(present, fields.length, -1).astype(np.int32))


def _big_endian(values: NDArray[Any], kind: str) -> Bytes:
    encoded = np.ascontiguousarray(values, dtype=kind)
    return encoded.view(np.uint8).reshape(len(values), -1)
