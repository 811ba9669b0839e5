"""Columns and tables of the endpoints. The query, the header of a CSV and the description are all made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from api.catalogue import Described, catalogue


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Args:
        name: its name in the answer.
        sql: its expression in the query.
        relation: the published table that it comes from; empty for one that the endpoint makes.
        of: its name in that table.
        words: its meaning, where it comes from no table.
        kind: its type in PostgreSQL, where it comes from no table.
        optional: a null means that there is no such thing, and not that a number is missing.
    """

    name: str
    sql: str
    relation: str = ""
    of: str = ""
    words: str = ""
    kind: str = ""
    optional: bool = False

    @property
    def described(self) -> Described:
        """The column's meaning and type."""
        if not self.relation:
            return Described(self.words, self.kind, required=False)
        told = catalogue()[self.relation].columns[self.of]
        return replace(told, words=self.words or told.words, data_type=self.kind or told.data_type)


@dataclass(frozen=True)
class Table:
    """Rows of one kind: their columns and the SQL that they come from, with `%(name)s` for parameters.

    `key` names the columns that tell rows apart, in the order of the rows; a page begins after a key. `label` names the
    columns that identify a row with a missing number to people.
    """

    columns: tuple[Column, ...]
    source: str
    key: tuple[str, ...] = ()
    label: tuple[str, ...] = ()

    def select(self, names: Sequence[str] | None = None) -> str:
        """The query, with all columns or only the named ones."""
        chosen = self.columns if names is None else [self.column(name) for name in names]
        return f"select {', '.join(_written(column) for column in chosen)} {self.source}"

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


def of(alias: str, relation: str, names: str = "*", *, leave_out: str = "") -> tuple[Column, ...]:
    """Columns of a published table: the named ones, or all that its description has."""
    described = catalogue()[relation].columns
    chosen = [name for name in described if name not in leave_out.split()] if names == "*" else names.split()
    return tuple(Column(name, f"{alias}.{name}", relation, name) for name in chosen)


def own(name: str, sql: str, kind: str, words: str) -> tuple[Column, ...]:
    """A column that the endpoint makes."""
    return (Column(name, sql, words=words, kind=kind),)


def optional(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same columns, marked as optional."""
    return tuple(replace(column, optional=True) for column in columns)


def _written(column: Column) -> str:
    return column.sql if column.sql.endswith(f".{column.name}") else f"{column.sql} as {column.name}"
