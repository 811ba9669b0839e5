from datetime import date, timedelta
from decimal import Decimal

import pytest

from ingest.market.restated import Kind, StoredClose, judge

DAYS = [date(2024, 3, 4) + timedelta(n) for n in range(8)]
CLOSES = [Decimal(text) for text in ("100", "101.5", "99.25", "102", "103.1", "101.7", "104", "105")]


def verdict(ratios, *, splits=(), own=True, outranked=False, days=8):
    """Judge closes that are `ratios` times the stored ones; one ratio stands for all."""
    ratios = ratios if isinstance(ratios, list) else [ratios] * 8
    known = {day: StoredClose(close, own, outranked) for day, close in list(zip(DAYS, CLOSES, strict=True))[:days]}
    offered = {day: close * Decimal(str(ratio)) for day, close, ratio in zip(DAYS, CLOSES, ratios, strict=True)}
    return judge(known, offered, [(DAYS[n], Decimal(str(value))) for n, value in splits])


def test_what_agrees_and_what_agrees_nearly_is_taken():
    assert verdict(1).kind == Kind.TAKE
    assert verdict(1.00009).kind == Kind.TAKE
    # single corrections are no restated history
    assert verdict([1, 1, 0.9, 1, 1, 1, 1, 1]).kind == Kind.TAKE
    assert verdict([0.98, 0.98, 0.99, 0.98, 0.98, 0.98, 0.98, 0.98]).kind == Kind.TAKE


def test_two_sessions_say_nothing_of_a_history():
    assert verdict(0.98, days=2).kind == Kind.TAKE
    assert verdict(0.98, days=3) == (Kind.REFETCH, "every close is 0.98 times what was stored")
    # after rounding to the cent
    assert verdict([0.98001, 0.9799, *[0.98] * 6]).kind == Kind.REFETCH


@pytest.mark.parametrize(
    ("ratio", "named"), [(0.25, "1/4"), (4, "4"), (1.5, "3/2"), (2 / 3, "2/3"), (0.05, "1/20"), (1.25, "5/4")]
)
def test_the_ratio_of_a_split_without_one_is_put_aside(ratio, named):
    expected = f"every close is {named} of what is stored, and the source reports no split: not known yet?"
    assert verdict(ratio) == (Kind.PUT_ASIDE, expected)


@pytest.mark.parametrize("ratio", [100, 0.01, 81, 1 / 124])
def test_another_unit_is_put_aside(ratio):
    assert verdict(ratio).kind == Kind.PUT_ASIDE
    assert "another unit" in verdict(ratio).reason


@pytest.mark.parametrize("value", [4, 2, 1.5, 1.25, 0.1])
def test_a_new_split_says_which_of_the_two_is_ahead(value):
    # what was stored before the split was restated wrongly: its history did not know the split
    known_too_late = verdict([value] * 4 + [1] * 4, splits=[(4, value)])
    assert known_too_late.kind == Kind.REFETCH
    # the closes before the split were adjusted once too often
    closes = {
        day: StoredClose(close * Decimal(str(value if n < 4 else 1)), True, False)
        for n, (day, close) in enumerate(zip(DAYS, CLOSES, strict=True))
    }
    offered = {
        day: close * Decimal(str(value**2 if n < 4 else 1))
        for n, (day, close) in enumerate(zip(DAYS, CLOSES, strict=True))
    }
    ahead = judge(closes, offered, [(DAYS[4], Decimal(str(value)))])
    expected = f"the split of {DAYS[4]} is reported, and the closes before it are not adjusted for it yet"
    assert ahead == (Kind.PUT_ASIDE, expected)


def test_a_split_that_goes_with_its_closes_is_taken():
    assert verdict(1, splits=[(4, 4)]).kind == Kind.TAKE


def test_another_source_may_differ_by_half_a_percent():
    assert verdict(1.004, own=False).kind == Kind.TAKE
    assert verdict(1.02, own=False).reason == "every close is 1.02 times another source's: adjusted for dividends?"
    # the first source of the chain decides about dividends and cents, but not about splits and units
    assert verdict(1.02, own=False, outranked=True).kind == Kind.TAKE
    assert verdict(0.5, own=False, outranked=True).kind == Kind.PUT_ASIDE
    assert verdict(100, own=False, outranked=True).kind == Kind.PUT_ASIDE


@pytest.mark.parametrize(("ratio", "named"), [(190, "190"), (1 / 13, "0.07692"), (1.3, "1.3"), (60, "60")])
def test_so_is_any_other_large_ratio(ratio, named):
    # 1:190 adjusted for, and not told yet: nothing but a split restates so much
    expected = f"every close is {named} of what is stored, and the source reports no split: not known yet?"
    assert verdict(ratio) == (Kind.PUT_ASIDE, expected)
    assert verdict(1.2499).kind != Kind.REFETCH
    assert verdict(1.04).kind == Kind.REFETCH
