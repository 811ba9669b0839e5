"""One CSV file of a folder of market data, read row by row for the symbols that are wanted."""

import csv
import gzip
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from operator import itemgetter
from pathlib import Path

from ingest.rows import RejectedRow
from ingest.symbols import canonical_symbol

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class BadFile(Exception):  # noqa: N818 - it is a finding about a file, told in the summary, not a fault of the program
    """A file that cannot be used at all; the message is one line that begins with the file's name."""


class CsvTable:
    """A file `stem.csv` or `stem.csv.gz` with a column `symbol`; the rows that cannot be read go to `rejected`.

    `columns` are those that `rows_of` returns, in that order; `required` are those that must be there.
    """

    def __init__(
        self, folder: Path, stem: str, columns: Sequence[str], required: Sequence[str], relation: str, source: str
    ) -> None:
        self.folder = folder
        self.stem = stem
        self.columns = columns
        self.required = required
        self.relation = relation
        self.source = source
        self.rejected: list[RejectedRow] = []

    def path(self) -> Path | None:
        """Return where the file is, None where there is none; raise BadFile where there are two."""
        found = [path for suffix in (".csv", ".csv.gz") if (path := self.folder / f"{self.stem}{suffix}").is_file()]
        if len(found) > 1:
            raise BadFile(f"{found[0].name} and {found[1].name} are both there: keep one of them")
        return found[0] if found else None

    def rows_of(self, wanted: Collection[str]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """Yield line, canonical symbol and cells of each row of a wanted symbol; "" for a column that is not there.

        A row with more or fewer cells than the header is rejected. A symbol that can be none is rejected once.
        """
        path = self.path()
        if path is None:
            return
        canonical: dict[str, str | None] = {}
        with _lines(path) as lines:
            reader = csv.reader(lines)
            header = self._header(path, next(reader, []))
            width = len(header)
            symbol_at = header.index("symbol")
            # One more cell, always empty, stands in for the columns that the file does not have.
            pick = itemgetter(*[header.index(column) if column in header else width for column in self.columns])
            for cells in reader:
                if not cells:
                    continue
                spelling = cells[symbol_at] if symbol_at < len(cells) else ""
                if spelling not in canonical:
                    canonical[spelling] = self._canonical(spelling, reader.line_num, cells)
                symbol = canonical[spelling]
                if symbol not in wanted:
                    continue
                if len(cells) != width:
                    reason = f"{len(cells)} cells under {width} columns: {','.join(cells)[:100]}"
                    self.reject(reader.line_num, symbol, None, reason, cells)
                    continue
                cells.append("")
                yield reader.line_num, symbol, pick(cells)

    def cells_of(self, column: str) -> set[str]:
        """Return what stands in a column, each text once, of all symbols; nothing where it is absent."""
        path = self.path()
        if path is None:
            return set()
        with _lines(path) as lines:
            reader = csv.reader(lines)
            header = self._header(path, next(reader, []))
            if column not in header:
                return set()
            place = header.index(column)
            return {cells[place] for cells in reader if len(cells) > place}

    def reject(self, line: int, symbol: str, day: date | None, reason: str, cells: Sequence[str]) -> None:
        """Put a row aside, with the reason and where it stands."""
        payload: dict[str, object] = {"at": f"{self.path()}:{line}", "cells": [without_nul(cell) for cell in cells]}
        self.rejected.append(
            RejectedRow(self.source, self.relation, without_nul(symbol), day, without_nul(reason), payload)
        )

    def _header(self, path: Path, cells: list[str]) -> list[str]:
        header = [without_nul(cell).strip().lower() for cell in cells]
        missing = [column for column in ("symbol", *self.required) if column not in header]
        if len(header) == 1 and (separator := next((each for each in _SEPARATORS if each in header[0]), None)):
            raise BadFile(
                f"{path.name}: its columns are separated by {_SEPARATORS[separator]}: save it as CSV with commas "
                "between columns and points before decimals"
            )
        if missing:
            there = ", ".join(filter(None, header))[:100] or "nothing"
            raise BadFile(f"{path.name}: no column {' and no column '.join(missing)} (it has: {there})")
        for column in ("symbol", *self.columns):
            if header.count(column) > 1:
                raise BadFile(f"{path.name}: the column {column} is there {header.count(column)} times")
        return header

    def _canonical(self, spelling: str, line: int, cells: list[str]) -> str | None:
        try:
            return canonical_symbol(spelling)
        except ValueError as error:
            self.reject(line, spelling[:40], None, f"symbol: {error}", cells)
            return None


def without_nul(text: str) -> str:
    """Return the text without NUL characters, which PostgreSQL's text cannot hold."""
    return text.replace("\0", "")


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """Open a plain or compressed file as lines of text; what goes wrong while it is read is a BadFile."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        # One odd byte in a company's name must not spoil the rest of the file.
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
            yield text
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise BadFile(f"{path.name}: it cannot be read ({str(error) or type(error).__name__})") from error
