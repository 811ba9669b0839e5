"""Files of brokers as tables: whatever stands above, between and below them is set aside, and nothing is judged yet.

Reads text separated by commas, semicolons or tabs, the sectioned statements of Interactive Brokers, and Flex XML.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ingest.books.text import has_decimal_commas, what_it_is

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# In memory, cells take about seventy times their bytes in the file.
_LARGEST = 64_000_000
_KEY = re.compile(r"[^a-z0-9$%#]+")


@dataclass(slots=True)
class Table:
    """A header and the rows below it, each with its line in the file; `section` is what the file calls the table."""

    section: str | None
    line: int
    header: list[str]
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    # the last line above it that is one cell alone: the account, where a file has several
    title: str = ""

    @property
    def keys(self) -> list[str]:
        """The header's names without case, blanks and punctuation."""
        return [key_of(name) for name in self.header]


@dataclass(slots=True)
class RawFile:
    """A file's text, its lines as cells, and how it is written."""

    name: str
    text: str
    lines: list[tuple[int, list[str]]]
    separator: str = ","
    decimal_comma: bool = False
    tables: list[Table] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What one should know of how the file was read."""
        said = []
        if self.separator != ",":
            said.append(f"separated by {_SEPARATORS[self.separator]}")
        if self.decimal_comma:
            said.append("numbers have decimal commas")
        return [f"{self.name}: {' and '.join(said)}"] if said else []


def key_of(name: str) -> str:
    """Return a column's name as it is compared."""
    return _KEY.sub(" ", name.strip().lower()).strip()


def read_raw(path: Path) -> RawFile:
    """Read a file into cells. Raises OSError, and ValueError for what is no text, or more than memory should hold."""
    size = path.stat().st_size
    if size > _LARGEST:
        whole = f"is {size / 1_000_000:,.0f} MB, and a file of a broker may have {_LARGEST / 1_000_000:,.0f}"
        raise ValueError(f"{whole}: split it by years, and load the later parts with --add")
    content = path.read_bytes()
    if other := what_it_is(content):
        raise ValueError(other)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    if text.lstrip().startswith("<"):
        raw = RawFile(path.name, text, [])
        raw.tables = _xml_tables(text)
        return raw
    separator = _separator_of(text)
    lines = list(_split(text, separator))
    numbers = (cell for _, row in lines for cell in row)
    raw = RawFile(path.name, text, lines, separator, has_decimal_commas(numbers, may_be_thousands=separator == ","))
    raw.tables = _sections(lines)
    return raw


def split_tables(raw: RawFile, is_header: Callable[[Sequence[str]], bool]) -> tuple[list[Table], int]:
    """Return the tables whose header line is one, and how many lines stand above the first of them."""
    tables: list[Table] = []
    above = 0
    title = ""
    for line, cells in raw.lines:
        filled = [cell for cell in cells if cell]
        if is_header([key_of(cell) for cell in cells]):
            tables.append(Table(None, line, cells, title=title))
            continue
        if len(filled) == 1:
            title = filled[0]
        if tables:
            tables[-1].rows.append((line, cells))
        else:
            above += 1
    return tables, above


def _separator_of(text: str) -> str:
    """The separator that most lines are split by; prose has commas, so the others win where a line has as many."""
    lines = text.splitlines()[:60]
    wins = Counter(
        {
            separator: sum(line.count(separator) >= max(1, line.count(",")) for line in lines)
            for separator in _SEPARATORS
        }
    )
    best = max((";", "\t"), key=lambda separator: wins[separator])
    return best if wins[best] and 2 * wins[best] >= sum(line.count(",") > line.count(best) for line in lines) else ","


def _split(text: str, separator: str):
    # a cell may hold a line break: Robinhood writes a security's number on a line of its own
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    before = 0
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            cells = [" ".join(cell.replace("\u200b", "").split()) for cell in row]
            if any(cells) and not cells[0].startswith("#"):
                yield line, cells
    except csv.Error as error:
        raise ValueError(
            f"cannot be split into cells near line {before + 1} ({error}): close each quote, double inner ones"
        ) from None


def _sections(lines: Sequence[tuple[int, list[str]]]) -> list[Table]:
    """The tables of a statement whose lines begin with their section and with Header or Data."""
    if not any(cells[1:2] == ["Header"] for _, cells in lines):
        return []
    tables: list[Table] = []
    for line, cells in lines:
        section, kind, *rest = [*cells, ""][: max(len(cells), 2)]
        if kind == "Header":
            tables.append(Table(section, line, rest))
        elif kind == "Data":
            table = next((table for table in reversed(tables) if table.section == section), None)
            if table:
                table.rows.append((line, rest))
    return tables


def _xml_tables(text: str) -> list[Table]:
    """The attributes of each kind of element, a table a kind."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("is XML with declarations of its own, which no broker writes: export it again, or as CSV")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"is XML that cannot be read ({error}): export it again, or as CSV") from None
    tables: dict[str, Table] = {}
    elements: dict[str, list[dict[str, str]]] = {}
    for element in root.iter():
        if element.attrib:
            elements.setdefault(element.tag, []).append(dict(element.attrib))
    for tag, rows in elements.items():
        header = sorted({name for row in rows for name in row})
        tables[tag] = Table(
            tag, 1, header, [(number, [row.get(name, "") for name in header]) for number, row in enumerate(rows, 1)]
        )
    return list(tables.values())
