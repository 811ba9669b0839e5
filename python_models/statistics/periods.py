"""The periods of performance, and the close from which each is measured."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date

# Since inception comes last: it is the only one that begins on another day for every portfolio.
PERIODS = ("MTD", "QTD", "YTD", "1Y", "3Y", "5Y", "SI")
# These periods begin at inception where the portfolio is younger. A period of years must be complete.
BEGINNING_LATE = ("MTD", "QTD", "YTD", "SI")

_YEARS = {"1Y": 1, "3Y": 3, "5Y": 5}


def first_row(period: str, day: date, sessions: Sequence[date]) -> int:
    """The row of the period's first session, which counts from the close before it.

    Month, quarter and year begin with their first session. A year back begins with the close of the same date (of the
    28th of February for a 29th), moved to the next session where the exchange was closed.

    Args:
        period: one of `PERIODS`.
        day: the session that it ends with.
        sessions: in order, up to `day` at least. A period that begins before them has row 0.
    """
    if period == "SI":
        return 0
    if period in _YEARS:
        start = _years_before(day, _YEARS[period])
        return bisect_left(sessions, start) + 1 if start >= sessions[0] else 0
    month = {"MTD": day.month, "QTD": day.month - (day.month - 1) % 3, "YTD": 1}[period]
    return bisect_left(sessions, date(day.year, month, 1))


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
