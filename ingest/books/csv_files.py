"""Reads people's CSV files: from lines to rows of typed cells, collecting every problem."""

import csv
import difflib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.books.text import has_decimal_commas, what_it_is

_LINE_END = re.compile(r"\r\n|\n|\r")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\s_]+")
_SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA_CELL = re.compile(
    r"[-+$(]*(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)?,[0-9]+\)?|[-+$(]*[0-9]{1,3}(?:\.[0-9]{3})+\)?"
)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A problem in a file: its place and a message. As text it is `file:line: column: message`."""

    file: str
    line: int
    column: str
    what: str

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}: {self.column}: {self.what}"
        # a single line on the terminal, even if names of files and columns contain line breaks
        return said if said.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in said)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file may have: its name, the parser of its cells, and the meaning of an empty cell.

    `parse` takes the stripped, non-empty text of a cell and raises ValueError where it cannot read it. If a column that
    is not `required` is missing, its cells count as empty; an empty cell is refused unless `optional`. A required
    column may be missing where its `stand_in` is there.
    """

    name: str
    parse: Callable[[str], Any]
    required: bool = True
    optional: bool = False
    default: Any = None
    aliases: tuple[str, ...] = ()
    stand_in: str = ""

    def is_lacking(self, placed: Collection["Column"]) -> bool:
        """Whether a file with the columns `placed` lacks this one."""
        return self.required and self not in placed and self.stand_in not in {column.name for column in placed}


@dataclass(slots=True)
class Row:
    """A line's cells by column name; None for a cell that is listed in `bad`, or is empty and has no default.

    `others` are the texts of the columns that a lenient reading ignores, by their names in the header.
    """

    line: int
    cells: dict[str, Any]
    bad: set[str]
    others: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class CsvFile:
    """The content of a file: its rows and its problems, in the order of its lines."""

    name: str
    rows: list[Row] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    complete_header: bool = False
    notes: list[str] = field(default_factory=list)

    def report(self, line: int, column: str, what: str) -> None:
        """Note a problem of this file."""
        self.problems.append(FileProblem(self.name, line, column, what))


def read_csv(path: Path, name: str, columns: Sequence[Column], *, lenient: bool = False) -> CsvFile:
    """Read a CSV file with these columns in any order; messages call the file `name`.

    Cells may be separated by semicolons or tabs in place of commas, and numbers may have decimal commas: the file's
    notes then say so. A `lenient` reading accepts files of other programs: it ignores unknown columns, unless a known
    one is missing, and fills up a row that is short of empty cells, where there is only one way to read it. The notes
    say both.

    The first line that is neither blank nor a comment is the header. Case, blanks and underscores do not matter in
    column names. A line that starts with `#` is a comment. The content of the file never raises: look at `problems`.
    """
    read = CsvFile(name)
    text = _decode(path, read)
    if text is None:
        return read
    separator = _separator(text)
    decimal_commas = False
    if separator != ",":
        cells_of_text = (cell.strip(' "') for line in _LINE_END.split(text) for cell in line.split(separator))
        try:
            decimal_commas = has_decimal_commas(cells_of_text)
        except ValueError as error:
            read.report(1, "file", str(error))
            return read
        commas = ", and its numbers have decimal commas" if decimal_commas else ""
        read.notes.append(f"{name} is separated by {_SEPARATOR_NAMES[separator]}{commas}")
    lines = _cells_by_line(text, read, separator, decimal_commas)
    line, header = next(lines, (1, []))
    if header is None:
        return read
    placed = _match_header(line, header, columns, read, lenient)
    names = [column.name for column in columns]
    absent = [column for column in columns if column not in placed]
    unread = {place: written for place, written in enumerate(header) if written and place not in placed.values()}
    completed: list[int] = []
    repeated: list[int] = []
    for line, cells in lines if placed else ():
        if cells == header:
            repeated.append(line)
            continue
        if lenient and cells is not None and len(cells) < len(header):
            whole = _completed(cells, len(header), placed)
            completed += [line] if whole else []
            cells = whole or cells
        if cells is not None and len(cells) != len(header):
            hint = (
                "each column needs its cell, empty or not"
                if len(cells) < len(header)
                else "a cell with a comma in it needs quotes"
            )
            read.report(line, "row", f"has {len(cells)} cells where the header has {len(header)}: {hint}")
            cells = None
        if cells is None:
            read.rows.append(Row(line, dict.fromkeys(names), set(names)))
        else:
            row = _parse_row(line, cells, placed, absent, read)
            row.others = {written: cells[place] for place, written in unread.items() if cells[place]}
            read.rows.append(row)
    for lines_told, what in ((completed, "an empty cell too few, added"), (repeated, "the header once more, left out")):
        if lines_told:
            shown_lines = ", ".join(map(str, lines_told[:10])) + (", …" if len(lines_told) > 10 else "")
            read.notes.append(f"{name}: line{'s' * (len(lines_told) > 1)} {shown_lines}: {what}")
    return read


def _completed(cells: Sequence[str], width: int, placed: dict[Column, int]) -> list[str] | None:
    """Fill up a short row at one of its runs of empty cells; None unless exactly one reading makes sense."""
    missing = [""] * (width - len(cells))
    starts = [place for place, cell in enumerate(cells) if not cell and (not place or cells[place - 1])]
    readings: dict[tuple[str, ...], list[str]] = {}
    for start in starts:
        whole = [*cells[:start], *missing, *cells[start:]]
        if all(_is_readable(column, whole[place]) for column, place in placed.items()):
            readings[tuple(whole[place] for place in placed.values())] = whole
    return readings.popitem()[1] if len(readings) == 1 else None


def _is_readable(column: Column, text: str) -> bool:
    try:
        return bool(column.parse(text) is not None) if text else column.optional
    except ValueError:
        return False


def _decode(path: Path, read: CsvFile) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        read.report(1, "file", f"cannot be read: {error.strerror}")
        return None
    if other := what_it_is(content):
        read.report(1, "file", other)
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        read.report(line, "encoding", f"byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8")
        return None


def _separator(text: str) -> str:
    """The separator of the first line that is not blank."""
    header = next((line for line in _LINE_END.split(text) if line.strip() and not line.startswith("#")), "")
    return "," if "," in header else max(_SEPARATOR_NAMES, key=header.count) if set(header) & {";", "\t"} else ","


def _cells_by_line(
    text: str, read: CsvFile, separator: str, decimal_commas: bool
) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each line that is not blank, as its number and its stripped cells; None in place of broken quotes.

    No cell may contain a line break, so every line is read by itself: a quote that is never closed spoils one line and
    not the rest of the file.
    """
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            [cells] = csv.reader([line], strict=True, skipinitialspace=separator != "\t", delimiter=separator)
        except csv.Error as error:
            read.report(
                number,
                "row",
                f"cannot be split into cells ({error}): close each quote, double inner ones",
            )
            yield number, None
            continue
        cells = [cell.strip() for cell in cells]
        if decimal_commas:
            cells = [
                cell.replace(".", "").replace(",", ".") if _DECIMAL_COMMA_CELL.fullmatch(cell) else cell
                for cell in cells
            ]
        if any(cells):
            yield number, cells


def _match_header(
    line: int, header: Sequence[str], columns: Sequence[Column], read: CsvFile, lenient: bool
) -> dict[Column, int]:
    """Find each column's place in the header and report what is unknown, doubled or missing."""
    if not header:
        read.report(line, "header", f"the file is empty: its first line must name the columns {_names(columns)}")
        return {}
    by_key = {_key(column.name): column for column in columns}
    named = {by_key[key] for key in map(_key, header) if key in by_key}
    # an alias counts only where the column's own name is absent
    by_alias = {_key(alias): column for column in columns if column not in named for alias in column.aliases}
    ignored: list[str] = []
    keys = {_key(written) for written in header}
    # an unknown column may be a missing one, misspelt
    there = named | {column for column in columns if any(_key(alias) in keys for alias in column.aliases)}
    is_whole = not any(column.is_lacking(there) for column in columns)
    placed: dict[Column, int] = {}
    problems_before = len(read.problems)
    for place, written in enumerate(header):
        column = by_key.get(_key(written)) or by_alias.get(_key(written))
        if column is None and not written and lenient:
            continue
        if column is None and lenient and is_whole and _key(written) != "portfolio":
            ignored.append(written)
        elif column is None and not written:
            read.report(line, "header", f"column {place + 1} has no name: name it, or remove it")
        elif column is None:
            read.report(line, written, f"is not a column of this file{_suggestion(written, by_key)}")
        elif column in placed:
            read.report(line, column.name, "stands twice in the header: keep one")
        else:
            placed[column] = place
    if ignored and placed:
        read.notes.append(f"{read.name}: ignored columns: {', '.join(ignored)}")
    if not placed:
        read.problems[problems_before:] = []
        read.report(line, "header", f"the first line must name the columns, separated by commas: {_names(columns)}")
        return {}
    for column in columns:
        if column.is_lacking(placed):
            read.report(line, column.name, "the column is missing: add it to the header and to each row")
    read.complete_header = len(read.problems) == problems_before
    return placed


def _parse_row(
    line: int, cells: Sequence[str], placed: dict[Column, int], absent: Sequence[Column], read: CsvFile
) -> Row:
    row = Row(
        line, {column.name: column.default for column in absent}, {c.name for c in absent if c.is_lacking(placed)}
    )
    for column, place in placed.items():
        text = cells[place]
        value = column.default
        try:
            if text:
                value = column.parse(text)
            elif not column.optional:
                raise ValueError("is empty: fill it in, or leave the row out")
        except ValueError as error:
            read.report(line, column.name, str(error))
            row.bad.add(column.name)
        row.cells[column.name] = value
    return row


def _key(name: str) -> str:
    return _SEPARATORS.sub(" ", _CAMEL_CASE.sub(" ", name.strip())).lower()


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def _suggestion(written: str, by_key: dict[str, Column]) -> str:
    close = difflib.get_close_matches(_key(written), by_key, n=1)
    return f": did you mean {by_key[close[0]].name}?" if close else ": remove it, or give it the name of one"
