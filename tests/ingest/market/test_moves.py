import random
from decimal import Decimal
from fractions import Fraction
from statistics import stdev

import pytest

from ingest.market.moves import (
    EXACTLY,
    ROUGHLY,
    daily_volatility,
    is_hundredfold,
    split_ratio,
    suspected_split,
)

CALM, WILD = Decimal("0.01"), Decimal("0.045")


def test_ratios_of_splits():
    assert split_ratio(Decimal("0.2549"), ROUGHLY) == "1/4"
    assert split_ratio(Decimal("0.256"), ROUGHLY) is None
    assert split_ratio(Decimal("0.2549"), EXACTLY) is None
    assert split_ratio(Decimal("1.34"), ROUGHLY) == "4/3"
    assert split_ratio(Decimal("1.34"), ROUGHLY, smallest=Fraction(3, 2)) is None
    assert split_ratio(Decimal(1), ROUGHLY) is None
    # between 1/2 and 2/5: the nearer one
    assert split_ratio(Decimal("0.42"), Decimal("0.2")) == "2/5"
    assert split_ratio(Decimal("0.47"), Decimal("0.2")) == "1/2"


def test_a_hundredfold():
    assert [is_hundredfold(Decimal(ratio)) for ratio in ("79", "80", "125", "126", "0.0125", "0.0126")] == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("move", "volatility", "split"),
    [
        # 4:1, and 5 % on the day: more than 2 %, less than three times what a wild share moves
        ("0.2625", None, None),
        ("0.2625", CALM, None),
        ("0.2625", WILD, "1/4"),
        ("0.255", CALM, "1/4"),
        # Tesla's 5:1 of 2020-08-31, 12.6 % up on the day: as near to a ratio of 1/4
        ("0.2252", WILD, "1/4"),
        # 1:20, 8 % down on the day
        ("18.4", WILD, "20"),
        # true falls of a third are common
        ("0.70", WILD, None),
        ("0.62", WILD, None),
        ("0.66", CALM, "2/3"),
        ("0.80", WILD, None),
    ],
)
def test_a_day_moves_a_split_off_its_ratio_by_what_the_share_moves(move, volatility, split):
    assert suspected_split(Decimal(move), volatility) == split


def test_the_volatility_of_a_day_is_that_of_most_days():
    dice = random.Random(7)  # noqa: S311
    moves = [dice.gauss(0, 0.02) for _ in range(120)]
    closes = [Decimal(100)]
    for move in moves:
        closes.append(closes[-1] * Decimal(1 + move))
    assert float(daily_volatility(closes)) == pytest.approx(stdev(moves), rel=0.15)
    # a fall to a third in the middle changes nothing
    fallen = [close / (3 if place > 60 else 1) for place, close in enumerate(closes)]
    assert float(daily_volatility(fallen)) == pytest.approx(float(daily_volatility(closes)), rel=0.05)
    assert daily_volatility(closes[:20]) is None
    assert daily_volatility(closes[:21]) is not None
    assert daily_volatility([]) is None
