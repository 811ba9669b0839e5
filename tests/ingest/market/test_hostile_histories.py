"""Splits that a source tells, takes back, corrects and tells again: night after night each close is true or missing.

Also where the split is told for a Sunday, with a dividend beside it, or undone by another one within the week.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from math import prod

import pytest

from tests.ingest.market.real_nights import Nights, begin_nights

pytestmark = pytest.mark.filterwarnings("ignore")
# A Monday, the first night and the last.
DAY, FIRST, LAST = 88, 84, 99
Terms = tuple[float, float]
TWO = {DAY: (2, 1)}


@pytest.fixture
def nights(conn, yahoo):
    nights = begin_nights(conn, yahoo)
    assert nights.sessions[DAY].weekday() == 0
    return nights


def from_the_day(told: Callable[[int], Mapping[int, Terms]]) -> Callable[[int], Mapping[int, Terms]]:
    return lambda n: {day: terms for day, terms in (told(n) if n >= DAY else {}).items() if day <= n}


# By what is odd: what takes place, what is reported on a night, and from which night on closes are divided for it.
HISTORIES = {
    "changes its mind for three nights": (TWO, lambda n: {(DAY, DAY + 1, DAY, DAY + 2)[min(n - DAY, 3)]: (2, 1)}, 0),
    "withdrawn and told again": (TWO, lambda n: {} if n in (DAY + 2, DAY + 3, DAY + 5) else TWO, 0),
    "told 3:1, and then 2:1": (TWO, lambda n: {DAY: (3, 1) if n < DAY + 2 else (2, 1)}, 0),
    "told upside down, and then right": (TWO, lambda n: {DAY: (1, 2) if n < DAY + 2 else (2, 1)}, 0),
    "adjusted four nights late": (TWO, lambda _: TWO, 4),
    "3:2": ({DAY: (3, 2)}, lambda _: {DAY: (3, 2)}, 0),
    "1:190": ({DAY: (1, 190)}, lambda _: {DAY: (1, 190)}, 2),
    "to ten and back within the week": (
        {DAY: (1, 10), DAY + 4: (10, 1)},
        lambda _: {DAY: (1, 10), DAY + 4: (10, 1)},
        0,
    ),
    "to a hundred and back the next day": (
        {DAY: (1, 100), DAY + 1: (100, 1)},
        lambda _: {DAY: (1, 100), DAY + 1: (100, 1)},
        0,
    ),
    "two ratios in a week": ({DAY: (2, 1), DAY + 3: (3, 1)}, lambda _: {DAY: (2, 1), DAY + 3: (3, 1)}, 0),
}


def play(nights: Nights, true: Mapping[int, Terms], told, late: int, **more: object) -> None:
    """Run the nights, and see after each that what is stored is true or was put aside and told."""
    sessions = nights.sessions
    grown = {n: prod(a / b for day, (a, b) in true.items() if day <= n) for n in range(len(sessions))}
    nights.trade({day: 100 * (1 + 0.004 * (n % 7 - 3)) / grown[n] for n, day in enumerate(sessions)})
    for n in range(FIRST, LAST + 1):
        divided = {
            day: prod(b / a for on, (a, b) in true.items() if on + late <= n and place < on)
            for place, day in enumerate(sessions)
        }
        splits = {day if isinstance(day, date) else sessions[day]: terms for day, terms in told(n).items()}
        nights.show(sessions[n], splits, multiplied_by=divided, **more)
        report = nights.night(sessions[n])
        closes = nights.closes()
        assert closes == pytest.approx({day: nights.true[day] for day in closes}, rel=1e-5), n
        if sessions[n] in closes:
            assert nights.shares(100, sessions[70]) == pytest.approx(100 * grown[n]), n
        else:
            assert nights.told(report, "XYZ", "no price of")
    assert set(sessions[60 : LAST + 1]) <= closes.keys()


@pytest.mark.slow
@pytest.mark.parametrize("history", HISTORIES)
def test_no_night_ends_with_a_wrong_count(nights, history):
    true, told, late = HISTORIES[history]
    play(nights, true, from_the_day(told), late)


@pytest.mark.slow
def test_a_split_that_is_told_for_a_sunday_acts_on_the_monday(nights):
    sunday = nights.sessions[DAY] - timedelta(days=1)
    play(nights, TWO, lambda n: {sunday: (2, 1)} if n >= DAY else {}, 0)


@pytest.mark.slow
@pytest.mark.parametrize("paid_on", [DAY - 1, DAY])
def test_a_dividend_beside_a_split_is_in_shares_of_its_day(nights, paid_on):
    day = nights.sessions[paid_on]
    play(nights, TWO, from_the_day(lambda _: TWO), 0, dividends={day: 0.5})
    assert nights.actions("DIVIDEND") == [(day, 0.5)]
