"""Two splits of one ratio within two weeks, which others may take for one that is told twice."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ingest.market.decisions import Saying, add_actions
from ingest.market.settlement import ADDED, DISMISSED
from ingest.rows import SPLIT, CorporateAction
from tests.ingest.market.real_nights import begin_nights
from tests.ingest.market.test_settlement import believed, claim, notes, word
from tests.ingest.market.test_yahoo_histories import is_true

pytestmark = pytest.mark.filterwarnings("ignore")
FIRST, LAST = 74, 92
A = 78


@pytest.fixture
def nights(conn, yahoo):
    return begin_nights(conn, yahoo)


def trade(nights, ratio, second):
    """Closes around 100 that two splits divide, in shares of their day."""
    grown = {n: ratio ** ((n >= A) + (n >= second)) for n in range(len(nights.sessions))}
    nights.trade({day: 100 * (1 + 0.004 * (n % 7 - 3)) / grown[n] for n, day in enumerate(nights.sessions)})


def show(nights, n, terms, second, early=None, *, adjusted=True, late=0):
    """Have Yahoo know the n-th session, both splits by their days, and the second on another day before as well."""
    sessions, ratio = nights.sessions, terms[0] / terms[1]
    told = {sessions[day]: terms for day in (A, second, *((early,) if early else ())) if day <= n}
    divided = {
        day: ratio ** -((n >= A + late) * (place < A) + (n >= second + late) * (place < second)) if adjusted else 1.0
        for place, day in enumerate(sessions)
    }
    nights.show(sessions[n], told, multiplied_by=divided)


def both(nights, second, ratio):
    return [(nights.sessions[A], pytest.approx(ratio)), (nights.sessions[second], pytest.approx(ratio))]


@pytest.mark.parametrize(
    ("terms", "gap"),
    [
        ((2, 1), 4),
        ((1, 10), 9),
        *(pytest.param(terms, gap, marks=pytest.mark.slow) for terms in ((3, 2), (1, 10)) for gap in (1, 4, 11, 13)),
    ],
)
def test_closes_of_their_own_day_tell_two(nights, terms, gap):
    ratio, second = terms[0] / terms[1], A + gap
    trade(nights, ratio, second)
    for n in range(FIRST, LAST + 1):
        show(nights, n, terms, second)
        nights.night(nights.sessions[n])
    is_true(nights, 100, 70, 100 * ratio**2)
    assert nights.actions() == both(nights, second, ratio)
    assert nights.conn.execute("select count(*) from ops.price_restatements").fetchone() == (0,)


@pytest.mark.parametrize(
    ("gap", "early", "late"),
    [
        (12, -4, 0),
        *(
            pytest.param(gap, early, late, marks=pytest.mark.slow)
            for gap in (9, 12, 14)
            for early in (-1, -4, -8)
            for late in (0, 2)
        ),
    ],
)
def test_the_second_announced_early_after_the_first(nights, gap, early, late):
    # reported for a day on which nothing happens, and never corrected
    second = A + gap
    trade(nights, 2, second)
    reports = []
    for n in range(FIRST, LAST + 8):
        show(nights, n, (2, 1), second, second + early, late=late)
        reports.append(nights.night(nights.sessions[n]))
    is_true(nights, 100, 70, 400)
    assert nights.actions() == both(nights, second, 2)


def test_nobody_looked_between_the_two(nights):
    trade(nights, 2, A + 5)
    for n in (*range(FIRST, A), *range(A + 5, LAST + 1)):
        show(nights, n, (2, 1), A + 5)
        nights.night(nights.sessions[n])
    is_true(nights, 100, 70, 400)
    assert nights.actions() == both(nights, A + 5, 2)


@pytest.mark.parametrize("road", [range(FIRST, LAST + 1), (LAST,), (LAST - 1, LAST)])
def test_a_source_that_has_adjusted_for_neither_tells_two_on_any_road(nights, road):
    trade(nights, 2, A + 5)
    for n in road:
        show(nights, n, (2, 1), A + 5, adjusted=False)
        nights.night(nights.sessions[n])
    is_true(nights, 100, 70, 400)
    assert nights.actions() == both(nights, A + 5, 2)


def test_the_first_stays_when_its_source_tells_the_second_alone(nights):
    trade(nights, 2, A + 5)
    for n in range(FIRST, LAST + 1):
        show(nights, n, (2, 1), A + 5)
        if n > A + 6:
            del nights.yahoo.listings["XYZ"].splits[nights.sessions[A]]
        nights.night(nights.sessions[n])
    assert nights.actions() == both(nights, A + 5, 2)
    is_true(nights, 100, 70, 400)


def test_a_first_load_after_both_takes_one_and_says_so(nights):
    # closes are adjusted for both, and nothing was stored before, so they cannot show it; as a rule 1:50 on two dates
    # is one
    trade(nights, 2, A + 5)
    show(nights, LAST, (2, 1), A + 5)
    report = nights.night(nights.sessions[LAST])
    assert nights.actions() == [(nights.sessions[A + 5], 2)]
    assert nights.told(
        report,
        "XYZ",
        f"the split 2 of {nights.sessions[A]}",
        f"one with the split of {nights.sessions[A + 5]}",
        "if there were two",
    )


def test_a_person_says_of_each_that_there_were_two(nights):
    trade(nights, 2, A + 5)
    show(nights, LAST, (2, 1), A + 5)
    nights.night(nights.sessions[LAST])
    at = datetime(2025, 9, 30, tzinfo=UTC)
    for day in (A + 5, A):
        action = CorporateAction("XYZ", nights.sessions[day], SPLIT, Decimal(2))
        add_actions(nights.conn, [action], Saying("anna", at, "both were paid", ["yahoo"]))
    for n in (LAST + 1, LAST + 2):
        show(nights, n, (2, 1), A + 5)
        nights.night(nights.sessions[n])
    assert nights.actions() == both(nights, A + 5, 2)
    is_true(nights, 100, 70, 400)


def test_what_took_place_is_no_other_told_twice():
    told = (
        claim("2025-09-01", "2", took_place=True),
        claim("2025-09-05", "2"),
        claim("2025-09-08", "2", took_place=True),
    )
    two = [("2025-09-01", "SPLIT", 2, "yahoo"), ("2025-09-08", "SPLIT", 2, "yahoo")]
    assert believed(*told) == two
    # nor another source's
    assert believed(*told, claim("2025-09-09", "2", source="fmp"), claim("2025-09-02", "2", source="fmp")) == two
    assert notes(*told, claim("2025-09-09", "2", source="fmp")).keys() == {
        ("yahoo", "2025-09-05"),
        ("fmp", "2025-09-09"),
    }
    # a person's decision about one leaves the other
    assert believed(*told, word("2025-09-08", "2", says=DISMISSED)) == two[:1]
    assert believed(*told, word("2025-09-09", "2", says=ADDED)) == [two[0], ("2025-09-09", "SPLIT", 2, "person")]


def test_dates_that_hang_together_in_a_chain_are_not_all_one():
    # 1, 12 and 16 September: the first is eleven sessions before the last
    told = claim("2025-09-01", "2"), claim("2025-09-12", "2"), claim("2025-09-16", "2")
    assert [day for day, *_ in believed(*told)] == ["2025-09-01", "2025-09-16"]
