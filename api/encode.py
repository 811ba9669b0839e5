"""Rows as bytes. PostgreSQL's text of a value is its JSON except for quotes, so no value is read into Python.

Numbers keep all stored digits. `exact` writes numerics as text, because a reader's floating point may not hold them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader


class _Plain(Loader):
    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


# Numbers of PostgreSQL that JSON does not know; they become null.
_NO_NUMBER = frozenset({"NaN", "Infinity", "-Infinity"})


class _Float(Loader):
    def load(self, data: Buffer) -> str | None:
        text = bytes(data).decode()
        return None if text in _NO_NUMBER else text


class _Number(Loader):
    def load(self, data: Buffer) -> str | None:
        text = bytes(data).decode()
        if text in _NO_NUMBER:
            return None
        return text.rstrip("0").rstrip(".") if "." in text else text


class _Digits(Loader):
    """A numeric as text, with every digit that is stored."""

    def load(self, data: Buffer) -> str | None:
        text = bytes(data).decode()
        return None if text in _NO_NUMBER else f'"{text}"'


class _Quoted(Loader):
    """Quote a text that contains nothing to escape in JSON."""

    def load(self, data: Buffer) -> str:
        return f'"{bytes(data).decode()}"'


class _Moment(Loader):
    """A timestamptz in UTC, as RFC 3339 has it."""

    def load(self, data: Buffer) -> str:
        return f'"{bytes(data).decode().replace(" ", "T").removesuffix("+00")}Z"'


class _Text(Loader):
    def load(self, data: Buffer) -> str:
        return json.dumps(bytes(data).decode(), ensure_ascii=False)


class _Flag(Loader):
    def load(self, data: Buffer) -> str:
        return "true" if bytes(data) == b"t" else "false"


_LOADERS: dict[type[Loader], Sequence[str]] = {
    _Plain: ("int2", "int4", "int8", "json", "jsonb"),
    _Float: ("float4", "float8"),
    _Number: ("numeric",),
    _Quoted: ("date", "uuid"),
    _Moment: ("timestamptz",),
    _Text: ("text", "varchar", "name"),
    _Flag: ("bool",),
}


_NUMBERS = frozenset(
    psycopg.adapters.types[name].oid for name in ("int2", "int4", "int8", "float4", "float8", "numeric")
)


@dataclass(frozen=True)
class Rows:
    """The answer to a query: names of the columns, and a row's values as JSON texts, None for null.

    `numbers` are the columns of numbers.
    """

    names: list[str]
    values: list[tuple[str | None, ...]]
    numbers: frozenset[str] = frozenset()

    def json(self) -> str:
        """An array of objects."""
        return f"[{','.join(self.objects())}]"

    def objects(self) -> list[str]:
        """Each row as an object."""
        template = "{" + ",".join(f"{json.dumps(name)}:%s" for name in self.names) + "}"
        return [template % tuple("null" if value is None else value for value in row) for row in self.values]

    def first(self) -> str:
        """The first row as an object; null where there is none."""
        return self.objects()[0] if self.values else "null"

    def column(self, name: str) -> list[str | None]:
        """One column."""
        place = self.names.index(name)
        return [row[place] for row in self.values]

    def texts(self, name: str) -> list[str]:
        """A column of texts, dates or ids, read again; empty for null."""
        return ["" if value is None else json.loads(value) for value in self.column(name)]


def fetch(conn: psycopg.Connection[Any], query: str, parameters: dict[str, Any], *, exact: bool = False) -> Rows:
    """Ask, and return the rows as they are written in JSON."""
    cursor = conn.cursor()
    for loader, names in _LOADERS.items():
        for name in names:
            cursor.adapters.register_loader(name, _Digits if exact and loader is _Number else loader)
    cursor.execute(query.encode(), parameters)
    described = cursor.description or []
    numbers = frozenset(column.name for column in described if column.type_code in _NUMBERS)
    return Rows([column.name for column in described], cursor.fetchall(), numbers)


def json_text(value: Any) -> str:
    """A Python value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
