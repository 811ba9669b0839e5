from datetime import date, timedelta

import pytest

from ingest.fundamentals.due import is_due

TODAY = date(2026, 11, 23)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("situation", "fetched_on", "earnings_dates", "due"),
    [
        ("never fetched", None, [], True),
        ("fetched yesterday", ago(1), [], False),
        ("reported two days ago: too soon", ago(10), [ago(2)], False),
        ("reported three days ago", ago(10), [ago(3)], True),
        ("reported before the fetch", ago(10), [ago(11)], False),
        ("reported on the day of the fetch, maybe after it", ago(10), [ago(10)], True),
        ("reports in future", ago(10), [ago(-5)], False),
        ("reported before and after the fetch", ago(40), [ago(130), ago(39)], True),
        ("ninety-nine days old", ago(99), [ago(100)], False),
        ("a hundred days old", ago(100), [], True),
    ],
)
def test_when_fundamentals_are_due(situation, fetched_on, earnings_dates, due):
    found = is_due(TODAY, has_statements=True, fetched_on=fetched_on, earnings_dates=earnings_dates)
    assert found is due, situation


def test_a_fetch_that_left_no_statement_is_none():
    assert is_due(TODAY, has_statements=False, fetched_on=ago(1), earnings_dates=[])
