"""Cells as brokers write them: amounts with signs and currencies around them, and dates of many spellings."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from ingest.books.cells import LIMIT, shown

_NOTHING = frozenset({"", "-", "--", "—", "n/a", "na", "null", "none", "*", "processing", "incomplete"})
_AROUND = re.compile(r"[$€£%\s]|USD|EUR")
_DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%Y%m%d", "%Y/%m/%d", "%b-%d-%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y",
    "%d-%b-%Y",
)  # fmt: skip
_DAY_FIRST = ("%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")
_EITHER_WAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](?:\d{4}|\d{2})(?!\d)")
_MONTHS = 12
_AS_OF = re.compile(r"\bas of\s+(.+)$", re.IGNORECASE)


def read_amount(text: str, *, decimal_comma: bool = False) -> Decimal | None:
    """Read an amount, price or quantity with at most ten decimals; None where the cell says that there is none.

    Raises ValueError for what is no number.
    """
    word = text.strip()
    if word.lower() in _NOTHING:
        return None
    bare = _AROUND.sub("", word)
    negative = bare.startswith("(") and bare.endswith(")")
    bare = bare.strip("()")
    bare = bare.replace(".", "").replace(",", ".") if decimal_comma else bare.replace(",", "")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        raise ValueError(f"{shown(text)} is not a number") from None
    if not number.is_finite() or abs(number) >= LIMIT:
        raise ValueError(f"{shown(text)} is not a number that money can be")
    number = round(number, 10)
    return -number if negative else number


def has_days_first(cells: Iterable[str]) -> bool | None:
    """Whether the dates of a file begin with the day, which one beyond the 12th of a month tells; None: none does."""
    first = second = False
    for cell in cells:
        if match := _EITHER_WAY.match(cell.strip()):
            first, second = first or int(match[1]) > _MONTHS, second or int(match[2]) > _MONTHS
    return first if first != second else None


def read_day(text: str, *, day_first: bool | None = False) -> date | None:
    """Read a date, with or without a time after it; of "12/16/2025 as of 12/15/2025" the latter. None: empty.

    Raises ValueError for what is no date, and where `day_first` is not known and would matter.
    """
    word = text.strip()
    if word.lower() in _NOTHING:
        return None
    as_of = _AS_OF.search(word)
    word = (as_of.group(1) if as_of else word).strip()
    either = _EITHER_WAY.match(word)
    if day_first is None and either and either[1] != either[2]:
        raise ValueError(f"{shown(text)} may begin with the day or the month: write it as YYYY-MM-DD")
    candidates = [word, word.split(";")[0].strip(), word.split("T")[0], word.rsplit(",", 1)[0].strip()]
    candidates += [word.split(" ")[0].rstrip(",")]
    for form in _DAY_FIRST if day_first else _DATES:
        for candidate in candidates:
            try:
                return datetime.strptime(candidate, form).date()  # noqa: DTZ007
            except ValueError:
                continue
    raise ValueError(f"{shown(text)} is not a date")
