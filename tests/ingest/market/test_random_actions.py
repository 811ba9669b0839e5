"""Random histories of splits, told and restated in all the ways that were seen, over several nights.

The books must end with the true shares and closes, or with the symbol put aside: never with a silently wrong count.
"""

import itertools
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import prod

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from ingest.market.collection import collect_market_data
from ingest.market.report import MarketDataReport
from tests.ingest.market_book import Book, define_factors
from tests.ingest.restating_source import SYMBOL, RestatingSource, Shown
from warehouse.sessions import sessions_between

RATIOS = [Decimal(text) for text in ("2", "3", "4", "10", "20", "1.5", "0.5", "0.1", "0.02", "7", "0.25")]
HISTORY = 45  # sessions that the first night loads
WAYS = (
    "well",
    "told late",
    "told early",
    "told a day off, then corrected",
    "told on two dates",
    "moved to another date",
    "adjusted late",
    "never adjusted",
    "adjusted in part",
    "adjusted before it is told",
    "told twice",
    "withdrawn",
    "told with few digits",
)
# What nobody can know who first sees a history when it is past: these begin after the first night.
HIDDEN = (
    "told late",
    "told a day off, then corrected",
    "moved to another date",
    "adjusted before it is told",
    "withdrawn",
)


def true_closes(sessions, splits, seed):
    """A random walk in shares of the first day, divided by the splits since."""
    dice = random.Random(seed)  # noqa: S311
    price, closes = 200.0, {}
    for session in sessions:
        price *= 1 + dice.uniform(-0.015, 0.015)
        growth = prod(ratio for day, ratio in splits if day <= session)
        closes[session] = round(Decimal(price) / growth, 6)
    return closes


def show(way, sessions, splits, number, amount):
    """What the source shows on the night of `sessions[number]`."""
    tonight = sessions[number]
    told, divisors = [], {}
    for place, ratio in splits:
        known = adjusted = place
        dates = [place]
        if way == "told late":
            known = place + amount
            adjusted = known
        elif way == "told early":
            known, adjusted = place - amount, place
        elif way == "told a day off, then corrected":
            dates = [place - 1 if number < place + amount else place]
            known = place - 1
        elif way == "told on two dates":
            dates = [place - min(amount, 4), place]
        elif way == "moved to another date":
            dates = [place if number < place + amount else place - 1]
        elif way == "adjusted late":
            adjusted = place + amount
        elif way == "never adjusted":
            adjusted = 10**6
        elif way == "adjusted before it is told":
            known = place + amount
        elif way == "told twice":
            dates = [place, place]
        elif way == "withdrawn" and number >= place + amount:
            dates = []
        if number >= known:
            written = round(ratio, 4) if way == "told with few digits" else ratio
            told += [(sessions[day], written) for day in dates if day <= number]
        if number >= adjusted:
            first = place - amount if way == "adjusted in part" and number < place + 4 else 0
            for day in range(first, place):
                divisors[sessions[day]] = divisors.get(sessions[day], Decimal(1)) * ratio
    return tonight, Shown(told, divisors)


def night(conn, providers, session) -> MarketDataReport:
    now = datetime.combine(session, time(23, 30), UTC)
    return collect_market_data(conn, providers, session, session, history_sessions=HISTORY, today=session, now=now)


def forget(conn):
    for table in ("raw.market_data_cache", "raw.corporate_actions", "raw.corporate_action_claims", "ops.rejected_rows"):
        conn.execute(f"delete from {table}")
    conn.execute("delete from ops.fetch_state")


def check(conn, closes, splits, report):
    """The stored closes are the true ones, and so is what a share has become between any two of them."""
    stored = dict(
        conn.execute("select price_date, close from raw.market_data_cache where symbol = %s order by 1", [SYMBOL])
    )
    for day, close in stored.items():
        assert abs(close - closes[day]) <= Decimal("1e-5") * closes[day] + Decimal("2e-6"), (day, close, closes[day])
    believed = conn.execute(
        "select ex_date, value from raw.corporate_actions where action_type = 'SPLIT' and symbol = %s", [SYMBOL]
    ).fetchall()
    days = sorted(stored)
    for before, after in itertools.pairwise(days):
        true = prod((ratio for day, ratio in splits if before < day <= after), start=Decimal(1))
        found = prod((ratio for day, ratio in believed if before < day <= after), start=Decimal(1))
        assert abs(found / true - 1) < Decimal("1e-6"), (before, after, found, true)
    if report.end not in stored:
        # not priced: then somebody is told
        assert any(SYMBOL in scope or SYMBOL in message for scope, message in report.warnings())


@pytest.fixture
def world(conn):
    define_factors(conn)
    Book(conn, inception="2024-05-20").lot(SYMBOL, "2024-05-20")
    sessions = sessions_between(conn, date(2024, 3, 1), date(2024, 8, 30))
    return conn, sessions


histories = st.fixed_dictionaries(
    {
        "way": st.sampled_from(WAYS),
        "ratio": st.sampled_from(RATIOS),
        "place": st.integers(40, 70),
        "later": st.integers(63, 70),
        "amount": st.integers(1, 5),
        "seed": st.integers(0, 10**6),
        "second": st.sampled_from([None, None, "well", "told a day off, then corrected", "told late"]),
    }
)


def play(world, history):
    conn, sessions = world
    forget(conn)
    way, place, ratio, amount = (history[name] for name in ("way", "place", "ratio", "amount"))
    if way in HIDDEN:
        place = history["later"]
    splits = [(place, ratio)]
    note(f"{history}: ex-date {sessions[place]}")
    dated = [(sessions[place], ratio)]
    closes = true_closes(sessions, dated, history["seed"])
    first = RestatingSource(closes)
    providers = [first]
    if history["second"]:
        providers.append(RestatingSource(closes, "fmp", restates=False))
    report = None
    for number in range(60, 76, 2 if place < 60 else 1):
        for source, its_way in zip(providers, (way, history["second"]), strict=False):
            source.today, shown = show(its_way, sessions, splits, number, amount)
            source.shown = shown if source.restates else Shown(shown.told)
        report = night(conn, providers, sessions[number])
        check(conn, closes, dated, report)
    assert report
    # how it was told is no reason to be without prices for good, but where nobody can know
    if way in ("well", "told twice", "told with few digits", "told on two dates", "moved to another date", "withdrawn"):
        assert report.end in dict(
            conn.execute("select price_date, close from raw.market_data_cache where symbol = %s", [SYMBOL])
        )


@settings(
    max_examples=8,
    derandomize=True,
    deadline=timedelta(seconds=60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(histories)
def test_random_histories_of_splits(world, history):
    play(world, history)


@pytest.mark.slow
@settings(max_examples=600, deadline=timedelta(seconds=60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_many_random_histories_of_splits(world, history):
    play(world, history)
