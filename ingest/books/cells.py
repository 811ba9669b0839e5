"""Parsers for cells of people's CSV files: from text to value, or a ValueError that says what is wrong."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Context, Decimal
from functools import lru_cache

# Amounts are numeric(28,10) in the database: ten decimals, and below 10^18. The limit leaves room for sums of them.
_DECIMALS = 10
LIMIT = Decimal(10) ** 15
# Ratios of shares are numeric(28,18).
_RATIO_DECIMALS = 18
_WIDE = Context(prec=50)
_EARLIEST, _LATEST = date(1900, 1, 1), date(2099, 12, 31)

# Most cells look like this and need no further check.
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,10})?")
# A sign or parentheses, a dollar sign, digits (plain, or with a comma before every three) and decimals: $(1,234.50).
_NUMBER = re.compile(
    r"""
    (?P<sign>[+-])?\s*\$?\s*(?P<opened>\()?\s*\$?\s*(?P<inner_sign>[+-])?
    (?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)
    (?P<exponent>[eE][+-]?[0-9]{1,3})?
    \s*(?P<closed>\))?
    """,
    re.VERBOSE,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Invisible characters, and those that change the direction of writing: they make different names look the same. They
# are Unicode's default ignorable characters, and the Braille blank.
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
LONGEST_TEXT, LONGEST_PROSE = 200, 2_000


def shown(text: str) -> str:
    """Quote a cell's text for a message; a long text is cut."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def plain(number: Decimal) -> str:
    """Write a number in its one plain spelling: no exponent, no trailing zeros (1500, 0.5)."""
    whole = number.to_integral_value()
    return f"{whole if number == whole else number.normalize():f}"


def parse_number(text: str, decimals: int = _DECIMALS) -> Decimal:
    """Read an amount, price or quantity: `1234.5`, `-$1,234.50`, `($1,234.50)`.

    Raises ValueError for anything else (NaN and infinity too), for more `decimals` than are stored, and from 10^15 on.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return Decimal(text)
    match = _NUMBER.fullmatch(text)
    if not match or text.count("$") > 1:
        raise ValueError(f"{shown(text)} is not a number: write it like 1234.50")
    signs = [match["sign"], match["inner_sign"], match["opened"]]
    if bool(match["opened"]) != bool(match["closed"]) or sum(map(bool, signs)) > 1:
        raise ValueError(f"{shown(text)} is not a number: write one minus, or one pair of parentheses")
    number = Decimal(match["digits"].replace(",", "") + (match["exponent"] or ""))
    if number >= LIMIT:
        raise ValueError(f"{shown(text)} is too large (it must be below 10^15)")
    if number != number.quantize(Decimal(1).scaleb(-decimals), context=_WIDE):
        raise ValueError(f"{shown(text)} has more than {decimals} decimals: round it")
    return -number if "-" in signs or match["opened"] else number


def parse_non_zero(text: str) -> Decimal:
    """Read a signed quantity: any number but zero."""
    number = parse_number(text)
    if not number:
        raise ValueError("must not be zero: write how many it is, or leave the row out")
    return number


def parse_share(text: str) -> Decimal:
    """Read a share of a whole, 0 to 1, written as a fraction (0.288) or in percent (28.8%)."""
    number = parse_number(text.removesuffix("%").rstrip(), _RATIO_DECIMALS - 2)
    share = number / 100 if text.endswith("%") else number
    if share < 0:
        raise ValueError(f"must not be negative: {plain(number)}: write what it is, 0 to 1")
    if share > 1:
        raise ValueError(f"{shown(text)} is more than the whole: write a fraction (0.288) or a percentage (28.8%)")
    return share


def parse_ratio(text: str) -> Decimal:
    """Read a ratio of shares, zero or more, of up to 18 decimals; the digits stay as they are written."""
    number = parse_number(text, _RATIO_DECIMALS)
    if number < 0:
        raise ValueError(f"must not be negative: {plain(number)}: leave out the minus, or the row")
    return number


def parse_positive(text: str) -> Decimal:
    """Read a number above zero."""
    number = parse_number(text)
    if number <= 0:
        raise ValueError(f"must be above zero, not {plain(number)}: correct it, or leave the row out")
    return number


def parse_non_negative(text: str) -> Decimal:
    """Read a number that is zero or more."""
    number = parse_number(text)
    if number < 0:
        raise ValueError(f"must not be negative: {plain(number)}: leave out the minus, or the row")
    return number


@lru_cache(maxsize=50_000)
def parse_date(text: str) -> date:
    """Read an ISO date, YYYY-MM-DD, of the years 1900 to 2099."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a date written YYYY-MM-DD")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not a day of the calendar: correct it") from None
    if not _EARLIEST <= day <= _LATEST:
        raise ValueError(f"{text} lies outside {_EARLIEST.year} to {_LATEST.year}: correct it")
    return day


def parse_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Read a name and bring it to a single spelling, so that names that look the same are the same.

    Letters and accents are composed (Unicode's NFC), and every kind of space becomes a plain space. Raises ValueError
    for line breaks and other control characters, for invisible characters and those that change the direction of
    writing, and for more than `longest` characters.
    """
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return text
    if _CONTROL.search(text):
        raise ValueError(f"{shown(text)} holds a line break or another control character: remove it")
    if invisible := _INVISIBLE.search(text):
        code = f"U+{ord(invisible[0]):04X}"
        raise ValueError(
            f"{shown(text)} holds an invisible character ({code}, the {invisible.start() + 1}th): remove it"
        )
    text = _SPACE.sub(" ", unicodedata.normalize("NFC", text))
    if len(text) > longest:
        raise ValueError(f"{shown(text)} is longer than {longest} characters: shorten it")
    return text


def parse_prose(text: str) -> str:
    """Read a description: text that may be a paragraph."""
    return parse_text(text, LONGEST_PROSE)


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser of a word that must be one of `choices` (upper case); case does not matter."""

    def parse_choice(text: str) -> str:
        word = text.upper()
        if word not in choices:
            raise ValueError(f"{shown(text)} is not one of {', '.join(choices)}")
        return word

    return parse_choice


def parse_currency(text: str) -> str:
    """Read a portfolio's currency, which must be USD."""
    if text.upper() != "USD":
        raise ValueError(
            f"{shown(text)}: only portfolios in USD can be loaded, leave it out: there is no currency conversion"
        )
    return "USD"
