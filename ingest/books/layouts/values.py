"""Cells as brokers write them: amounts with signs and currencies around them, and dates of many spellings."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from ingest.books.cells import LIMIT, shown

_NOTHING = frozenset({"", "-", "--", "—", "n/a", "na", "null", "none", "*", "processing", "incomplete"})
_FOREIGN = re.compile(r"[€£¥₹]|\b(?:EUR|GBP|CHF|CAD|AUD|JPY|HKD|SEK|NOK|DKK)\b|\b(?:CA?|A|HK|NZ|S)\$", re.IGNORECASE)
_DOLLARS = re.compile(r"(?:US)?\$|\bUSD\b", re.IGNORECASE)
_NEGATIVES = str.maketrans("\u2212\u2013", "--")
_EXPONENT = r"(?:[eE][-+]?[0-9]{1,2})?"
# a separator of thousands stands after every three digits, and nowhere else
_BY_COMMA = re.compile(rf"(?:[0-9]{{1,3}}(?:[.'’ ][0-9]{{3}})+|[0-9]+)(?:,[0-9]*)?{_EXPONENT}|,[0-9]+")
_BY_POINT = re.compile(rf"(?:[0-9]{{1,3}}(?:[,'’ ][0-9]{{3}})+|[0-9]+)(?:\.[0-9]*)?{_EXPONENT}|\.[0-9]+")
_DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%Y%m%d", "%Y/%m/%d", "%b-%d-%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y",
)  # fmt: skip
_DAY_FIRST = (
    "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%d/%m/%y", "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "%d-%b-%y",
    "%d %b %Y",
)  # fmt: skip
_EITHER_WAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](?:\d{4}|\d{2})(?!\d)")
_MONTHS = 12
_AS_OF = re.compile(r"\bas of\s+(.+)$", re.IGNORECASE)


def read_amount(text: str, *, decimal_comma: bool = False) -> Decimal | None:
    """Read an amount, price or quantity with at most ten decimals; None where the cell says that there is none.

    A minus may stand before or behind, and parentheses mean one. Raises ValueError for what is no number, or no USD.
    """
    word = text.strip()
    if word.lower() in _NOTHING:
        return None
    if foreign := _FOREIGN.search(word):
        raise ValueError(f"{shown(text)} is in {foreign[0]}: only USD can be loaded, leave the row out")
    bare = _DOLLARS.sub("", word.translate(_NEGATIVES)).strip()
    signs = 0
    if bare.startswith("(") and bare.endswith(")"):
        bare, signs = bare[1:-1].strip(), 1
    while bare[:1] in ("-", "+") or bare[-1:] == "-":
        signs += 1 if bare[:1] == "-" or bare[-1:] == "-" else 0
        bare = (bare[1:] if bare[:1] in ("-", "+") else bare[:-1]).strip()
    this, other = (_BY_COMMA, _BY_POINT) if decimal_comma else (_BY_POINT, _BY_COMMA)
    if signs > 1:
        raise ValueError(f"{shown(text)} is not a number: write one minus, or one pair of parentheses")
    if not this.fullmatch(bare):
        if other.fullmatch(bare):
            mark, others = ("point", "commas") if decimal_comma else ("comma", "points")
            raise ValueError(
                f"{shown(text)} has a decimal {mark}, and the file's numbers have {others}: write all alike"
            )
        raise ValueError(f"{shown(text)} is not a number: write it like 1234.50")
    digits = re.sub("[.'’ ]", "", bare).replace(",", ".") if decimal_comma else re.sub("[,'’ ]", "", bare)
    number = Decimal(digits)
    if abs(number) >= LIMIT:
        raise ValueError(f"{shown(text)} is more than money can be: it must be below 10^15")
    number = round(number, 10)
    return -number if signs else number


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
    day = _parsed(word, _DAY_FIRST if day_first else _DATES)
    if day is None and either and _parsed(word, _DATES if day_first else _DAY_FIRST):
        begins, others = ("month", "day") if day_first else ("day", "month")
        what = f"begins with the {begins}, and this layout's dates with the {others}"
        raise ValueError(f"{shown(text)} {what}: write all of the file as YYYY-MM-DD")
    if day is None:
        raise ValueError(f"{shown(text)} is not a date: write it as YYYY-MM-DD")
    return day


@lru_cache(maxsize=50_000)
def _parsed(word: str, forms: tuple[str, ...]) -> date | None:
    candidates = [word, word.split(";")[0].strip(), word.split("T")[0], word.rsplit(",", 1)[0].strip()]
    candidates += [word.split(" ")[0].rstrip(",")]
    for form in forms:
        for candidate in candidates:
            try:
                return datetime.strptime(candidate, form).date()  # noqa: DTZ007
            except ValueError:
                continue
    return None
