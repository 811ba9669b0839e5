"""Undo a source's restatement for splits: prices and dividends as they were on their day, which never change again.

After a split of r new shares per old one a source divides every earlier price and dividend by r and multiplies every
earlier volume by it. With the splits s that the same source reports, the day t as it was is

    price_t = shown_t * R_t,    dividend_t = shown_t * R_t,    volume_t = shown_t / R_t,    R_t = product of r_s, s > t

A split of the day itself is in that day's shares already. The splits must reach to the day on which the source was
asked: it restates for a split that is after the last session wanted as well.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import accumulate
from operator import mul

from ingest.rows import SPLIT, CorporateAction, PriceBar, as_price

_ONE = Decimal(1)


def as_traded_bars(bars: Iterable[PriceBar], actions: Iterable[CorporateAction]) -> list[PriceBar]:
    """Return one symbol's split-adjusted bars as traded: prices at 6 decimals, volume in whole shares of its day.

    `actions` are the symbol's, of which the splits count, in any order; their ratios are positive. What is None stays
    None, and prices that are not finite stay what they are, for the row checks to refuse.
    """
    later_splits = _later_splits(actions)
    return [_bar_as_traded(bar, later_splits(bar.price_date)) for bar in bars]


def as_traded_actions(actions: Iterable[CorporateAction]) -> list[CorporateAction]:
    """Return one symbol's actions with each dividend, split-adjusted by the source, in shares of its ex-date.

    Amounts keep all their digits. Splits are as they are: a ratio of old to new shares is never restated.
    """
    actions = list(actions)
    later_splits = _later_splits(actions)
    return [
        action if action.action_type == SPLIT else action._replace(value=action.value * later_splits(action.ex_date))
        for action in actions
    ]


def _later_splits(actions: Iterable[CorporateAction]) -> Callable[[date], Decimal]:
    """Return the function t -> product of the ratios of the splits after t."""
    splits = sorted((action.ex_date, action.value) for action in actions if action.action_type == SPLIT)
    dates = [ex_date for ex_date, _ in splits]
    from_here_on = list(accumulate((ratio for _, ratio in reversed(splits)), mul, initial=_ONE))[::-1]
    return lambda day: from_here_on[bisect_right(dates, day)]


def _bar_as_traded(bar: PriceBar, ratio: Decimal) -> PriceBar:
    prices = [None if price is None else as_price(price * ratio) for price in bar[2:6]]
    volume = bar.volume
    if volume is not None and ratio != _ONE:
        volume = int((volume / ratio).to_integral_value(ROUND_HALF_EVEN))
    return PriceBar(bar.symbol, bar.price_date, *prices, volume)
