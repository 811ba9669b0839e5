"""Layouts: how a broker's file is recognised and what its columns mean, read from one TOML file a broker.

A layout has tables. A table is recognised by the names in its header (and its section, where the file names sections);
`columns` says what our fields are called there, any of several names each. `keep` and `skip` choose rows by a pattern
on a field; `cash` are rows of money, whose `value` is the amount. Of an activity table, `types` turns a pattern of
the action into one of our types, the first that matches, or into SKIP (moves nothing here), TRADE (bought or sold by
the sign of its quantity), TRANSFER (of shares or money, in or out by its sign), OTHER (money, by its sign), IN_LIEU (of
a fraction), CANCEL (of another row), EVENT (what a company does, which is left out and told) and DISTRIBUTION (an event
if of shares).
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ingest.books.csv_files import FileProblem
from ingest.books.layouts.tables import RawFile, Table, key_of, read_raw, split_tables

FOLDER = Path(__file__).parent
# The layout of files that no broker wrote.
OURS = "generic"
POSITIONS, ACTIVITY, CASH = "positions", "activity", "cash"
_COMMANDS = {POSITIONS: "load broker", ACTIVITY: "load transactions"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A pattern that a field has to match, somewhere in it and whatever its case."""

    field: str
    pattern: re.Pattern[str]

    def holds(self, cells: Mapping[str, str]) -> bool:
        """Whether a row's field matches."""
        return bool(self.pattern.search(cells.get(self.field, "")))


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table of a broker's file; see the module."""

    kind: str
    header: tuple[tuple[str, ...], ...]
    columns: dict[str, tuple[str, ...]]
    sections: tuple[str, ...] = ()
    keep: tuple[Condition, ...] = ()
    skip: tuple[Condition, ...] = ()
    cash: tuple[Condition, ...] = ()
    types: tuple[tuple[re.Pattern[str], str], ...] = ()
    may_flip: bool = False
    # the amount is before fees
    gross: bool = False
    # fees are signed as cash is: a negative one is a cost, a positive one a rebate
    signed_fees: bool = False
    # where the amount contains only the money: "quantity", or "product" of quantity and price
    money: str = ""
    # only a file that names its sections has this
    sections_only: bool = False

    def place(self, table: Table) -> dict[str, int]:
        """Return where each of our fields stands in a table's rows."""
        keys = table.keys
        places = {}
        for name, aliases in self.columns.items():
            found = [keys.index(alias) for alias in aliases if alias in keys]
            if found:
                places[name] = found[0]
        # a column without a name belongs to the one before it: "Local value,," holds a currency and an amount
        for name, aliases in self.columns.items():
            for alias in aliases:
                if alias.startswith("after ") and alias[6:] in keys:
                    places[name] = keys.index(alias[6:]) + 1
        return places

    def fits(self, keys: Sequence[str], section: str | None) -> bool:
        """Whether a header is this table's."""
        if self.sections and section is not None and section not in self.sections:
            return False
        return all(any(name in keys for name in names) for names in self.header)


@dataclass(frozen=True, slots=True)
class Layout:
    """A broker's files."""

    name: str
    title: str
    tables: tuple[TableLayout, ...]
    as_of: tuple[re.Pattern[str], ...] = ()
    # None: the dates of the file decide
    day_first: bool | None = False
    account: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Recognised:
    """A file whose layout is known: its tables, each with what it is, and how many lines stand above the first."""

    raw: RawFile
    layout: Layout
    tables: tuple[tuple[TableLayout, Table], ...]
    above: int = 0


@cache
def layouts() -> dict[str, Layout]:
    """Return every layout by name."""
    return {file.stem: _read(file) for file in sorted(FOLDER.glob("*.toml"))}


def recognise(raw: RawFile, name: str | None, kind: str) -> Recognised | FileProblem:
    """Find the layout of a file by its headers, or say what its own words are and what to do.

    Args:
        raw: the file.
        name: the layout to read it by; None to find it.
        kind: what is wanted of it: positions or activity.
    """
    known = layouts()
    if name is not None and name not in known:
        return FileProblem(raw.name, 1, "layout", f"there is no layout {name!r}: there are {', '.join(known)}")
    chosen = [known[name]] if name else list(known.values())
    found = [recognised for layout in chosen if (recognised := _by_layout(raw, layout))]
    if not found:
        return FileProblem(raw.name, 1, "header", _unknown(raw, kind, name))
    # choose the layout that asks for most; ours asks for least
    best = max(
        found,
        key=lambda each: (
            each.layout.name != OURS,
            max(2 * len(table.header) + (table.kind == kind) for table, _ in each.tables),
        ),
    )
    if best.layout.name == OURS and not any(table.kind == kind for table, _ in best.tables):
        return FileProblem(raw.name, best.tables[0][1].line, "header", _unknown(raw, kind, name))
    if not any(table.kind == kind for table, _ in best.tables):
        other = ACTIVITY if kind == POSITIONS else POSITIONS
        what = f"is a list of {best.layout.title} {other}, not of {kind}"
        return FileProblem(raw.name, best.tables[0][1].line, "header", f"{what}: load it with `{_COMMANDS[other]}`")
    return best


def name_layout(path: Path) -> str | None:
    """Say what a broker's file is and which command loads it; None where no broker's layout fits."""
    try:
        raw = read_raw(path)
    except (OSError, ValueError):
        return None
    for kind in (POSITIONS, ACTIVITY):
        found = recognise(raw, None, kind)
        if isinstance(found, Recognised):
            return f"is a list of {found.layout.title} {kind}: load it with `{_COMMANDS[kind]} {path.name}`"
    return None


def _by_layout(raw: RawFile, layout: Layout) -> Recognised | None:
    if raw.tables:
        tables, above = raw.tables, 0
    else:
        tables, above = split_tables(
            raw, lambda keys: any(table.fits(keys, None) for table in layout.tables if not table.sections_only)
        )
    fitting = tuple(
        (layout_table, table)
        for table in tables
        for layout_table in layout.tables
        if layout_table.fits(table.keys, table.section)
    )
    return Recognised(raw, layout, fitting, above) if fitting else None


def _unknown(raw: RawFile, kind: str, name: str | None) -> str:
    if raw.tables:
        words = ", ".join(dict.fromkeys(table.section or "" for table in raw.tables[:12]))
        return f"has none of the tables that are known: its own are {words}"
    if not raw.lines:
        return "the file is empty: its first line must name the columns"
    widest = max((cells for _, cells in raw.lines), key=len, default=[])
    words = ", ".join(cell for cell in widest[:10] if cell)
    where = f"the layout {name}" if name else "any layout that is known"
    cure = (
        "name the columns as `load --help` lists them, or pass --layout"
        if kind == POSITIONS
        else "name the columns as `load transactions --help` lists them, or pass --layout"
    )
    return f"its columns ({words or 'none'}) are not those of {where}: {cure}"


def _read(file: Path) -> Layout:
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    return Layout(
        name=file.stem,
        title=said["title"],
        tables=tuple(_read_table(table) for table in said["tables"]),
        as_of=tuple(re.compile(pattern, re.IGNORECASE) for pattern in said.get("as_of", ())),
        day_first=None if said.get("day_first") == "as the dates tell" else said.get("day_first", False),
        account=tuple(re.compile(pattern) for pattern in said.get("account", ())),
    )


def _read_table(said: Mapping[str, Any]) -> TableLayout:
    def conditions(name: str) -> tuple[Condition, ...]:
        return tuple(
            Condition(column, re.compile(pattern, re.IGNORECASE)) for column, pattern in said.get(name, {}).items()
        )

    def names(value: str | Sequence[str]) -> tuple[str, ...]:
        return tuple(
            alias if alias.startswith("after ") else key_of(alias)
            for alias in ([value] if isinstance(value, str) else value)
        )

    return TableLayout(
        kind=said["kind"],
        header=tuple(tuple(key_of(name) for name in names.split("|")) for names in said["header"]),
        columns={column: names(value) for column, value in said["columns"].items()},
        sections=tuple(said.get("sections", ())),
        sections_only=said.get("sections_only", False),
        keep=conditions("keep"),
        skip=conditions("skip"),
        cash=conditions("cash"),
        types=tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in said.get("types", ())),
        may_flip=said.get("may_flip", False),
        gross=said.get("gross", False),
        signed_fees=said.get("signed_fees", False),
        money=said.get("money", ""),
    )
