from datetime import date, timedelta
from decimal import Decimal
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from ingest.market.as_traded import as_traded_action, as_traded_bar, later_splits
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar

D = Decimal
FIRST = date(2020, 1, 1)


def since(actions):
    return later_splits((action.ex_date, action.value) for action in actions if action.action_type == SPLIT)


def as_traded_bars(bars, actions):
    return [as_traded_bar(bar, since(actions)(bar.price_date)) for bar in bars]


def as_traded_actions(actions):
    return [as_traded_action(action, since(actions)(action.ex_date)) for action in actions]


def split(day: str, ratio: str) -> CorporateAction:
    return CorporateAction("A", date.fromisoformat(day), SPLIT, D(ratio))


def dividend(day: str, amount: str) -> CorporateAction:
    return CorporateAction("A", date.fromisoformat(day), DIVIDEND, D(amount))


def bar(day: str, price: str, volume: int | None = 0) -> PriceBar:
    return PriceBar("A", date.fromisoformat(day), D(price), D(price), D(price), D(price), volume)


def test_apple_before_and_after_its_split_of_2020():
    shown = [bar("2020-08-28", "124.81", 187_630_000), bar("2020-08-31", "129.04", 225_702_700)]
    assert as_traded_bars(shown, [split("2020-08-31", "4")]) == [
        bar("2020-08-28", "499.240000", 46_907_500),  # 124.81 * 4, 187,630,000 / 4
        bar("2020-08-31", "129.040000", 225_702_700),
    ]


def test_several_splits_multiply_reverse_ones_and_two_of_one_day_too():
    splits = [split("2020-03-02", "0.1"), split("2020-02-03", "3"), split("2020-03-02", "2")]
    shown = [bar("2020-01-31", "10", 600), bar("2020-02-03", "10", 600), bar("2020-03-02", "10", 600)]
    assert as_traded_bars(shown, splits) == [
        bar("2020-01-31", "6.000000", 1000),  # R = 3 * 0.1 * 2 = 0.6
        bar("2020-02-03", "2.000000", 3000),  # R = 0.2
        bar("2020-03-02", "10.000000", 600),
    ]


def test_a_dividend_is_in_shares_of_its_ex_date_and_a_split_of_that_day_is_in_them_already():
    actions = [dividend("2020-02-07", "0.1925"), split("2020-08-31", "4"), dividend("2020-08-31", "0.2")]
    assert as_traded_actions(actions) == [
        dividend("2020-02-07", "0.7700"),
        split("2020-08-31", "4"),
        dividend("2020-08-31", "0.2"),
    ]


def test_what_is_not_known_stays_unknown():
    day = date(2020, 1, 2)
    shown = PriceBar("A", day, None, None, D("NaN"), D("Infinity"), None)
    found = as_traded_bars([shown], [split("2020-08-31", "4")])[0]
    assert found[:4] == ("A", day, None, None) and found.low.is_nan() and found.close.is_infinite()
    assert found.volume is None


days = st.integers(0, 60).map(lambda n: FIRST + timedelta(n))
cents = st.integers(1, 10**7).map(lambda n: D(n).scaleb(-2))
ratios = st.sampled_from([D(2), D(3), D(4), D("1.5"), D(20), D("0.1"), D("0.05"), D("0.5")])
histories = st.tuples(
    st.dictionaries(days, st.tuples(cents, st.integers(0, 10**9)), min_size=1),
    st.dictionaries(days, ratios, max_size=5),
    st.dictionaries(days, cents, max_size=5),
)


@given(histories)
def test_what_a_source_restates_comes_back_as_it_was(history):
    traded, ratios_by_day, paid = history
    splits = [CorporateAction("A", day, SPLIT, ratio) for day, ratio in ratios_by_day.items()]

    def later(day):
        return prod((ratio for ex_date, ratio in ratios_by_day.items() if ex_date > day), start=D(1))

    shown = [
        PriceBar("A", day, *[price / later(day)] * 4, round(volume * later(day)))
        for day, (price, volume) in traded.items()
    ]
    for found, (day, (price, volume)) in zip(as_traded_bars(shown, splits), traded.items(), strict=True):
        assert found[:6] == ("A", day, *[price] * 4)
        # The source has rounded a volume in fewer shares to whole ones.
        assert abs(found.volume - volume) <= max(1, 1 / later(day))
    dividends = [CorporateAction("A", day, DIVIDEND, amount / later(day)) for day, amount in paid.items()]
    for found, amount in zip(as_traded_actions([*dividends, *splits]), paid.values(), strict=False):
        assert abs(found.value - amount) < D("1e-15")
    assert as_traded_actions(splits) == splits
