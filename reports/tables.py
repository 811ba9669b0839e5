"""Tables of the pages: columns that know how to show and to sort, and the rows of any sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from markupsafe import Markup, escape

from reports import words

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column. Rows are sorted by `value`, and `show` turns the value into text (or markup).

    `cell`, where given, makes the markup from the whole row instead. `signed` colours gains and losses, `left` aligns
    words, and a `wide` column is left out on a phone.
    """

    key: str
    head: str
    value: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    cell: Callable[[Any], Markup] | None = None
    signed: bool = False
    left: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Order:
    """How a table is sorted, and the address of the page with every other order.

    `query` is the rest of the address. `key` begins with a minus where the largest comes first.
    """

    path: str
    query: Mapping[str, str]
    key: str
    name: str = "sort"

    @property
    def column(self) -> str:
        """The key of the column that it is sorted by."""
        return self.key.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.key.startswith("-")

    def address(self, column: Column[Any]) -> str:
        """The link of a column's head: the first click sorts numbers from the largest, words from A."""
        first = column.key if column.left else f"-{column.key}"
        turned = column.key if self.descending else f"-{column.key}"
        query = {**self.query, self.name: turned if column.key == self.column else first}
        return f"{self.path}?{urlencode(query)}"


def ordered(rows: Sequence[Row], columns: Sequence[Column[Row]], order: Order) -> list[Row]:
    """The rows in that order, rows without a value last; unchanged where no column has the order's key."""
    column = next((column for column in columns if column.key == order.column), None)
    if column is None:
        return list(rows)
    known = [row for row in rows if column.value(row) is not None]
    unknown = [row for row in rows if column.value(row) is None]
    return sorted(known, key=lambda row: _sortable(column.value(row)), reverse=order.descending) + unknown


def table(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    label: str,
    order: Order | None = None,
    total: Mapping[str, Any] | None = None,
    plot: tuple[str, Markup] | None = None,
    style: str = "",
    heads: bool = True,
) -> Markup:
    """A table as markup; every text of a user in it is escaped.

    Args:
        columns: from left to right; the first one names the row.
        rows: from top to bottom.
        label: the subject, for those who cannot see where the table stands.
        order: makes heads into links that sort.
        total: the last row, values by column key.
        plot: a column of bars, one drawing over all rows, and the key of the column before it.
        style: further classes.
        heads: whether the heads of columns are shown.
    """
    parts = [f'<table class="{style}" aria-label="{escape(label)}">']
    if heads:
        parts.append("<thead><tr>")
        for column in columns:
            parts.append(_head(column, order))
            if plot and plot[0] == column.key:
                parts.append('<td class="plot-head"></td>')
        parts.append("</tr></thead>")
    parts.append("<tbody>")
    # the part of a cell that is the same in every row
    classes = [_classes(column) for column in columns]
    for place, row in enumerate(rows):
        parts.append("<tr>")
        for number, (column, style_of_column) in enumerate(zip(columns, classes, strict=True)):
            markup = column.cell(row) if column.cell else None
            value = None if column.cell else column.value(row)
            parts.append(_cell(column, value, style_of_column, names_row=number == 0, markup=markup))
            if plot and plot[0] == column.key and place == 0:
                parts.append(f'<td class="plot-cell" rowspan="{len(rows)}">{plot[1]}</td>')
        parts.append("</tr>")
    parts.append("</tbody>")
    if total is not None:
        parts.append("<tfoot><tr>")
        for number, (column, style_of_column) in enumerate(zip(columns, classes, strict=True)):
            if column.key in total:
                parts.append(_cell(column, total[column.key], style_of_column, names_row=number == 0))
            else:
                parts.append(f'<td class="{style_of_column}"></td>')
        parts.append("</tr></tfoot>")
    parts.append("</table>")
    return Markup("".join(parts))  # noqa: S704  every text in it has been escaped


def _head(column: Column[Any], order: Order | None) -> str:
    style = _classes(column)
    if not column.head:
        return f'<td class="{style}"></td>'
    if order is None or not column.key:
        return f'<th scope="col" class="{style}">{escape(column.head)}</th>'
    sorting = ""
    if order.column == column.key:
        sorting = f' aria-sort="{"descending" if order.descending else "ascending"}"'
    link = f'<a href="{escape(order.address(column))}" data-sort>{escape(column.head)}</a>'
    return f'<th scope="col" class="{style}"{sorting}>{link}</th>'


def _cell(column: Column[Any], value: Any, style: str, names_row: bool, markup: Markup | None = None) -> str:
    if markup is not None:
        shown = markup
    elif value is None:
        shown = f'<span class="none">{words.NOT_KNOWN}</span>'
    else:
        text = column.show(value)
        shown = text if isinstance(text, Markup) else str(escape(text if column.left else words.typographic(text)))
    if names_row:
        return f'<th scope="row" class="{style}">{shown}</th>'
    if column.signed and value and any(letter in "123456789" for letter in shown):
        style += " gains" if value > 0 else " loses"
    return f'<td class="{style}">{shown}</td>' if style else f"<td>{shown}</td>"


def _classes(column: Column[Any]) -> str:
    return " ".join(name for name, holds in (("left", column.left), ("wide", column.wide)) if holds)


def _sortable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
