"""How a number is written tells what it is: split ratios read as fractions, spin-offs told as splits."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

# The digits of a stored ratio.
RATIO_DIGITS = 18
_LARGEST_TERM = 200
_FEWEST_DECIMALS = 4
_WIDE = Context(prec=60)


def as_ratio(value: Fraction) -> Decimal:
    """Write a fraction with the digits that a stored ratio has."""
    exact = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(Decimal(1).scaleb(-RATIO_DIGITS), context=_WIDE).normalize()


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
