"""Histories that Yahoo tells wrong in ways that were seen, through the real yfinance: the right value beside each.

Each comes by three roads: night by night, as a first load, and loaded anew a night later. The rows are the same.
"""

from datetime import date

import pytest

from tests.ingest.market.real_nights import HISTORY, begin_nights

pytestmark = pytest.mark.filterwarnings("ignore")
# the session on which the split takes place, and the last night
SPLIT_ON, LAST = 85, 92


@pytest.fixture
def nights(conn, yahoo):
    return begin_nights(conn, yahoo)


def wave(sessions, level, ratio=1.0, split_on=SPLIT_ON):
    """Closes around a level, divided by a ratio (new shares per old) from the split on."""
    return {day: level * (1 + 0.004 * (n % 7 - 3)) / (ratio if n >= split_on else 1) for n, day in enumerate(sessions)}


def by_each_road(nights, show, first=82):
    """Yield the last report of each road, with what is stored by then; `show(n)` has Yahoo know the n-th session."""
    sessions = nights.sessions

    def road(*numbers):
        nights.forget()
        for n in numbers:
            show(n)
            report = nights.night(sessions[n])
        return report

    yield "night by night", road(*range(first, LAST + 1))
    yield "night after a first load", road(LAST - 1, LAST)
    yield "first load", road(LAST)


def is_true(nights, held, entry, shares):
    """The closes are as traded and none is missing, and the shares those that one has."""
    sessions, closes = nights.sessions, nights.closes()
    expected = {day: nights.true[day] for day in sessions[min(LAST - HISTORY, 60) : LAST + 1] if day in closes}
    assert {day: closes[day] for day in expected} == pytest.approx(expected, rel=1e-5, abs=2e-6)
    assert set(sessions[60 : LAST + 1]) <= closes.keys()
    assert nights.shares(held, sessions[entry]) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("level", "new", "old", "held", "shares"),
    [(401.5, 4, 1, 100, 400), (0.05, 1, 190, 190_000, 1000), (30.0, 3, 2, 100, 150), (12.0, 1, 10, 500, 50)],
)
def test_a_split_that_closes_were_never_adjusted_for(nights, level, new, old, held, shares):
    # 4:1 is reported, and closes are as traded: 400 before it, 100 after it; not 1,606, and not 160,640 for 100 shares
    sessions = nights.sessions
    nights.trade(wave(sessions, level, new / old))

    def show(n):
        told = {sessions[SPLIT_ON]: (new, old)} if n >= SPLIT_ON else {}
        nights.show(sessions[n], told, multiplied_by=dict.fromkeys(sessions, 1.0))

    for road, report in by_each_road(nights, show):
        is_true(nights, held, 70, shares)
        assert nights.actions() == [(sessions[SPLIT_ON], pytest.approx(new / old))], road
        assert report.rejected == [], road


def test_one_split_told_on_two_dates_with_closes_adjusted_once(nights):
    # 80,000 shares at 0.50, 1:50: 1,600 shares at 25, 40,000 before and after; not 32 shares
    sessions = nights.sessions
    nights.trade(wave(sessions, 0.5, 1 / 50))
    told = {sessions[SPLIT_ON - 2]: (1, 50), sessions[SPLIT_ON]: (1, 50)}

    def show(n):
        known = told if n >= SPLIT_ON else {}
        adjusted = dict.fromkeys(sessions[:SPLIT_ON], 50.0) if n >= SPLIT_ON else {}
        nights.show(sessions[n], known, multiplied_by=adjusted)

    for road, report in by_each_road(nights, show):
        is_true(nights, 80_000, 70, 1600)
        assert nights.actions() == [(sessions[SPLIT_ON], pytest.approx(0.02))], road
        assert report.restated.total() == 0, road
    assert nights.conn.execute("select count(*) from ops.price_restatements").fetchone() == (0,)


def test_one_that_was_announced_before_it_took_place(nights):
    # reported on the 8th for the 8th, when nothing happens, and executed on the 10th
    sessions = nights.sessions
    nights.trade(wave(sessions, 0.5, 1 / 50))

    def show(n):
        told = {sessions[day]: (1, 50) for day in (SPLIT_ON - 2, SPLIT_ON) if n >= day}
        adjusted = dict.fromkeys(sessions[:SPLIT_ON] if n >= SPLIT_ON else sessions, 50.0 if n >= SPLIT_ON else 1.0)
        nights.show(sessions[n], told, multiplied_by=adjusted)

    for _ in by_each_road(nights, show):
        is_true(nights, 80_000, 70, 1600)


@pytest.mark.parametrize(("early", "kept"), [(1, True), (3, False), (6, True)])
def test_a_first_load_hears_of_a_split_before_it_has_taken_place(nights, early, kept):
    # reported for a day on which nothing happens, with closes that are not divided: nobody can know, and the night
    # warns
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, 2))

    def show(n):
        told = {sessions[SPLIT_ON - early]: (2, 1)} if n < SPLIT_ON or kept else {}
        told |= {sessions[SPLIT_ON]: (2, 1)} if n >= SPLIT_ON else {}
        nights.show(sessions[n], told, multiplied_by=dict.fromkeys(sessions[:SPLIT_ON], 0.5 if n >= SPLIT_ON else 1.0))

    for n in range(SPLIT_ON - early, LAST + 1):
        show(n)
        report = nights.night(sessions[n])
        if n == SPLIT_ON - early:
            command = f"`python run_nightly.py actions dismiss XYZ {sessions[n]} SPLIT`"
            assert nights.told(report, "XYZ", f"the split of {sessions[n]} (2) is new", command)
    # when it takes place, closes of their own day give its date, and the others are fetched again
    is_true(nights, 100, 70, 200)
    assert nights.actions() == [(sessions[SPLIT_ON], 2)]


@pytest.mark.parametrize("adjusted_days", [1, 4, 15])
def test_closes_adjusted_in_part(nights, adjusted_days):
    # 2:1, and only the last days before it are adjusted: nothing is taken while there are two scales
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, 2))
    told = {sessions[SPLIT_ON]: (2, 1)}
    part = dict.fromkeys(sessions, 1.0) | dict.fromkeys(sessions[SPLIT_ON - adjusted_days : SPLIT_ON], 0.5)

    def show(n):
        # in part for five nights, and then completely
        mixed = {} if n >= SPLIT_ON + 5 else part
        nights.show(sessions[n], told if n >= SPLIT_ON else {}, multiplied_by=mixed if n >= SPLIT_ON else {})

    show(SPLIT_ON + 1)
    report = nights.night(sessions[SPLIT_ON + 1])
    if nights.closes():
        known = nights.closes()
        assert known == pytest.approx({day: nights.true[day] for day in known}, rel=1e-5)
    else:
        assert nights.told(report, "XYZ", f"{sessions[SPLIT_ON]}")
    for _ in by_each_road(nights, show):
        is_true(nights, 100, 70, 200)


@pytest.mark.parametrize(("wrong_days", "times"), [(3, 100.0), (1, 0.1), (3, 0.01), (1, 1000.0)])
def test_wrong_closes_at_the_beginning_do_not_cost_the_good_ones(nights, wrong_days, times):
    sessions = nights.sessions
    nights.trade(wave(sessions, 50))
    oldest = LAST - HISTORY
    wrong = sessions[oldest : oldest + wrong_days]

    def show(n):
        nights.show(sessions[n], {}, multiplied_by=dict.fromkeys(wrong, times))

    show(LAST)
    report = nights.night(sessions[LAST])
    assert list(nights.closes()) == list(sessions[oldest + wrong_days : LAST + 1])
    assert sorted(row.row_date for row in report.rejected) == list(wrong)
    is_true(nights, 100, 70, 100)


@pytest.mark.parametrize(("new", "old"), [(1175, 1000), (1025, 1000), (1030, 1000), (104, 100), (1281, 1000)])
def test_a_spin_off_told_as_a_split_gives_no_shares(nights, new, old):
    # Yahoo divides the closes before it by 1.175, as for a split
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, new / old))

    def show(n):
        nights.show(sessions[n], {sessions[SPLIT_ON]: (new, old)} if n >= SPLIT_ON else {})

    for road, _ in by_each_road(nights, show):
        is_true(nights, 100, 70, 100)
        assert nights.actions() == [], road
        query = "select row_date, reason from ops.rejected_rows where symbol = 'XYZ' and relation = 'corporate_actions'"
        ((day, reason),) = nights.conn.execute(query).fetchall()
        assert day == sessions[SPLIT_ON]
        assert reason.startswith(f"{new}:{old} looks like a spin-off"), road
        assert f"actions add XYZ {day} SPLIT {new / old:g}`" in reason
        assert f"actions add XYZ {day} SPINOFF" in reason


def test_a_split_whose_date_moves_to_the_day_before(nights):
    # 2:1 is reported and adjusted for the day; from two nights later on it is reported for the day before: 200 shares,
    # not 400
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, 2))

    def show(n):
        day = SPLIT_ON - 1 if n >= SPLIT_ON + 2 else SPLIT_ON
        adjusted = dict.fromkeys(sessions[:SPLIT_ON], 0.5)
        nights.show(
            sessions[n],
            {sessions[day]: (2, 1)} if n >= SPLIT_ON else {},
            multiplied_by=adjusted if n >= SPLIT_ON else {},
        )

    roads = by_each_road(nights, show)
    next(roads)
    is_true(nights, 100, 70, 200)
    assert nights.actions() == [(sessions[SPLIT_ON], 2)]
    # a load that only sees the day before also has 200 shares, at half the price from then on
    for _ in roads:
        assert nights.shares(100, sessions[70]) == 200
        day = sessions[SPLIT_ON - 1]
        assert nights.closes()[day] * nights.shares(100, sessions[70], day) == pytest.approx(100 * nights.true[day])


def test_a_dividend_whose_date_moves_is_paid_once(nights):
    sessions = nights.sessions
    nights.trade(wave(sessions, 50))

    def show(n):
        paid_on = sessions[SPLIT_ON + (n >= SPLIT_ON + 3)]
        nights.show(sessions[n], {}, dividends={paid_on: 1.0} if n >= SPLIT_ON else {})

    for road, _ in by_each_road(nights, show):
        assert nights.actions("DIVIDEND") == [(sessions[SPLIT_ON + 1], 1)], road
    moved = nights.conn.execute("select old_ex_date, new_ex_date from ops.action_restatements").fetchall()
    assert moved == [(sessions[SPLIT_ON], sessions[SPLIT_ON + 1])]


def test_a_true_fall_is_believed_after_three_sessions_and_told(nights):
    # 20 to 2.50: 100 shares are worth 250 from the third session on, on the days before too
    sessions = nights.sessions
    nights.trade(wave(sessions, 20, 8))

    def show(n):
        nights.show(sessions[n], {})

    show(SPLIT_ON - 1)
    nights.night(sessions[SPLIT_ON - 1])
    for n in range(SPLIT_ON, LAST + 1):
        show(n)
        report = nights.night(sessions[n])
        if n < SPLIT_ON + 2:
            assert max(nights.closes()) == sessions[SPLIT_ON - 1]
            assert any(row.row_date == sessions[n] for row in report.rejected)
    is_true(nights, 100, 70, 100)
    nights.forget()
    report = nights.night(sessions[LAST])
    is_true(nights, 100, 70, 100)
    assert nights.told(report, "XYZ", f"{sessions[SPLIT_ON]}", "believed")


def test_a_ticker_that_another_company_bears_now(nights):
    # last priced at 76 in June; in September a new company lists under the symbol at 49
    sessions = nights.sessions
    nights.trade(dict.fromkeys(sessions[:62], 76.0))
    nights.show(sessions[61], {})
    nights.night(sessions[61])
    nights.trade(dict.fromkeys(sessions[SPLIT_ON:], 49.0))
    # 24 sessions without a price are fewer than 60, but Yahoo's date of the first trade shows it
    nights.show(sessions[SPLIT_ON + 1], {}, first_traded=sessions[SPLIT_ON])
    nights.conn.execute("delete from ops.fetch_state")
    report = nights.night(sessions[SPLIT_ON + 1])
    assert set(nights.closes().values()) == {76.0}
    (row,) = report.rejected
    assert f"first traded on {sessions[SPLIT_ON]}, and the last price stored is of {sessions[61]}" in row.reason
    assert nights.told(report, "XYZ", "another company under the same symbol")
    # a company that was listed all along comes back
    nights.show(sessions[SPLIT_ON + 1], {}, first_traded=date(1999, 1, 4))
    nights.night(sessions[SPLIT_ON + 1])
    assert nights.closes()[sessions[SPLIT_ON]] == 49


def test_an_odd_open_high_or_low_costs_no_close(nights):
    sessions = nights.sessions
    nights.trade(wave(sessions, 50))
    listing = nights.show(sessions[LAST], {})
    odd = {1: {"open": 49.0, "low": 49.01}, 2: {"open": 0.0}, 3: {"high": -0.001}}
    for back, fields in odd.items():
        bar = listing.bars[sessions[LAST - back]]
        moved = {name: value if value >= 0 else bar.close + value for name, value in fields.items()}
        listing.bars[sessions[LAST - back]] = bar._replace(**moved)
    report = nights.night(sessions[LAST])
    is_true(nights, 100, 70, 100)
    assert report.rejected == []
    assert report.left_out.total() == 3


def test_weekends_of_what_trades_around_the_clock_are_counted_and_not_refused(nights):
    sessions = nights.sessions
    everyday = {date.fromordinal(n): 50.0 for n in range(sessions[0].toordinal(), sessions[LAST].toordinal() + 1)}
    nights.trade(everyday)
    nights.show(sessions[LAST], {})
    report = nights.night(sessions[LAST])
    assert report.rejected == []
    between = range(sessions[LAST - HISTORY].toordinal(), sessions[LAST].toordinal() + 1)
    weekends = [n for n in between if date.fromordinal(n) not in sessions]
    assert report.without_session == {"XYZ": len(weekends)}
    assert any("rows of days without a session, left out" in line for line in report.lines())
    assert list(nights.closes()) == list(sessions[LAST - HISTORY : LAST + 1])
    # a bar of one Saturday is a slip, and is reported
    saturday = max(day for day in everyday if day.weekday() == 5)
    nights.forget()
    nights.trade(dict.fromkeys([*sessions, saturday], 50.0))
    nights.show(sessions[LAST], {})
    assert [row.row_date for row in nights.night(sessions[LAST]).rejected] == [saturday]


@pytest.mark.parametrize(("new", "old"), [(1, 190), (1, 13), (13, 10)])
def test_a_split_of_an_odd_ratio_that_is_adjusted_for_before_it_is_told(nights, new, old):
    # every close is 190 times what is stored, and no split is told: nothing is overwritten, and the night says so
    sessions = nights.sessions
    nights.trade(wave(sessions, 0.5 if new < old else 50, new / old))

    def show(n):
        adjusted = dict.fromkeys(sessions[:SPLIT_ON], old / new) if n >= SPLIT_ON else {}
        told = {sessions[SPLIT_ON]: (new, old)} if n >= SPLIT_ON + 3 else {}
        nights.show(sessions[n], told, multiplied_by=adjusted)

    for n in range(82, SPLIT_ON + 3):
        show(n)
        report = nights.night(sessions[n])
    assert nights.closes() == pytest.approx({day: nights.true[day] for day in nights.closes()}, rel=1e-5)
    assert nights.told(report, "XYZ", "the source reports no split: not known yet?")
    for _ in by_each_road(nights, show):
        is_true(nights, 190_000, 70, 190_000 * new / old)


@pytest.mark.parametrize(("new", "old"), [(4, 1), (1, 10), (3, 2)])
@pytest.mark.parametrize("first_told", [-9, -5, -1, 1, 2, None])
def test_a_date_that_is_corrected_after_a_first_load(nights, new, old, first_told):
    # loaded two sessions after the split, told on a wrong day or not at all: no proof of anything; then it is corrected
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, new / old))

    def show(n):
        told = {} if first_told is None else {sessions[SPLIT_ON + first_told]: (new, old)}
        if n > SPLIT_ON + 2:
            told = {sessions[SPLIT_ON]: (new, old)}
        adjusted = dict.fromkeys(sessions, 1.0) | dict.fromkeys(sessions[:SPLIT_ON], old / new)
        nights.show(sessions[n], told, multiplied_by=adjusted)

    for n in range(SPLIT_ON + 2, LAST + 1):
        show(n)
        nights.night(sessions[n])
    is_true(nights, 100, 70, 100 * new / old)
    assert nights.actions() == [(sessions[SPLIT_ON], new / old)]
    (moved,) = nights.conn.execute("select count(*) from ops.action_restatements").fetchone()
    assert moved == (first_told is not None)


@pytest.mark.parametrize(("new", "old"), [(5, 4), (4, 3)])
@pytest.mark.parametrize("unadjusted_days", [1, 4, 15])
def test_a_small_split_adjusted_in_part(nights, new, old, unadjusted_days):
    # to a share that moves by less than a percent a day, a jump of a quarter is none of its own
    sessions = nights.sessions
    nights.trade(wave(sessions, 100, new / old))
    adjusted = dict.fromkeys(sessions, 1.0) | dict.fromkeys(sessions[: SPLIT_ON - unadjusted_days], old / new)
    nights.show(sessions[LAST], {sessions[SPLIT_ON]: (new, old)}, multiplied_by=adjusted)
    report = nights.night(sessions[LAST])
    assert nights.closes() == {}
    assert nights.told(report, "XYZ", f"the split of {sessions[SPLIT_ON]}", "adjusted in part?")


def test_a_split_that_never_was_and_is_told_no_longer(nights):
    # 4:1 told and adjusted for, for two nights: the next says that the closes do not show what is believed
    sessions = nights.sessions
    nights.trade(wave(sessions, 100))

    def show(n):
        false = n in (SPLIT_ON, SPLIT_ON + 1)
        nights.show(
            sessions[n],
            {sessions[SPLIT_ON]: (4, 1)} if false else {},
            multiplied_by=dict.fromkeys(sessions[:SPLIT_ON], 0.25) if false else {},
        )

    for n in range(82, LAST + 1):
        show(n)
        report = nights.night(sessions[n])
        if nights.shares(100, sessions[70]) != 100 and n > SPLIT_ON + 1:
            command = f"`actions dismiss XYZ {sessions[SPLIT_ON]} SPLIT`"
            assert nights.told(report, "XYZ", "its source tells it no longer", command)


def test_wrong_closes_in_the_middle_do_not_come_in_the_night_after(nights):
    # another unit for three sessions: refused by the first load, and by every night after it
    sessions = nights.sessions
    nights.trade(wave(sessions, 100))
    wrong = dict.fromkeys(sessions[50:53], 100.0)
    for n in range(82, 88):
        nights.show(sessions[n], {}, multiplied_by=wrong)
        nights.night(sessions[n])
        assert not nights.closes().keys() & wrong.keys()
    assert nights.closes() == pytest.approx({day: nights.true[day] for day in nights.closes()}, rel=1e-5)


@pytest.mark.parametrize(
    ("later", "amount", "paid"), [(2, 0.55, 0.55), (-3, 0.46, 0.46), (2, 1.2, 1.7), (20, 0.5, 1.0)]
)
def test_a_dividend_that_moves_and_is_another_amount(nights, later, amount, paid):
    # told no longer, and a like one near by since: the same; what may be one is said
    sessions = nights.sessions
    nights.trade(wave(sessions, 50))
    for n in range(82, LAST + 1):
        day, value = (60, 0.5) if n < SPLIT_ON else (60 + later, amount)
        nights.show(sessions[n], {}, dividends={sessions[day]: value})
        report = nights.night(sessions[n])
        if n == SPLIT_ON:
            command = f"`python run_nightly.py actions dismiss XYZ {sessions[60]} DIVIDEND`"
            assert nights.told(report, "no longer tells the dividend 0.5", command) == (paid > 0.55)
    assert sum(value for _, value in nights.actions("DIVIDEND")) == pytest.approx(paid)
