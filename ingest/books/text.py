"""Checks a file before its cells are read: text, or a workbook that only has the name of a CSV file."""

import re
from collections.abc import Iterable

from ingest.books.cells import shown

_CURE = "export it as CSV (of a workbook: save as CSV UTF-8)"
_KINDS = (
    (b"PK\x03\x04", "a workbook or another archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a formatted text"),
    (b"\x1f\x8b", "a compressed file"),
)
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype html|html|table|style|meta)\b", re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

# 1.234,5 and 12,34 must have a decimal comma, 1,234.5 and 12.34 a decimal point; 1,234 may have either
_WITH_COMMA = re.compile(r"[-+$(]*(?:[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]+)[-)]?")
_WITH_POINT = re.compile(
    r"[-+$(]*(?:[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+|[0-9]*\.(?:[0-9]{1,2}|[0-9]{4,})|0?\.[0-9]+"
    r"|[0-9]{1,3}(?:,[0-9]{3}){2,})[-)]?"
)
_EITHER = re.compile(r"[-+$(]*[1-9][0-9]{0,2}[,.][0-9]{3}[-)]?")


def what_it_is(content: bytes) -> str | None:
    """For a file that is not text, say what it is and what to do; None for text."""
    for beginning, kind in _KINDS:
        if content.startswith(beginning):
            return f"is {kind} and no text: {_CURE}"
    if _WEB_PAGE.match(content[:1000].removeprefix(b"\xef\xbb\xbf")):
        return f"is a web page, whatever its name says: open it in a spreadsheet and {_CURE}"
    # a single NUL may be a slip in a cell; many mean that it is no text, or text with two bytes a letter
    beginning = content[:4096]
    if 20 * beginning.count(b"\x00") > len(beginning) and not content.startswith(_UTF_16):
        return f"is no text: {_CURE}"
    return None


def has_decimal_commas(cells: Iterable[str], *, may_be_thousands: bool = False) -> bool:
    """Whether the numbers of a file have decimal commas, judged by the numbers with only one reading.

    Where no number decides, those with two readings, such as 1,500, count as thousands; unless they
    `may_be_thousands`, they are a ValueError.
    """
    commas = points = 0
    unclear = None
    for cell in cells:
        if _WITH_COMMA.fullmatch(cell):
            commas += 1
        elif _WITH_POINT.fullmatch(cell):
            points += 1
        elif unclear is None and _EITHER.fullmatch(cell) and "," in cell:
            unclear = cell
    if unclear and not commas and not points and not may_be_thousands:
        thousands, fraction = unclear.replace(",", ""), unclear.replace(",", ".")
        raise ValueError(f"{shown(unclear)} may be {thousands} or {fraction}: write numbers without thousands commas")
    return commas > points
