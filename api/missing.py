"""Missing numbers and their reasons. In the data they are null, and never 0."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from api.encode import Rows
from api.tables import Table
from reports import words

Missing = list[dict[str, str]]

_NOT_KNOWN = "not known for this session"
_NAMED = 20


def missing_of(rows: Rows, table: Table, what: str = "") -> Missing:
    """One entry for each reason, with the columns that some rows lack for it.

    The reason is the row's own `reason`, the meaning of its `quality_flag`, or the description of the column.
    """
    optional = {column.name for column in table.columns if column.optional}
    looked_at = [
        (place, name) for place, name in enumerate(rows.names) if name in rows.numbers and name not in optional
    ]
    reasons = [rows.names.index(name) for name in ("reason", "quality_flag", "data_quality") if name in rows.names]
    labels = [rows.names.index(name) for name in table.label if name in rows.names]
    found: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for row in rows.values:
        lacks = tuple(name for place, name in looked_at if row[place] is None)
        if lacks:
            label = " ".join(json.loads(text) for place in labels if (text := row[place]) is not None)
            found[lacks, _reason(row, reasons) or _in_words(table, lacks[0])].append(label)
    return [
        {"what": _joined(what, ", ".join(lacks), [label for label in of if label]), "reason": reason}
        for (lacks, reason), of in found.items()
    ]


def not_there(what: str, reason: str) -> Missing:
    """The entry for a whole section."""
    return [{"what": what, "reason": reason}]


def _reason(row: Sequence[str | None], places: Sequence[int]) -> str | None:
    for place in places:
        if (text := row[place]) is not None:
            said = json.loads(text)
            return words.flag(said) if "_" in said and " " not in said else said
    return None


def _in_words(table: Table, name: str) -> str:
    column = table.column(name)
    said = column.described.words
    _, _, clause = said.partition("null ")
    return clause.split(";")[0] if clause else _NOT_KNOWN


def _joined(what: str, lacks: str, of: Sequence[str]) -> str:
    said = f"{what}: {lacks}" if what else lacks
    if not of:
        return said
    return f"{said} of {words.and_more(of, _NAMED)}"
