"""The rows of a recognised table by our fields: which are kept, which are money, which are skipped and why."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingest.books.csv_files import FileProblem
from ingest.books.layouts.layout import Recognised, TableLayout
from ingest.books.layouts.tables import Table
from ingest.books.layouts.values import has_days_first, read_amount, read_day

_ACCOUNT_TITLE = re.compile(
    r"(?:positions for (?:account )?)?(?P<name>[A-Za-z].*?)\s*(?:\.\.\.\s?|[X*]{3,}-?)(?P<number>\d{3,4})\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9A-Za-z]{5,}")


@dataclass(slots=True)
class TableReading:
    """What reading a file has found out besides its rows: problems, what was skipped, and notes."""

    recognised: Recognised
    problems: list[FileProblem]
    skipped: Counter[str]
    warnings: list[FileProblem] = field(default_factory=list)
    day_first: bool | None = False
    # the sum that the table itself states, and its line
    total: tuple[int, Decimal] | None = None

    def __post_init__(self) -> None:
        self.day_first = self.recognised.layout.day_first
        if self.day_first is None:
            self.day_first = has_days_first(cell for _, cells in self.recognised.raw.lines for cell in cells)

    @property
    def file(self) -> str:
        """What messages call the file."""
        return self.recognised.raw.name

    def report(self, line: int, column: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(FileProblem(self.file, line, column, what))

    def warn(self, line: int, column: str, what: str) -> None:
        """Note what is odd or left out, and loaded all the same."""
        self.warnings.append(FileProblem(self.file, line, column, what))

    def amount(self, cells: Mapping[str, str], line: int, column: str, *, name: str | None = None) -> Decimal | None:
        """Read an amount; reports what is none, under the name that the file has for it."""
        try:
            return read_amount(cells.get(column, ""), decimal_comma=self.recognised.raw.decimal_comma)
        except ValueError as error:
            self.report(line, name or column, str(error))
            return None

    def number(self, text: str) -> Decimal | None:
        """Read an amount; None for what is none."""
        try:
            return read_amount(text, decimal_comma=self.recognised.raw.decimal_comma)
        except ValueError:
            return None

    def is_skipped(self, texts: Iterable[str], skip: Iterable[str]) -> bool:
        """Whether a row is to be left out, as one of its texts holds one of `skip`; counts it."""
        told = " ".join(texts).lower()
        found = any(text.lower() in told for text in skip)
        self.skipped["rows by --skip"] += found
        return found

    def day(self, cells: Mapping[str, str], line: int, column: str) -> date | None:
        """Read a date; reports what is none."""
        try:
            return read_day(cells.get(column, ""), day_first=self.day_first)
        except ValueError as error:
            self.report(line, column, str(error))
            return None

    def notes(self) -> list[str]:
        """Say by which layout the file was read and what of it was not."""
        raw, layout = self.recognised.raw, self.recognised.layout
        said = f"{raw.name}: read as {layout.title}"
        if self.recognised.above:
            self.skipped["above the table"] += self.recognised.above
        skipped = [f"{count} {why}" for why, count in self.skipped.items() if count]
        if skipped:
            said += f"; skipped {', '.join(skipped)}"
        return [*raw.notes, said]


def rows_of_table(
    layout: TableLayout, table: Table, reading: TableReading
) -> Iterator[tuple[int, dict[str, str], bool]]:
    """Yield each row that counts as its line, its cells by field, and whether it is money."""
    places = layout.place(table)
    rows = []
    for line, cells in table.rows:
        filled = [cell for cell in cells if cell]
        fields = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        # a symbol and a number of shares alone still make a holding
        is_holding = bool(fields.get("symbol")) and bool(reading.number(fields.get("quantity", "")))
        is_short = len(filled) < 3 and len(table.header) > 4 and not is_holding
        if len(filled) < 2 or (is_short and not any(condition.holds(fields) for condition in layout.cash)):
            reading.skipped["lines that are no rows"] += 1
            continue
        if any(cells[len(table.header) :]):
            what = f"has {len(cells)} cells where the header has {len(table.header)}"
            reading.report(line, "row", f"{what}: a cell with a comma in it needs quotes")
            continue
        rows.append((line, fields))
    # a file that states sums and their parts has both in rows of their own
    for condition in layout.keep:
        if any(condition.holds(fields) for _, fields in rows):
            dropped = [row for row in rows if not condition.holds(row[1])]
            rows = [row for row in rows if condition.holds(row[1])]
            if dropped:
                details = ", ".join(sorted({row[1][condition.field] for row in dropped}))
                reading.skipped[f"rows of detail ({details[:60]})"] += len(dropped)
    for line, fields in rows:
        skip = next((condition for condition in layout.skip if condition.holds(fields)), None)
        if skip:
            reading.skipped[f"rows of {fields[skip.field] or skip.field}"] += 1
            value = reading.number(fields.get("value", ""))
            if value is not None and "total" in fields[skip.field].lower():
                reading.total = (line, value)
            continue
        yield line, fields, any(condition.holds(fields) for condition in layout.cash)


def account_of(fields: dict[str, str], table: Table, recognised: Recognised) -> str:
    """Name the account that a row belongs to, by no more than the last four digits of its number."""
    name, number = fields.get("account_name", ""), fields.get("account", "")
    title = _ACCOUNT_TITLE.search(table.title)
    if title and not number:
        return f"{title['name'].strip()} …{title['number'][-4:]}"
    if not number:
        found = next(
            (match for pattern in recognised.layout.account if (match := pattern.search(recognised.raw.text))), None
        )
        number = found.group(1) if found else ""
    ending = f"…{re.sub(r'[^0-9A-Za-z]', '', number)[-4:]}" if number else ""
    # a name may hold the number too: "Individual X12345678"
    name = _DIGITS.sub(lambda word: f"…{word[0][-4:]}" if any(map(str.isdigit, word[0])) else word[0], name)
    if number and not name:
        name = recognised.layout.title.partition(" (")[0]
    return " ".join(part for part in (name, ending) if part)
