"""Recognises the instrument in a cell of a broker's file: a share, an option in any broker's spelling, or cash.

Pure. Every spelling of an option becomes its OCC symbol. A text that only looks like a share is refused by name.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from ingest.books.cells import shown
from ingest.symbols import OptionContract, canonical_symbol, parse_option_symbol

# Options on these settle in cash: no shares are delivered.
CASH_SETTLED = frozenset({"SPX", "XSP", "NDX", "XND", "RUT", "MRUT", "VIX", "DJX", "OEX", "XEO"})

_CURRENCIES = frozenset({"USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "HKD", "SEK", "NOK", "DKK"})
_CASH_WORDS = frozenset(
    {"CASH", "CASH & CASH INVESTMENTS", "CASH AND CASH INVESTMENTS", "CASH BALANCE", "CORE", "MONEY ACCOUNTS"}
)
# Every money-market fund of the United States has a symbol of five letters that ends in XX.
_MONEY_MARKET = re.compile(r"[A-Z]{3}XX")
# Fidelity's mark for the fund in which it holds cash.
_STARRED = re.compile(r"[A-Z]{2,5}\*{2,3}")
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_CUSIP = re.compile(r"[0-9]{3}[A-Z0-9]{5}[0-9]")
# A CUSIP of a foreign company begins with a letter.
_CINS = re.compile(r"[A-Z][0-9]{4}[A-Z0-9][0-9]{3}")
_SEDOL = re.compile(r"[0-9]{7}|B[0-9][B-DF-HJ-NP-TV-Z0-9]{4}[0-9]")
_FIGI = re.compile(r"BBG[A-Z0-9]{8}[0-9]")
# A mistyped ISIN is no symbol either: no company's name has this many digits.
_DIGITS_OF_ISIN = 5
_CURRENCY_PAIR = re.compile(r"([A-Z]{3})[./]([A-Z]{3})")
_MONEY_SPELT = re.compile(r"(?:\$|USD)?[ ._:-]?CASH(?:[ ._:-]?USD)?|CUR:USD|U\.?S\.? DOLLARS?(?: CASH)?")
# What programs write where there is no symbol or no holding.
_NO_SYMBOL = frozenset({"N/A", "#N/A", "NONE", "NULL", "UNKNOWN", "TOTAL", "TOTALS", "SUBTOTAL", "PENDING"})
_SPACED_CLASS = re.compile(r"([A-Z]{1,4}) ([A-C])")
_DOTTED_CLASS = re.compile(r"([A-Z]{1,5})\.([A-C])")
_UNDOTTED = re.compile(r"([A-Z]{1,5})([A-C])")
# An option's root, and some brokers' symbols, lose the dot of a class share. These are used if the market data do not
# decide.
_UNDOTTED_CLASS = {"BRKB": "BRK.B", "BRKA": "BRK.A", "BFB": "BF.B", "BFA": "BF.A"}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_MONTH = "|".join(_MONTHS)
_ROOT = r"(?P<root>[A-Z][A-Z0-9.]{0,5})"
_STRIKE = r"\$?(?P<strike>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_KIND = r"(?P<kind>CALL|PUT|C|P)"
_SPELLINGS = tuple(
    re.compile(pattern)
    for pattern in (
        # AAPL250620C200, -AAPL250620C200, .MSFT250620P400.5
        rf"[-.]?{_ROOT}(?P<year>[0-9]{{2}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})(?P<kind>[CP])(?!0[0-9]){_STRIKE}",
        # AAPL_C200_20250620
        rf"{_ROOT}_{_KIND}{_STRIKE}_(?P<year>[0-9]{{4}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})",
        # AAPL 06/20/2025 200.00 C
        rf"{_ROOT} (?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}})/(?P<year>[0-9]{{2}}|[0-9]{{4}}) {_STRIKE} {_KIND}",
        # AAPL 6/20/2025 Call $200.00
        rf"{_ROOT} (?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}})/(?P<year>[0-9]{{2}}|[0-9]{{4}}) {_KIND} {_STRIKE}",
        # AAPL 20JUN25 200 C
        rf"{_ROOT} (?P<day>[0-9]{{1,2}})(?P<name>{_MONTH})(?P<year>[0-9]{{2}}) {_STRIKE} {_KIND}",
        # AAPL Jun 20 '25 $200 Call, AAPL JUN 20 2025 $200 CALL
        rf"{_ROOT} (?P<name>{_MONTH}) (?P<day>[0-9]{{1,2}}),? '?(?P<year>[0-9]{{4}}|[0-9]{{2}}) {_STRIKE} {_KIND}",
        # CALL (AAPL) APPLE INC JUN 20 25 $200 (100 SHS)
        rf"{_KIND} \({_ROOT}\) .*?(?P<name>{_MONTH}) (?P<day>[0-9]{{1,2}}) (?P<year>[0-9]{{2}}) {_STRIKE}.*",
    )
)
_LOOKS_LIKE_AN_OPTION = re.compile(r"[-.]?[A-Z][A-Z.]{0,5} *-{0,2}[0-9]{6}[CP][0-9.][A-Z0-9.]*")
# A root, a date and a strike around C or P, whatever stands between them.
_SEPARATORS = re.compile(r"[-_/.:]")
_PARTS_OF_AN_OPTION = re.compile(r"[A-Z]{1,6}[0-9]{5,8}(?:[A-Z]|CALL|PUT)[0-9]+")
_LONG_YEAR = re.compile(r"^([A-Z.]{1,6})20(?=[0-9]{6}[CP])")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument: its canonical symbol, and its contract where it is an option."""

    symbol: str
    contract: OptionContract | None = None


def is_cash(text: str) -> bool:
    """Whether a broker's symbol or name stands for money: a currency, a cash row, or a money-market fund."""
    return _is_money(text) or bool(_MONEY_MARKET.fullmatch(text.strip().upper()))


def security_number(text: str) -> str | None:
    """Return "ISIN" or "CUSIP" where `text` is one, by its form and its check digit."""
    word = text.strip().upper()
    if _FIGI.fullmatch(word):
        return "FIGI"
    if _ISIN.fullmatch(word) and _luhn_of(word):
        return "ISIN"
    if (_CUSIP.fullmatch(word) or _CINS.fullmatch(word)) and _cusip_digit(word[:8]) == int(word[8]):
        return "CUSIP"
    return "SEDOL" if _SEDOL.fullmatch(word) and _sedol_digit(word[:6]) == int(word[6]) else None


def read_option(text: str) -> Instrument | None:
    """Read an option in any spelling that brokers use; None where `text` is not an option.

    Raises ValueError for an option with an impossible date or strike.
    """
    word = _SPACES.sub(" ", text.strip().upper())
    word = _LONG_YEAR.sub(r"\1", word)
    compact = word.replace("--", "").replace(" ", "").removeprefix("-").removeprefix(".")
    contract = parse_option_symbol(compact)
    if contract:
        return Instrument(canonical_symbol(compact), contract)
    for spelling in _SPELLINGS:
        match = spelling.fullmatch(word)
        if match:
            return _option_of(match, text)
    has_parts = _PARTS_OF_AN_OPTION.fullmatch(_SEPARATORS.sub("", word)) and not _ISIN.fullmatch(word)
    if has_parts or _LOOKS_LIKE_AN_OPTION.fullmatch(word):
        unread = "strike" if _LOOKS_LIKE_AN_OPTION.fullmatch(word) else "date or strike"
        raise ValueError(
            f"{shown(text)} looks like an option, and its {unread} cannot be read: write AAPL250620C00200000"
            " (the strike in thousandths, eight digits) or AAPL250620C200"
        )
    return None


def read_instrument(text: str) -> Instrument:
    """Read a share, fund, index or option as a file spells it.

    Raises ValueError for cash, a security number and any other text that is no symbol; the message says what to do.
    """
    option = read_option(text)
    if option:
        return option
    number = security_number(text)
    if number:
        article = "an" if number == "ISIN" else "a"
        raise ValueError(f"{shown(text)} is {article} {number}: write the symbol under which it trades")
    if _is_money(text):
        raise ValueError(f"{shown(text)} is cash: leave the row out, cash is part of the portfolio's equity")
    word = _SPACES.sub(" ", text.strip().upper())
    wrong = _why_no_share(word)
    if wrong:
        raise ValueError(f"{shown(text)} {wrong}")
    spaced = _SPACED_CLASS.fullmatch(word)
    return Instrument(_UNDOTTED_CLASS.get(word) or canonical_symbol(".".join(spaced.groups()) if spaced else text))


def other_spelling(symbol: str) -> str | None:
    """Return the other spelling of a class share, BRKB for BRK.B and the reverse; None for any other symbol."""
    if dotted := _DOTTED_CLASS.fullmatch(symbol):
        return "".join(dotted.groups())
    undotted = _UNDOTTED.fullmatch(symbol)
    return ".".join(undotted.groups()) if undotted else None


def _is_money(text: str) -> bool:
    word = _SPACES.sub(" ", text.strip().upper())
    return word in _CURRENCIES or word in _CASH_WORDS or bool(_STARRED.fullmatch(word) or _MONEY_SPELT.fullmatch(word))


def _why_no_share(word: str) -> str | None:
    """Say why a word is the symbol of nothing that can be held here, and the way out; None for what may be one."""
    by_name = "write the symbol under which it trades, or leave the row out"
    if word in _NO_SYMBOL:
        return f"is no symbol: {by_name}"
    if not any(letter.isalpha() for letter in word):
        return f"has no letter, so it is no symbol: {by_name}"
    if _CUSIP.fullmatch(word) or (_ISIN.fullmatch(word) and sum(map(str.isdigit, word)) >= _DIGITS_OF_ISIN):
        return f"has the form of a security number, with a wrong check digit: {by_name}"
    if word.endswith("=F"):
        return "is a future, which counts otherwise than shares: leave the row out, or hold it as PRIVATE"
    pair = _CURRENCY_PAIR.fullmatch(word)
    if pair and _CURRENCIES.issuperset(pair.groups()):
        return "is a pair of currencies: leave the row out, or hold it as PRIVATE"
    return None


def _option_of(match: re.Match[str], text: str) -> Instrument:
    parts = match.groupdict()
    year = int(parts["year"])
    month = _MONTHS[parts["name"]] if parts.get("name") else int(parts["month"])
    try:
        expiration = date(year if year > 99 else 2000 + year, month, int(parts["day"]))
        strike = Decimal(parts["strike"].replace(",", ""))
    except (ValueError, InvalidOperation):
        raise ValueError(
            f"{shown(text)} has the form of an option, but its expiration is no date: correct it"
        ) from None
    if not strike or strike >= 100_000:
        raise ValueError(f"{shown(text)} has the form of an option, but a strike of {strike} cannot be: correct it")
    thousandths = strike.scaleb(3)
    if thousandths != int(thousandths):
        raise ValueError(
            f"{shown(text)} has the form of an option, but its strike has more than three decimals: correct it"
        )
    root = parts["root"].replace(".", "")
    symbol = f"{root}{expiration:%y%m%d}{parts['kind'][0]}{int(thousandths):08d}"
    return Instrument(symbol, parse_option_symbol(symbol))


def _luhn_of(word: str) -> bool:
    digits = "".join(str(int(letter, 36)) for letter in word)
    total = sum(sum(divmod(int(digit) * (2 if place % 2 else 1), 10)) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def _sedol_digit(word: str) -> int:
    return -sum(int(letter, 36) * weight for letter, weight in zip(word, (1, 3, 1, 7, 3, 9), strict=True)) % 10


def _cusip_digit(word: str) -> int:
    total = 0
    for place, letter in enumerate(word):
        value = int(letter, 36) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return (10 - total % 10) % 10
