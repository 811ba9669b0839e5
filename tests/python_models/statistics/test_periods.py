"""Where a period begins, on a calendar with a weekend and a holiday."""

from datetime import date, timedelta

import pytest

from python_models.statistics.periods import first_row

# Weekdays of 2023 and 2024 but for New Year's Day of 2024.
SESSIONS = [
    day
    for day in (date(2023, 1, 2) + timedelta(days=number) for number in range(730))
    if day.weekday() < 5 and day != date(2024, 1, 1)
]


@pytest.mark.parametrize(
    ("period", "day", "first"),
    [
        ("MTD", date(2024, 5, 17), date(2024, 5, 1)),
        ("MTD", date(2024, 1, 2), date(2024, 1, 2)),
        ("QTD", date(2024, 5, 17), date(2024, 4, 1)),
        ("QTD", date(2024, 12, 20), date(2024, 10, 1)),
        ("YTD", date(2024, 5, 17), date(2024, 1, 2)),
        ("1Y", date(2024, 5, 17), date(2023, 5, 18)),  # from the close of 17 May 2023
        ("1Y", date(2024, 2, 29), date(2023, 3, 1)),  # from the close of 28 February
        ("1Y", date(2024, 5, 20), date(2023, 5, 23)),  # a Saturday: from the close of Monday
    ],
)
def test_the_first_session(period: str, day: date, first: date):
    assert SESSIONS[first_row(period, day, SESSIONS)] == first


def test_a_year_that_reaches_back_further_than_the_sessions_has_no_close_to_begin_with():
    assert first_row("1Y", date(2024, 1, 2), SESSIONS) == 1  # from the first of them all
    assert first_row("1Y", date(2023, 12, 29), SESSIONS) == 0
    assert first_row("3Y", date(2024, 5, 17), SESSIONS) == 0
    assert first_row("SI", date(2024, 5, 17), SESSIONS) == 0
