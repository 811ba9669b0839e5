"""How a number is written tells what it is: split ratios read as fractions, spin-offs told as splits."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

# The factor by which sources adjust prices for a spin-off has large terms: one of at least 1,000 (1281:1000), or both
# of at least 100 (104:100). A stock dividend may be written so too, and a person can decide.
_SPIN_OFF_TERM, _SPIN_OFF_BOTH_TERMS = 1000, 100
# The digits of a stored ratio.
RATIO_DIGITS = 18
_LARGEST_TERM = 200
# Terms that are written as decimals: 1.281:1 is 1281:1000, unless a fraction so simple rounds to it.
_SPIN_OFF_DECIMALS, _SIMPLE_TERM = 3, 20
_FEWEST_DECIMALS = 4
_WIDE = Context(prec=60)


def as_ratio(value: Fraction) -> Decimal:
    """Write a fraction with the digits that a stored ratio has."""
    exact = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(Decimal(1).scaleb(-RATIO_DIGITS), context=_WIDE).normalize()


def as_written(ratio: Decimal) -> str:
    """Write a ratio with the few digits that a person types: 10, 1.5, 0.142857."""
    return f"{float(ratio):.6g}"


def is_adjusted_spin_off(numerator: Decimal, denominator: Decimal) -> bool:
    """Whether a split, as its source writes it, is what prices were adjusted by for a spin-off: 1281:1000, 104:100."""
    terms = numerator, denominator
    if max(terms) >= _SPIN_OFF_TERM or min(terms) >= _SPIN_OFF_BOTH_TERMS:
        return True
    written = max(terms, key=_decimals)
    if _decimals(written) < _SPIN_OFF_DECIMALS or numerator <= denominator:
        return False
    exact = Fraction(written)
    return abs(exact.limit_denominator(_SIMPLE_TERM) - exact) > Fraction(1, 2 * 10 ** _decimals(written))


def ratio_of_terms(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return the new shares per old of a split as its source writes it: 1:7, and 0.142857:1 as well."""
    if denominator == 1:
        numerator = read_split_ratio(numerator)
    elif numerator == 1 and _decimals(denominator) >= _FEWEST_DECIMALS:
        return as_ratio(1 / Fraction(read_split_ratio(denominator)).limit_denominator(_LARGEST_TERM))
    return as_ratio(Fraction(numerator) / Fraction(denominator))


def spin_off_reason(symbol: str, ex_date: object, numerator: Decimal, denominator: Decimal) -> str:
    """Return why such a split is put aside, with the commands that accept it for what it is."""
    ratio = as_ratio(Fraction(numerator) / Fraction(denominator))
    command = f"python run_nightly.py actions add {symbol} {ex_date}"
    return (
        f"{numerator.normalize():f}:{denominator.normalize():f} looks like a spin-off, which gives no shares of the"
        f" symbol; if it is a split: `{command} SPLIT {ratio:f}`, if a spin-off:"
        f" `{command} SPINOFF SHARES_OF_CHILD_PER_SHARE --new-symbol CHILD`"
    )


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def read_split_ratio(written: Decimal) -> Decimal:
    """Read a split's new shares per old share.

    With four decimals or more it is the simplest fraction with terms up to 200 that rounds to the digits written:
    0.142857 is 1/7, 0.3333 is 1/3. A shorter one stands as it is, and so does one that no such fraction rounds to.
    """
    exponent = written.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > -_FEWEST_DECIMALS or written <= 0:
        return written
    unit = Decimal(1).scaleb(exponent)
    exact = Fraction(written)
    for denominator in range(1, _LARGEST_TERM + 1):
        numerator = round(exact * denominator)
        if not 1 <= numerator <= _LARGEST_TERM:
            continue
        rounded = _WIDE.divide(Decimal(numerator), Decimal(denominator)).quantize(
            unit, rounding=ROUND_HALF_EVEN, context=_WIDE
        )
        if rounded == written:
            return as_ratio(Fraction(numerator, denominator))
    return written
