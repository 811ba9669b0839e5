"""When the fundamentals of a company are to be fetched again."""

from collections.abc import Iterable
from datetime import date, timedelta

# Statements reach the sources some days after the report.
SETTLED_AFTER_DAYS = 3
STALE_AFTER_DAYS = 100
# A source fills in a new quarter over some days: the earnings per share at once, the rest later.
NIGHTLY_DAYS = 14
WEEKLY_DAYS = 7


def is_due(
    today: date,
    *,
    has_statements: bool,
    fetched_on: date | None,
    earnings_dates: Iterable[date],
    half_filled_since: date | None = None,
) -> bool:
    """Return whether a company's fundamentals are due.

    They are when there are none, when it has reported since the last fetch (on its day counts as since) and that is 3
    or more days back, and 100 days after the last fetch. While the newest quarter is half filled they are each night
    for two weeks, then each week.

    Args:
        today: the date in New York.
        has_statements: whether any statement is stored.
        fetched_on: the day of the last fetch that a source answered in full; None: never.
        earnings_dates: the days on which it reported, or will.
        half_filled_since: when its newest quarter was first seen, where that has few of its items still.
    """
    if not has_statements or fetched_on is None:
        return True
    if (today - fetched_on).days >= STALE_AFTER_DAYS:
        return True
    if half_filled_since:
        nightly = (today - half_filled_since).days <= NIGHTLY_DAYS
        if (today - fetched_on).days >= (1 if nightly else WEEKLY_DAYS):
            return True
    settled = today - timedelta(days=SETTLED_AFTER_DAYS)
    return any(fetched_on <= day <= settled for day in earnings_dates)
