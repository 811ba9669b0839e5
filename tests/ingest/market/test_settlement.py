from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.market.ratios import is_adjusted_spin_off, ratio_of_terms, read_split_ratio
from ingest.market.settlement import ADDED, DISMISSED, IF_TWO, PERSON, Claim, Decision, settle
from ingest.rows import DIVIDEND, SPLIT, CorporateAction
from tests.fakes.market import weekdays

CALENDAR = weekdays(date(2025, 1, 1), 260)
ORDER = ["yahoo", "fmp"]


def claim(day, value, kind=SPLIT, source="yahoo", **known):
    return Claim(source, CorporateAction("XYZ", date.fromisoformat(day), kind, Decimal(value)), **known)


def word(day, value, kind=SPLIT, says=ADDED, at=1):
    decision = Decision(says, "anna", datetime(2025, 6, at, tzinfo=UTC), "prospectus")
    return claim(day, value, kind, PERSON, decision=decision)


def believed(*claims):
    settled = settle(claims, ORDER, CALENDAR)
    return [
        (str(day), kind, float(action.value), source)
        for (day, kind), (action, source) in sorted(settled.actions.items())
    ]


def notes(*claims):
    return {(key.source, str(key.ex_date)): note for key, note in settle(claims, ORDER, CALENDAR).notes.items()}


def test_one_split_on_two_near_dates_is_one_on_the_later():
    told = claim("2025-09-08", "0.02"), claim("2025-09-10", "0.02")
    assert believed(*told) == [("2025-09-10", SPLIT, 0.02, "yahoo")]
    assert notes(*told) == {("yahoo", "2025-09-08"): f"the same event as yahoo tells (0.02 on 2025-09-10); {IF_TWO}"}


def test_equal_splits_further_apart_than_ten_sessions_are_two():
    assert len(believed(claim("2025-03-03", "2"), claim("2025-03-17", "2"))) == 1  # 10 sessions
    assert len(believed(claim("2025-03-03", "2"), claim("2025-03-18", "2"))) == 2  # 11 sessions


def test_different_splits_of_one_day_are_put_aside():
    told = claim("2025-03-03", "2"), claim("2025-03-03", "3")
    assert believed(*told) == []
    assert set(notes(*told).values()) == {"different splits of one day (2 and 3): which one?"}


def test_different_dividends_of_one_day_add_up_and_equal_ones_are_one():
    assert believed(claim("2025-03-03", "0.5", DIVIDEND), claim("2025-03-03", "2", DIVIDEND)) == [
        ("2025-03-03", DIVIDEND, 2.5, "yahoo")
    ]


def test_of_two_sources_the_earlier_has_date_and_value():
    # the same dividend, dated a day apart: 1.00 once
    told = claim("2025-02-05", "1", DIVIDEND), claim("2025-02-06", "1.002", DIVIDEND, "fmp")
    assert believed(*told) == [("2025-02-05", DIVIDEND, 1, "yahoo")]
    assert notes(*told) == {("fmp", "2025-02-06"): "the same event as yahoo tells (1 on 2025-02-05)"}


def test_weekly_dividends_of_two_sources_pair_up_one_by_one():
    weeks = ["2025-02-03", "2025-02-10", "2025-02-17"]
    told = [claim(day, "0.3", DIVIDEND, source) for day in weeks for source in ORDER]
    # and one dividend that only the second source knows
    told.append(claim("2025-02-24", "0.3", DIVIDEND, "fmp"))
    assert [(day, source) for day, _, _, source in believed(*told)] == [
        *((day, "yahoo") for day in weeks),
        ("2025-02-24", "fmp"),
    ]


def test_what_the_closes_speak_against_and_what_has_moved_is_out():
    refused = claim("2025-02-10", "1.5", refused_because="the closes show no such split")
    moved = claim("2025-02-05", "1", DIVIDEND, moved_to=date(2025, 2, 6))
    told = refused, moved, claim("2025-02-06", "1", DIVIDEND)
    assert believed(*told) == [("2025-02-06", DIVIDEND, 1, "yahoo")]
    assert notes(*told)["yahoo", "2025-02-05"] == "moved to 2025-02-06 by its source"


def test_a_persons_word_wins_over_every_source_on_dates_nearby_too():
    told = claim("2025-02-10", "1.5"), claim("2025-02-11", "1.5", source="fmp"), claim("2025-06-02", "3")
    assert believed(*told, word("2025-02-12", "1.5")) == [
        ("2025-02-12", SPLIT, 1.5, PERSON),
        ("2025-06-02", SPLIT, 3, "yahoo"),
    ]
    # another ratio on the very day
    assert believed(claim("2025-02-10", "1.5"), word("2025-02-10", "2")) == [("2025-02-10", SPLIT, 2, PERSON)]


def test_what_a_person_dismissed_does_not_come_back_on_another_date():
    dismissed = word("2025-02-10", "1.5", says=DISMISSED)
    assert believed(claim("2025-02-10", "1.5"), dismissed) == []
    assert believed(claim("2025-02-11", "1.5"), dismissed) == []
    assert believed(claim("2025-02-11", "2"), dismissed) == [("2025-02-11", SPLIT, 2, "yahoo")]
    # a weekly dividend is not that of the week before
    assert believed(claim("2025-02-10", "0.3", DIVIDEND), word("2025-02-03", "0.3", DIVIDEND, DISMISSED)) == [
        ("2025-02-10", DIVIDEND, 0.3, "yahoo")
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.142857", Decimal(1) / 7),
        ("0.3333", Decimal(1) / 3),
        ("7.00000", 7),
        ("1.5000", Decimal("1.5")),
        ("0.6667", Decimal(2) / 3),
        ("0.0053", Decimal(1) / 190),  # 1/189 and 1/188 also round to it: the simplest one has the smallest terms
        ("0.33", Decimal("0.33")),
        ("1.175", Decimal("1.175")),
        ("1.0123456789", Decimal("1.0123456789")),
    ],
)
def test_ratios_with_four_decimals_are_fractions(written, read):
    ratio = read_split_ratio(Decimal(written))
    if written == "0.0053":
        assert round(ratio, 4) == Decimal(written) and ratio > Decimal(1) / 190
    else:
        assert abs(ratio - read) < Decimal("1e-17")


def test_seven_million_shares_lose_none():
    # 7,000,000 shares at 1:7 reported as 0.142857 are a million, not 999,999
    assert round(7_000_000 * read_split_ratio(Decimal("0.142857")), 10) == 1_000_000


@pytest.mark.parametrize(
    ("amounts", "paid"),
    [
        (("0.3333", "0.33"), 0.3333),
        (("0.5", "0.504", "0.50399"), 0.50399),
        (("0.24375", "0.2438", "0.24"), 0.24375),
        (("0.5", "0.52"), 1.02),
        (("0.3333", "0.34"), 0.6733),
    ],
)
def test_a_dividend_told_with_fewer_digits_as_well_is_one(amounts, paid):
    told = [claim("2025-03-03", amount, DIVIDEND) for amount in amounts]
    assert believed(*told) == [("2025-03-03", DIVIDEND, paid, "yahoo")]
    said = settle(told, ORDER, CALENDAR).notes
    assert len(said) == (0 if paid > 0.6 else len(amounts) - 1)
    assert all(note == f"the same dividend as {paid}, with fewer digits" for note in said.values())


@pytest.mark.parametrize(
    ("new", "old", "is_spin_off", "ratio"),
    [
        ("1049", "1000", True, "1.049"),
        ("281", "100", True, "2.81"),
        ("1.049", "1", True, "1.049"),
        ("1", "0.781", True, "1.280409731113956466"),
        ("1.333", "1", False, "1.333"),
        ("1.05", "1", False, "1.05"),
        ("3", "2", False, "1.5"),
        ("0.142857", "1.0", False, "0.142857142857142857"),
        ("1", "0.142857", False, "7"),
        ("6.6667", "1", False, "6.666666666666666667"),
        ("1", "15", False, "0.066666666666666667"),
    ],
)
def test_terms_that_are_written_as_decimals(new, old, is_spin_off, ratio):
    assert is_adjusted_spin_off(Decimal(new), Decimal(old)) == is_spin_off
    assert ratio_of_terms(Decimal(new), Decimal(old)) == Decimal(ratio)
