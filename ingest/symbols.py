"""Symbols: one canonical spelling each, and option symbols as the Options Clearing Corporation (OCC) writes them.

Canonical is upper case with the class of a share after a dot (`BRK.B`, also where a source writes `BRK-B` or `BRK/B`)
and an option without the `O:` that some sources put before it (`AAPL250620C00200000`).
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=/_-]{0,31}")
_CLASS_SHARE = re.compile(r"([A-Z]{1,5})[-/]([A-C])")
_DOTTED_CLASS = re.compile(r"[A-Z]{1,5}\.[A-C]")
# Root, expiration as YYMMDD, C or P, strike in thousandths. Some files pad the root with spaces to six characters.
_OPTION = re.compile(r"(?:O:)?([A-Z0-9]{1,6}) *([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})")
_NOT_IN_ROOT = re.compile(r"[^A-Z0-9]")

# Option roots that do not spell their underlying: class shares lose the dot, some index options have their own.
_UNDERLYING_OF_ROOT = {"BRKB": "BRK.B", "BFB": "BF.B", "SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT", "VIXW": "VIX"}


@dataclass(frozen=True, slots=True)
class OptionContract:
    """One listed option: its underlying's canonical symbol, CALL or PUT, strike in USD per share, last trading day."""

    underlying_symbol: str
    option_type: str
    strike_price: Decimal
    expiration_date: date


def canonical_symbol(text: str) -> str:
    """Return the one spelling of a listed symbol (stock, fund, index or option).

    Raises ValueError where `text` cannot be a symbol, or looks like an option symbol and names no real date or strike.
    """
    symbol = text.strip().upper()
    contract = _OPTION.fullmatch(symbol)
    if contract:
        parse_option_symbol(symbol)
        return "".join(contract.groups())
    class_share = _CLASS_SHARE.fullmatch(symbol)
    if class_share:
        return ".".join(class_share.groups())
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"{text!r} is not a symbol (letters, digits and . - ^ = / _, at most 32 of them)")
    return symbol


def with_dashed_class(symbol: str) -> str:
    """Return a canonical symbol as sources write it that put a dash before the class of a share: BRK.B as BRK-B."""
    return symbol.replace(".", "-") if _DOTTED_CLASS.fullmatch(symbol) else symbol


def parse_option_symbol(text: str) -> OptionContract | None:
    """Read an OCC option symbol, with or without `O:`; None where `text` is some other symbol.

    Raises ValueError where it has the form of one, but no real expiration date or a strike of zero.
    """
    contract = _OPTION.fullmatch(text.strip().upper())
    if not contract:
        return None
    root, year, month, day, letter, thousandths = contract.groups()
    try:
        expiration_date = date(2000 + int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"{text!r} has the form of an option symbol, but {year}{month}{day} is no date") from None
    strike_price = Decimal(int(thousandths)).scaleb(-3)
    if not strike_price:
        raise ValueError(f"{text!r} has the form of an option symbol, but its strike is zero")
    return OptionContract(
        underlying_symbol=_UNDERLYING_OF_ROOT.get(root, root),
        option_type="CALL" if letter == "C" else "PUT",
        strike_price=strike_price,
        expiration_date=expiration_date,
    )


def option_root(underlying_symbol: str) -> str:
    """Return the usual root of an underlying's options: its canonical symbol's letters and digits."""
    return _NOT_IN_ROOT.sub("", underlying_symbol)


def format_option_symbol(contract: OptionContract) -> str:
    """Write a contract as its OCC symbol, without `O:`.

    Raises ValueError where it has none: a root of more than six characters, a strike beyond 99,999.999 or with more
    than three decimals, a year outside 2000 to 2099.
    """
    root = option_root(contract.underlying_symbol)
    thousandths = contract.strike_price.scaleb(3)
    if not 1 <= len(root) <= 6:
        raise ValueError(
            f"{contract.underlying_symbol!r} cannot be the root of an option symbol (6 characters at most)"
        )
    if thousandths != int(thousandths) or not 0 < thousandths < 10**8:
        raise ValueError(f"a strike of {contract.strike_price} cannot be written in an option symbol")
    if not 2000 <= contract.expiration_date.year <= 2099:
        raise ValueError(f"an expiration of {contract.expiration_date} cannot be written in an option symbol")
    return f"{root}{contract.expiration_date:%y%m%d}{contract.option_type[0]}{int(thousandths):08d}"
