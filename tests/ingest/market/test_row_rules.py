from datetime import date, timedelta
from decimal import Decimal

import pytest

from ingest.market.row_rules import (
    HUNDREDFOLD,
    OTHER_SCALE,
    SUSPECTED_SPLIT,
    Suspicion,
    check_action,
    check_bar,
    choose_bars,
    leave_out_contradictions,
)
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar, as_price

MONDAY = date(2020, 1, 6)
SESSIONS = {MONDAY + timedelta(n) for n in range(5)}
TODAY = date(2020, 1, 8)


def bar(close, day=MONDAY, *, open_=None, high=None, low=None, volume=None):
    prices = [None if price is None else as_price(Decimal(price)) for price in (open_, high, low, close)]
    return PriceBar("AAPL", day, *prices, volume)


@pytest.mark.parametrize(
    "sound",
    [
        bar("10"),
        bar("10", open_="10", high="10", low="10", volume=0),
        bar("10", open_="9", high="11", low="9", volume=5),
        bar("0.000001"),
        bar("10", high="11"),
        bar("10", TODAY),
    ],
)
def test_sound_bars_pass(sound):
    assert check_bar(sound, SESSIONS, TODAY) is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (bar("0"), "close: 0.000000 is no price"),
        (bar("-1"), "close: -1.000000 is no price"),
        (bar("NaN"), "close: NaN is no price"),
        (bar("sNaN"), "close: sNaN is no price"),
        (bar("Infinity"), "close: Infinity is no price"),
        (bar("0.0000004"), "close: 0.000000 is no price"),
        (bar("1e30"), "close: 1E+30 is no price"),
        (bar("10", date(2020, 1, 5)), "not a trading session"),
        (bar("10", TODAY + timedelta(1)), "in the future"),
    ],
)
def test_bad_bars_are_told_why(bad, reason):
    assert check_bar(bad, SESSIONS, TODAY).startswith(reason)


@pytest.mark.parametrize(
    ("odd", "kept"),
    [
        (bar("10", open_="NaN"), bar("10")),
        (bar("10", open_="0.0", high="11", low="9"), bar("10", high="11", low="9")),
        (bar("10", high="9.99"), bar("10")),
        (bar("10", open_="10", high="9.999", low="9"), bar("10", open_="10", low="9")),
        (bar("10", low="10.01"), bar("10")),
        (bar("10", open_="12", high="11"), bar("10", high="11")),
        (bar("10", open_="8.99", high="11", low="9"), bar("10", high="11", low="9")),
        (bar("10", volume=-1), bar("10")),
    ],
)
def test_what_contradicts_a_close_is_left_out_and_the_close_kept(odd, kept):
    assert leave_out_contradictions(odd)[0] == kept
    assert sum(leave_out_contradictions(odd)[1].values()) == 1


@pytest.mark.parametrize("value", ["0", "-0.1", "NaN", "Infinity", "1e12"])
@pytest.mark.parametrize("action_type", [SPLIT, DIVIDEND])
def test_actions_are_positive_and_finite(value, action_type):
    assert check_action(CorporateAction("AAPL", MONDAY, action_type, Decimal(value))) is not None
    assert check_action(CorporateAction("AAPL", MONDAY, action_type, Decimal("0.25"))) is None


def closes(*values, first=MONDAY):
    """Consecutive days' closes; None leaves a day out."""
    return {first + timedelta(n): bar(value, first + timedelta(n)) for n, value in enumerate(values) if value}


def chosen(stored, *offers, splits=(), any_move=False):
    """Which source was taken, day by day."""
    stored_closes = {day: bar.close for day, bar in stored.items()}
    of_days = [(MONDAY + timedelta(n), Decimal(v)) for n, v in splits]
    taken = choose_bars(stored_closes, offers, of_days, any_move=any_move).chosen
    return {(day - MONDAY).days: source for day, source in taken.items()}


def test_a_move_of_80_percent_is_the_limit_in_both_directions():
    assert chosen({}, closes("100", "180")) == {0: 0, 1: 0}
    assert chosen(closes("100"), closes(None, "180.01")) == {}
    assert chosen({}, closes("100", "20")) == {0: 0, 1: 0}
    assert chosen(closes("100"), closes(None, "19.99")) == {}


def test_after_a_hundredfold_bar_the_next_is_measured_against_the_last_good_one():
    assert chosen({}, closes("100", "10000", "101")) == {0: 0, 2: 0}


def test_the_last_close_may_be_a_stored_one():
    assert chosen(closes("100"), closes(None, "190")) == {}
    assert chosen(closes("100", "190"), closes(None, None, "191")) == {2: 0}


def test_splits_since_the_last_close_are_counted():
    # 1,000 becomes 100 at ten for one on the third day, with a day without a price in between
    assert chosen(closes("1000"), closes(None, None, "100"), splits=[(2, 10)]) == {2: 0}
    # a reverse split, one for twenty
    assert chosen(closes("1"), closes(None, "20"), splits=[(1, "0.05")]) == {1: 0}
    # a split on the day of the last close is already in that close: 100 · 10 against 100
    assert chosen(closes("100"), closes(None, "10"), splits=[(0, 10)]) == {}
    # two splits in the gap multiply
    assert chosen(closes("600"), closes(None, None, None, "100"), splits=[(1, 2), (3, 3)]) == {3: 0}


def test_a_second_source_that_agrees_vouches_for_a_move():
    crash = closes("100", "10", "9")
    assert chosen({}, crash, closes(None, "10.05")) == {0: 0, 1: 0, 2: 0}
    # if they are 2 % apart, they do not agree
    assert chosen(closes("100"), closes(None, "10", "9"), closes(None, "10.2")) == {}
    # a plausible second opinion is taken instead
    assert chosen({}, closes("100", "10000"), closes(None, "101")) == {0: 0, 1: 1}


def test_a_correction_of_a_stored_close_is_taken_and_a_wild_one_is_not():
    stored = closes("100", "15")
    assert chosen(stored, closes("100", "15.1")) == {0: 0, 1: 0}
    assert chosen(closes("100", "101"), closes("100", "10100")) == {0: 0}


def test_options_may_move_as_they_like():
    assert chosen({}, closes("10", "0.01", "8"), any_move=True) == {0: 0, 1: 0, 2: 0}


def refused(stored, *offers, splits=(), since=0, doubted=(0,)):
    """Why bars were passed over, by place and day."""
    reasons = choose_bars(
        {day: bar.close for day, bar in stored.items()},
        offers,
        [(MONDAY + timedelta(n), Decimal(value)) for n, value in splits],
        suspicion=Suspicion(MONDAY + timedelta(since), frozenset(doubted)),
    ).refused
    return {(place, (day - MONDAY).days): reason for (place, day), reason in reasons.items()}


@pytest.mark.parametrize("close", ["50", "50.9", "25", "66.5", "150", "33.4"])
def test_a_move_of_a_splits_size_without_the_split_is_suspected(close):
    assert refused(closes("100"), closes(None, close)) == {(0, 1): SUSPECTED_SPLIT}
    assert refused(closes("100"), closes(None, close), since=2) == {}
    assert refused(closes("100"), closes(None, close), doubted=()) == {}


def test_other_moves_are_not_and_nor_are_splits():
    for close in ("53", "80", "125", "140", "60"):
        assert refused(closes("100"), closes(None, close)) == {}
    assert refused(closes("100"), closes(None, "50.5"), splits=[(1, 2)]) == {}


def test_what_a_share_moves_in_a_day_widens_the_suspicion():
    offered = closes("100", "26.5")
    for volatility, reasons in ((None, {}), ("0.01", {}), ("0.03", {(0, 1): SUSPECTED_SPLIT})):
        suspicion = Suspicion(MONDAY, frozenset({0}), Decimal(volatility) if volatility else None)
        found = choose_bars({MONDAY: Decimal(100)}, [offered], [], suspicion=suspicion).refused
        assert {(place, (day - MONDAY).days): reason for (place, day), reason in found.items()} == reasons


def test_what_goes_on_from_a_suspected_close_shares_the_suspicion():
    assert refused(closes("100"), closes(None, "50", "53", "47")) == dict.fromkeys(
        [(0, 1), (0, 2), (0, 3)], SUSPECTED_SPLIT
    )
    # if the next close is back, it was one wrong bar
    assert refused(closes("100"), closes(None, "50", "101")) == {(0, 1): SUSPECTED_SPLIT}
    # after 3:2 no close is far from the last good one: what counts is that it continues at the new level
    assert refused(closes("100"), closes(None, "66.6", "66", "65", "64")) == dict.fromkeys(
        [(0, 1), (0, 2), (0, 3), (0, 4)], SUSPECTED_SPLIT
    )
    assert refused(closes("100"), closes(None, "66.6", "98", "97")) == {(0, 1): SUSPECTED_SPLIT}
    # and once the split is known, it continues from there
    assert refused(closes("100"), closes(None, "50", "53"), splits=[(2, 2)]) == {(0, 1): SUSPECTED_SPLIT}


def test_only_a_file_vouches_for_a_suspected_close():
    assert refused(closes("100"), closes(None, "50"), closes(None, "50"), doubted=(0, 1)) == {
        (0, 1): SUSPECTED_SPLIT,
        (1, 1): SUSPECTED_SPLIT,
    }
    assert refused(closes("100"), closes(None, "50"), closes(None, "50"), doubted=(0,)) == {}


def test_a_stored_close_is_not_replaced_by_one_on_another_scale():
    for close in ("50", "300", "10000", "1"):
        assert refused(closes("100", "100"), closes("100", close)) == {(0, 1): OTHER_SCALE}
        assert refused(closes("100", "100"), closes(close)) == {(0, 0): OTHER_SCALE}
    assert refused(closes("100", "100"), closes("100", "90")) == {}
    assert refused(closes("100", "100"), closes(None, "50"), doubted=()) == {}


def test_a_hundredfold_says_so():
    assert refused(closes("100"), closes(None, "10100")) == {(0, 1): HUNDREDFOLD}
    assert refused(closes("100"), closes(None, "1.01")) == {(0, 1): HUNDREDFOLD}


def test_a_large_move_is_believed_when_two_more_sessions_stand_by_it():
    assert chosen(closes("20"), closes(None, "2.5", "2.6")) == {}
    assert chosen(closes("20"), closes(None, "2.5", "2.6", "2.4")) == {1: 0, 2: 0, 3: 0}
    # not within 50 % of each other: 2.5 and 3.9
    assert chosen(closes("20"), closes(None, "2.5", "3.9", "2.5")) == {}
    # not in a row: the third is missing
    moved = choose_bars({MONDAY: Decimal(20)}, [closes(None, "2.5", "2.6", "2.4")], [])
    assert moved.large_moves == {MONDAY + timedelta(1): (Decimal(20), Decimal("2.5"))}
    gap = closes(None, "2.5", None, "2.6", "2.4")
    days = [MONDAY + timedelta(n) for n in range(5)]
    taken = choose_bars({MONDAY: Decimal(20)}, [gap], [], sessions=days).chosen
    assert taken == {}
    # splits inside the three are counted
    assert chosen(closes("20"), closes(None, "2.5", "25", "26"), splits=[(2, "0.1")]) == {1: 0, 2: 0, 3: 0}


def test_a_first_load_is_anchored_on_the_newest_and_the_majority():
    true = [str(50 + n / 10) for n in range(60)]
    hundredfold = [str(Decimal(close) * 100) for close in true]
    tenth = [str(Decimal(close) / 10) for close in true]
    everything = dict.fromkeys(range(60), 0)

    def without(*days):
        return {day: place for day, place in everything.items() if day not in days}

    assert chosen({}, closes(*hundredfold[:3], *true[3:])) == without(0, 1, 2)
    assert chosen({}, closes(tenth[0], *true[1:])) == without(0)
    assert chosen({}, closes(*true[:30], *tenth[30:40], *true[40:])) == without(*range(30, 40))
    assert chosen({}, closes(*true[:55], *hundredfold[55:])) == without(*range(55, 60))
    assert chosen({}, closes(*true[:59], tenth[59])) == without(59)
    # a true fall stays
    fall = [*true[:25], *(str(Decimal(close) / 8) for close in true[25:])]
    assert chosen({}, closes(*fall)) == everything


def test_older_bars_are_measured_against_what_is_stored():
    stored = closes(None, None, None, "50", "51", "52")
    assert chosen(stored, closes("5000", "5000", "50", "50", "51", "52")) == {2: 0, 3: 0, 4: 0, 5: 0}


def test_what_fills_a_gap_leads_to_what_is_stored_after_it():
    # three closes in another unit were refused by the first load, and are offered once more the night after
    before, after = closes("10", "10.1"), closes("10.2", "10", first=MONDAY + timedelta(5))
    wrong = closes("1000", "1010", "1005", first=MONDAY + timedelta(2))
    assert chosen(before | after, wrong) == {}
    # without anything after them they are a rise that three sessions stand by
    assert chosen(before, wrong) == {2: 0, 3: 0, 4: 0}
    assert chosen(before | after, closes("9", "9.5", "10", first=MONDAY + timedelta(2))) == {2: 0, 3: 0, 4: 0}
